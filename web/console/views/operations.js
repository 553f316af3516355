/** What people have done here: all that is paused, and every action: when, by whom, and why. */

import { hashOf, pageOf } from '../kit/hash.js';
import { jobLink, moment, orderLink, panel, trouble } from '../kit/parts.js';
import { pages, table } from '../kit/table.js';
import { html } from '../vendor/htm-preact.js';
import { pauseAll, pauseOne } from './pausing.js';

/** The page of pauses. */
export class Operations {
  /** @param {import('../main.js').Console} app */
  constructor(app) {
    this.app = app;
    this.paused = app.poll('api/workorder/paused', 3000);
    this.audit = app.poll(auditPath(app.route.query), 5000);
  }

  /** The heading of the page. */
  get title() {
    return this.app.t('operations');
  }

  /** Show what the address says now. */
  moved(query) {
    this.audit.turnTo(auditPath(query));
  }

  /** Describe the page. */
  render() {
    return [this.#paused(), this.#audit()];
  }

  #audit() {
    const { app, audit } = this;
    const { t } = app;
    const { data } = audit;
    const hash = (page) => hashOf('operations', '', { page });
    return panel(
      'audit',
      t('audit'),
      { about: t('auditAbout') },
      trouble(app, audit),
      data && this.#actions(data.actions),
      data && pages(app, data, hash, t('audit')),
    );
  }

  #actions(rows) {
    const { t, f } = this.app;
    const of = ({ workOrderId, workOrderNo, jobId }) =>
      workOrderId ? orderLink(workOrderId, workOrderNo) : jobId ? jobLink(jobId) : '–';
    const more = ({ touched }) =>
      Object.entries(touched)
        .map(([name, value]) => `${name} ${value}`)
        .join(', ') || '–';
    return table({
      name: 'audit',
      caption: t('audit'),
      empty: t('noActions'),
      rows,
      key: (row) => `${row.at} ${row.requestId}`,
      columns: [
        ['at', t('actedAt'), '', (row) => moment(f, row.at)],
        ['action', t('action'), '', (row) => row.action],
        ['of', t('order'), '', of],
        ['by', t('byWhom'), '', byWhom],
        ['reason', t('reason'), '', (row) => row.reason || '–'],
        ['outcome', t('outcome'), '', (row) => row.outcome],
        ['more', t('note'), '', more],
      ],
    });
  }

  #paused() {
    const { app, paused } = this;
    const { t, f } = app;
    const { data } = paused;
    const everything = () => html`<div data-paused="all">
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
        ['act', t('action'), '', (row) => pauseOne(app, row.workOrderId, row.workOrderNo, true)],
      ],
    });
  }
}

const auditPath = (query) => `api/audit?page=${pageOf(query)}&pageSize=20`;

/** Name who did something: the token's name, and the address. */
const byWhom = ({ by, address }) => [by, address].filter(Boolean).join(' · ') || '–';
