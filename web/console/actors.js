/** The orders in memory, with search, sorting and pages; a search looks into the store as well. */

import { h } from './dom.js';
import { hashOf, oneOf, pageOf } from './hash.js';
import { actorState, badge, choice, orderLink, panel, stateBadge, trouble } from './parts.js';
import { pages, table } from './table.js';

const SORTS = ['depth', 'oldest', 'rate', 'active'];
const STATES = ['', 'idle', 'waiting', 'active', 'delayed', 'paused'];
const TYPING_MS = 300;

/** The list of orders. */
export class Actors {
  /** @param {object} app */
  constructor(app) {
    this.app = app;
    this.#read(app.route.query);
    this.list = app.poll(this.#path(), 2500);
    this.found = this.search ? app.poll(this.#searchPath(), 10_000) : null;
  }

  /** The heading of the page. */
  get title() {
    return this.app.t('actorsTitle');
  }

  /** Show what the address says now. */
  moved(query) {
    this.#read(query);
    this.list.turnTo(this.#path());
    if (this.search && this.found) this.found.turnTo(this.#searchPath());
    else if (this.search) this.found = this.app.poll(this.#searchPath(), 10_000);
    else if (this.found) {
      this.app.drop(this.found);
      this.found = null;
    }
  }

  /** Describe the page. */
  render() {
    const { app, list } = this;
    const { t } = app;
    return [
      panel(
        'actors',
        t('actorsTitle'),
        { about: t('actorsAbout') },
        this.#filters(),
        trouble(app, list),
        list.data && this.#table(list.data),
        list.data && pages(app, list.data, (page) => this.#hash({ page }), t('actorsTitle')),
      ),
      this.found &&
        panel(
          'stored',
          t('inStore'),
          {},
          trouble(app, this.found),
          this.found.data && this.#stored(this.found.data),
        ),
    ];
  }

  #read(query) {
    this.sort = oneOf(SORTS, query.sort);
    this.order = oneOf(['desc', 'asc'], query.order);
    this.state = oneOf(STATES, query.state);
    this.search = (query.search ?? '').trim();
    this.page = pageOf(query);
    this.typed ??= this.search;
    if (this.search !== this.sent) this.typed = this.search;
    this.sent = this.search;
  }

  #path() {
    const { sort, order, state, search, page } = this;
    return `api/actors?${new URLSearchParams({ sort, order, state, search, page, pageSize: 25 })}`;
  }

  #searchPath() {
    return `api/workorder/search?${new URLSearchParams({ q: this.search, limit: 20 })}`;
  }

  #hash(changes) {
    const { sort, order, state, search } = this;
    const query = { sort, order, state, search, ...changes };
    if (query.sort === SORTS[0]) query.sort = '';
    if (query.order === 'desc') query.order = '';
    if (query.page === 1) query.page = '';
    return hashOf('actors', '', query);
  }

  #filters() {
    const { t, go } = this.app;
    const sendNow = () => {
      clearTimeout(this.typing);
      this.sent = this.typed.trim();
      go(this.#hash({ search: this.typed.trim() }), true);
    };
    return h(
      'form',
      {
        class: 'filters',
        role: 'search',
        onsubmit: (event) => {
          event.preventDefault();
          sendNow();
        },
      },
      h(
        'label',
        { class: 'field grow', key: 'search' },
        h('span', null, t('search')),
        h('input', {
          type: 'search',
          name: 'search',
          placeholder: t('searchHint'),
          autocomplete: 'off',
          spellcheck: 'false',
          value: this.typed,
          oninput: (event) => {
            this.typed = event.target.value;
            clearTimeout(this.typing);
            this.typing = setTimeout(sendNow, TYPING_MS);
          },
        }),
      ),
      choice({
        name: 'state',
        label: t('actorState'),
        value: this.state,
        options: STATES.map((state) => [state, state ? actorState(t, state) : t('anyState')]),
        onchange: (state) => go(this.#hash({ state })),
      }),
    );
  }

  #sorting(name) {
    const now = this.sort === name ? (this.order === 'desc' ? 'descending' : 'ascending') : null;
    const order = now === 'descending' ? 'asc' : 'desc';
    return { now, turn: () => this.app.go(this.#hash({ sort: name, order })) };
  }

  #table(data) {
    const { t, f } = this.app;
    return table({
      name: 'actors',
      caption: t('actorsTitle'),
      empty: t('noActors'),
      columns: [
        { name: 'order', title: t('order') },
        { name: 'state', title: t('actorState') },
        { name: 'depth', title: t('depth'), number: true, sort: this.#sorting('depth') },
        { name: 'oldest', title: t('oldestWait'), number: true, sort: this.#sorting('oldest') },
        { name: 'rate', title: t('rate'), number: true, sort: this.#sorting('rate') },
        { name: 'took', title: t('took'), number: true, wide: true },
        { name: 'handled', title: t('handled'), number: true, wide: true },
        { name: 'failed', title: t('failedCount'), number: true, wide: true },
        {
          name: 'active',
          title: t('lastActive'),
          number: true,
          wide: true,
          sort: this.#sorting('active'),
        },
      ],
      rows: data.actors.map((row) => ({
        key: row.workOrderId,
        cells: {
          order: orderLink(row.workOrderId, row.workOrderNo),
          state: stateBadge(row.state, actorState(t, row.state)),
          depth: f.count(row.depth),
          oldest: row.oldestWaitMs ? f.ms(row.oldestWaitMs) : '–',
          rate: f.rate(row.ratePerSecond),
          took: row.tookMs ? f.ms(row.tookMs) : '–',
          handled: f.count(row.handled),
          failed: f.count(row.failed),
          active: f.time(row.lastActive),
        },
      })),
    });
  }

  #stored(data) {
    const { t, f } = this.app;
    return [
      table({
        name: 'stored',
        caption: t('inStore'),
        empty: t('noneInStore', { text: this.search }),
        columns: [
          { name: 'order', title: t('order') },
          { name: 'status', title: t('orderStatus') },
          { name: 'progress', title: t('progress'), number: true },
          { name: 'input', title: t('input'), number: true, wide: true },
          { name: 'output', title: t('output'), number: true, wide: true },
          { name: 'plan', title: t('plan'), number: true, wide: true },
          { name: 'material', title: t('material'), wide: true },
          { name: 'live', title: t('inMemory') },
        ],
        rows: data.orders.map((row) => ({
          key: row.id,
          cells: {
            order: orderLink(row.id, row.workOrderNo),
            status: row.status ? stateBadge(row.status, t(row.status)) : '–',
            progress: f.percent(row.progress),
            input: f.number(row.inputQuantity),
            output: f.number(row.outputQuantity),
            plan: f.number(row.planQuantity),
            material: row.materialName ?? '–',
            live: [
              t(row.live ? 'yes' : 'no'),
              row.paused && [' ', badge('warn', t('actorPaused'))],
            ],
          },
        })),
      }),
      data.more && h('p', { class: 'soft' }, t('moreInStore')),
    ];
  }
}
