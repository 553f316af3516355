/** The orders in memory, with search, sorting and pages; a search looks into the store as well. */

import { hashOf, oneOf, pageOf } from '../kit/hash.js';
import { actorState, badge, choice, orderLink, panel, stateBadge, trouble } from '../kit/parts.js';
import { pages, table } from '../kit/table.js';
import { html } from '../vendor/htm-preact.js';

const SORTS = ['depth', 'oldest', 'rate', 'active'];
/** What can be searched for, and what that is called. */
const NAMES = {
  number: 'by.number',
  barcode: 'by.barcode',
  key: 'by.key',
  operator: 'by.operator',
};
const SEARCHED_BY = Object.keys(NAMES);
const STATES = ['', 'idle', 'waiting', 'active', 'delayed', 'paused'];
const TYPING_MS = 300;

/** The list of orders. */
export class Actors {
  /** @param {import('../main.js').Console} app */
  constructor(app) {
    this.app = app;
    this.typing = undefined;
    this.#read(app.route.query);
    this.list = app.poll(this.#path(), 2500);
    this.found = app.poll(this.#searchPath(), 10_000);
  }

  /** The heading of the page. */
  get title() {
    return this.app.t('actorsTitle');
  }

  /** Show what the address says now. */
  moved(query) {
    this.#read(query);
    this.list.turnTo(this.#path());
    this.found.turnTo(this.#searchPath());
  }

  /** Let go: what is still being typed must not lead back here. */
  stop() {
    clearTimeout(this.typing);
  }

  /** Describe the page. */
  render() {
    const { app, list, found, title } = this;
    const { t } = app;
    return [
      panel(
        'actors',
        title,
        { about: t('actorsAbout') },
        this.#filters(),
        trouble(app, list),
        list.data && this.#table(list.data.actors),
        list.data && pages(app, list.data, (page) => this.#hash({ page }), title),
      ),
      panel(
        'stored',
        this.#storedTitle(),
        {},
        trouble(app, found),
        found.data && this.#stored(found.data),
      ),
    ];
  }

  #read(query) {
    this.sort = oneOf(SORTS, query.sort);
    this.order = oneOf(['desc', 'asc'], query.order);
    this.state = oneOf(STATES, query.state);
    this.search = (query.search ?? '').trim();
    this.by = oneOf(SEARCHED_BY, query.by);
    this.page = pageOf(query);
    this.typed ??= this.search;
    if (this.search !== this.sent) this.typed = this.search;
    this.sent = this.search;
  }

  #path() {
    const { sort, order, state, page } = this;
    // Of actors only the number is known.
    const search = this.by === SEARCHED_BY[0] ? this.search : '';
    const query = { sort, order, state, search, page: String(page), pageSize: '25' };
    return `api/actors?${new URLSearchParams(query)}`;
  }

  #searchPath() {
    return `api/workorder/search?${new URLSearchParams({ q: this.search, by: this.by, limit: '20' })}`;
  }

  #hash(changes) {
    const { sort, order, state, search, by } = this;
    const query = { sort, order, state, search, by, ...changes };
    if (query.sort === SORTS[0]) query.sort = '';
    if (query.by === SEARCHED_BY[0]) query.by = '';
    if (query.order === 'desc') query.order = '';
    return hashOf('actors', '', query);
  }

  #filters() {
    const { t, go } = this.app;
    const sendNow = () => {
      clearTimeout(this.typing);
      this.sent = this.typed.trim();
      go(this.#hash({ search: this.sent }), true);
    };
    const submit = (event) => {
      event.preventDefault();
      sendNow();
    };
    const input = (event) => {
      this.typed = event.target.value;
      clearTimeout(this.typing);
      this.typing = setTimeout(sendNow, TYPING_MS);
    };
    const state = choice({
      name: 'state',
      label: t('actorState'),
      value: this.state,
      options: STATES.map((each) => [each, each ? actorState(t, each) : t('anyState')]),
      onchange: (each) => go(this.#hash({ state: each })),
    });
    const by = choice({
      name: 'by',
      label: t('searchBy'),
      value: this.by,
      options: SEARCHED_BY.map((each) => [each, t(NAMES[each])]),
      onchange: (each) => go(this.#hash({ by: each })),
    });
    return html`<form class="filters" role="search" onsubmit=${submit}>
      <label class="field grow">
        <span>${t('search')}</span>
        <input type="search" name="search" placeholder=${t('searchHint')} autocomplete="off"
          spellcheck=${false} value=${this.typed} oninput=${input} />
      </label>
      ${by}
      ${state}
    </form>`;
  }

  #sorting(name) {
    /** @type {import('../kit/table.js').Sort['now']} */
    const now = this.sort === name ? (this.order === 'desc' ? 'descending' : 'ascending') : null;
    const order = now === 'descending' ? 'asc' : 'desc';
    return { now, turn: () => this.app.go(this.#hash({ sort: name, order })) };
  }

  #table(rows) {
    const { t, f } = this.app;
    const ms = (value) => (value ? f.ms(value) : '–');
    /** @returns {import('../kit/table.js').Column} */
    const sorted = (name, title, kind, show) => [name, title, kind, show, this.#sorting(name)];
    return table({
      name: 'actors',
      caption: this.title,
      empty: t('noActors'),
      rows,
      key: (row) => row.workOrderId,
      columns: [
        ['order', t('order'), '', (row) => orderLink(row.workOrderId, row.workOrderNo)],
        ['state', t('actorState'), '', (row) => stateBadge(row.state, actorState(t, row.state))],
        sorted('depth', t('depth'), 'number', (row) => f.count(row.depth)),
        sorted('oldest', t('oldestWait'), 'number', (row) => ms(row.oldestWaitMs)),
        sorted('rate', t('rate'), 'number', (row) => f.rate(row.ratePerSecond)),
        ['took', t('took'), 'number', (row) => ms(row.tookMs)],
        ['handled', t('handled'), 'number', (row) => f.count(row.handled)],
        ['failed', t('failedCount'), 'number', (row) => f.count(row.failed)],
        sorted('active', t('lastActive'), 'number', (row) => f.time(row.lastActive)),
      ],
    });
  }

  #storedTitle() {
    return this.app.t(this.search ? 'inStore' : 'newestInStore');
  }

  #stored({ orders, more, allSearched }) {
    const { t, f } = this.app;
    const live = (row) => [
      t(row.live ? 'yes' : 'no'),
      row.paused && [' ', badge('warn', t('actorPaused'))],
    ];
    const status = (row) => (row.status ? stateBadge(row.status, t(row.status)) : '–');
    const list = table({
      name: 'stored',
      caption: this.#storedTitle(),
      empty: this.search ? t('noneInStore', { text: this.search }) : t('storeEmpty'),
      rows: orders,
      key: (row) => row.id,
      columns: [
        ['order', t('order'), '', (row) => orderLink(row.id, row.workOrderNo)],
        ['status', t('orderStatus'), '', status],
        ['progress', t('progress'), 'number', (row) => f.percent(row.progress)],
        ['input', t('input'), 'number', (row) => f.number(row.inputQuantity)],
        ['output', t('output'), 'number', (row) => f.number(row.outputQuantity)],
        ['plan', t('plan'), 'number', (row) => f.number(row.planQuantity)],
        ['material', t('material'), '', (row) => row.materialName || '–'],
        ['live', t('inMemory'), '', live],
      ],
    });
    return [
      list,
      more && this.search && html`<p class="soft">${t('moreInStore')}</p>`,
      !allSearched && html`<p class="soft">${t('notAllSearched')}</p>`,
    ];
  }
}
