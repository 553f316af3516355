/** What happens, as it happens: the last events, held when somebody wants to read. */

import { hashOf, oneOf } from '../kit/hash.js';
import { badge, choice, orderLink, panel, stateBadge } from '../kit/parts.js';
import { Stream } from '../kit/stream.js';
import { table } from '../kit/table.js';
import { html } from '../vendor/htm-preact.js';
import { reasonOf } from './timeline.js';

const KEPT = 200;
const DRAWN_MS = 400;
const FINE = ['applied', 'replayed', 'duplicate', 'state'];

/** The page of live events. */
export class Events {
  /** @param {import('../main.js').Console} app */
  constructor(app) {
    this.app = app;
    this.rows = [];
    this.count = 0;
    this.held = null;
    this.drawing = null;
    this.moved(app.route.query);
    const onEvents = (events) => this.#take(events);
    this.stream = new Stream(app.api, 'api/events', { onEvents, changed: app.redraw });
    this.follow();
  }

  /** The heading of the page. */
  get title() {
    return this.app.t('eventsTitle');
  }

  /** Show what the address says now. */
  moved(query) {
    this.only = oneOf(['', 'troubles'], query.only);
  }

  /** Follow while somebody looks and is let in. */
  follow() {
    if (document.hidden || this.app.waiting) this.stream.stop();
    else this.stream.start();
  }

  /** Let go of the stream. */
  stop() {
    clearTimeout(this.drawing);
    this.stream.stop();
  }

  /** Describe the page. */
  render() {
    const { t, go } = this.app;
    const [kind, name] = this.held
      ? ['warn', 'held']
      : this.stream.open
        ? ['ok', 'following']
        : ['quiet', 'connecting'];
    const beside = html`${badge(kind, t(name))}
      <button type="button" class="button" data-act="hold" onclick=${() => this.#hold()}>
        ${t(this.held ? 'goOn' : 'hold')}
      </button>`;
    const only = choice({
      name: 'only',
      label: t('event'),
      value: this.only,
      options: [
        ['', t('anyEvent')],
        ['troubles', t('troublesOnly')],
      ],
      onchange: (chosen) => go(hashOf('events', '', { only: chosen })),
    });
    const options = { about: t('eventsAbout', { count: KEPT }), beside };
    return panel(
      'events',
      this.title,
      options,
      html`<div class="filters">${only}</div>`,
      this.#table(),
    );
  }

  #take(events) {
    for (const { event, data } of events) {
      this.count += 1;
      this.rows.unshift({ key: this.count, event, heard: Date.now(), ...JSON.parse(data) });
    }
    this.rows.length = Math.min(this.rows.length, KEPT);
    // Hundreds a second are drawn a few times a second.
    this.drawing ??= setTimeout(() => {
      this.drawing = null;
      this.app.redraw();
    }, DRAWN_MS);
  }

  #hold() {
    this.held = this.held ? null : [...this.rows];
    this.app.redraw();
  }

  #table() {
    const { t, f } = this.app;
    const change = (row) => (row.type ? `${t(row.type)} ${f.signed(row.quantity)}` : '–');
    return table({
      name: 'events',
      caption: this.title,
      empty: t('noEvents'),
      rows: (this.held ?? this.rows).filter((row) => !this.only || !FINE.includes(row.event)),
      key: (row) => row.key,
      columns: [
        ['at', t('at'), '', (row) => f.time(row.at ?? row.heard)],
        ['event', t('event'), '', (row) => stateBadge(row.event, t(`event.${row.event}`))],
        ['order', t('order'), '', (row) => orderLink(row.workOrderId, row.workOrderNo)],
        ['change', t('change'), 'number', change],
        ['after', t('after'), 'number', (row) => f.number(row.afterQuantity)],
        ['took', t('duration'), 'number', (row) => (row.tookMs ? f.ms(row.tookMs) : '–')],
        ['detail', t('detail'), '', (row) => detailOf(row, t)],
      ],
    });
  }
}

function detailOf(row, t) {
  if (row.event === 'missed') return t('missed', { count: row.count });
  if (row.event !== 'state') return reasonOf(row);
  const role = t(row.role === 'owner' ? 'roleOwner' : row.role);
  return [row.node, role, `${t('epoch')} ${row.epoch}`].join(' · ');
}
