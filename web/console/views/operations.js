/** What people have done here: all that is paused, since when, by whom, and why. */

import { moment, orderLink, panel, trouble } from '../kit/parts.js';
import { table } from '../kit/table.js';
import { html } from '../vendor/htm-preact.js';
import { pauseAll, pauseOne } from './pausing.js';

/** The page of pauses. */
export class Operations {
  /** @param {import('../main.js').Console} app */
  constructor(app) {
    this.app = app;
    this.paused = app.poll('api/workorder/paused', 3000);
  }

  /** The heading of the page. */
  get title() {
    return this.app.t('operations');
  }

  /** Describe the page. */
  render() {
    return [this.#paused()];
  }

  #paused() {
    const { app, paused } = this;
    const { t, f } = app;
    const { data } = paused;
    const everything = () => html`<div class="row" data-paused="all">
      <p>
        ${t('allPaused', { count: f.count(data.all.waiting) })}
        ${' '}${t('pausedSince')} ${moment(f, data.all.since)} · ${byWhom(data.all)} · ${data.all.reason || '–'}
      </p>
      ${pauseAll(app, true)}
    </div>`;
    const more = data && data.total > data.orders.length;
    return panel(
      'paused',
      t('pausedList'),
      { about: t('pausedAbout') },
      trouble(app, paused),
      data?.all && everything(),
      data && this.#orders(data.orders),
      more &&
        html`<p class="soft">${t('andMore', { count: f.count(data.total - data.orders.length) })}</p>`,
    );
  }

  #orders(rows) {
    const { app } = this;
    const { t, f } = app;
    return table({
      name: 'paused',
      caption: t('pausedList'),
      hot: true,
      empty: t('nonePaused'),
      rows,
      key: (row) => row.workOrderId,
      columns: [
        ['order', t('order'), '', (row) => orderLink(row.workOrderId, row.workOrderNo)],
        ['depth', t('depth'), 'number', (row) => f.count(row.waiting)],
        ['oldest', t('oldestWait'), '', (row) => moment(f, row.oldest)],
        ['since', t('pausedSince'), '', (row) => moment(f, row.since)],
        ['by', t('byWhom'), '', byWhom],
        ['reason', t('reason'), '', (row) => row.reason || '–'],
        ['act', '', '', (row) => pauseOne(app, row.workOrderId, row.workOrderNo, true)],
      ],
    });
  }
}

/** Name who did something: the token's name, and the address. */
export const byWhom = ({ by, address }) => [by, address].filter(Boolean).join(' · ') || '–';
