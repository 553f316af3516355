/** What happens, as it happens: the last events, held when somebody wants to read. */

import { h } from './dom.js';
import { hashOf, oneOf } from './hash.js';
import { badge, choice, orderLink, panel, stateBadge, typeText } from './parts.js';
import { Stream } from './stream.js';
import { table } from './table.js';
import { reasonOf } from './timeline.js';

const KEPT = 200;
const DRAWN_MS = 400;
const FINE = new Set(['applied', 'replayed', 'state']);

/** The page of live events. */
export class Events {
  /** @param {object} app */
  constructor(app) {
    this.app = app;
    this.rows = [];
    this.count = 0;
    this.held = null;
    this.moved(app.route.query);
    this.stream = new Stream(app.api, 'api/events', {
      onEvents: (events) => this.#take(events),
      changed: app.redraw,
    });
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
    const { app } = this;
    const { t } = app;
    const shown = (this.held ?? this.rows).filter((row) => !this.only || !FINE.has(row.event));
    const how = this.held
      ? badge('warn', t('held'))
      : this.stream.open
        ? badge('ok', t('following'))
        : badge('quiet', t('connecting'));
    const hold = h(
      'button',
      { type: 'button', class: 'button', 'data-act': 'hold', onclick: () => this.#hold() },
      t(this.held ? 'goOn' : 'hold'),
    );
    return panel(
      'events',
      t('eventsTitle'),
      { about: t('eventsAbout', { count: KEPT }), beside: [how, hold] },
      h(
        'div',
        { class: 'filters' },
        choice({
          name: 'only',
          label: t('event'),
          value: this.only,
          options: [
            ['', t('anyEvent')],
            ['troubles', t('troublesOnly')],
          ],
          onchange: (only) => app.go(hashOf('events', '', { only })),
        }),
      ),
      this.#table(shown),
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

  #table(rows) {
    const { t, f } = this.app;
    return table({
      name: 'events',
      caption: t('eventsTitle'),
      empty: t('noEvents'),
      columns: [
        { name: 'at', title: t('at') },
        { name: 'event', title: t('event') },
        { name: 'order', title: t('order') },
        { name: 'change', title: t('change'), number: true },
        { name: 'after', title: t('after'), number: true, wide: true },
        { name: 'took', title: t('duration'), number: true, wide: true },
        { name: 'detail', title: t('detail'), wide: true },
      ],
      rows: rows.map((row) => ({
        key: row.key,
        cells: {
          at: f.time(row.at ?? row.heard),
          event: stateBadge(row.event, t(`event.${row.event}`)),
          order: orderLink(row.workOrderId),
          change: row.type ? `${typeText(t, row.type)} ${f.signed(row.quantity)}` : '–',
          after: f.number(row.afterQuantity),
          took: row.tookMs ? f.ms(row.tookMs) : '–',
          detail: detailOf(row, t),
        },
      })),
    });
  }
}

function detailOf(row, t) {
  if (row.event === 'missed') return t('missed', { count: row.count });
  if (row.event === 'state')
    return [
      row.node,
      t(row.role === 'owner' ? 'roleOwner' : row.role),
      `${t('epoch')} ${row.epoch}`,
    ].join(' · ');
  return reasonOf(row);
}
