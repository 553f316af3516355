/** Jobs by state: what waits, what failed and why; retry, remove, clean. */

import { hashOf, oneOf, orderHash, pageOf } from '../kit/hash.js';
import { badge, choice, jobLink, moment, orderLink, panel, trouble } from '../kit/parts.js';
import { pages, table } from '../kit/table.js';
import { html } from '../vendor/htm-preact.js';
import { jobActions, STATE_NAMES } from './job.js';

const STATES = Object.keys(STATE_NAMES);
const CODES = [
  'DEAD_LETTER',
  'STORE_REJECTED',
  'WORK_ORDER_NOT_FOUND',
  'DUPLICATE_OPERATION',
  'INVALID_QUANTITY',
  'REQUEST_ID_CONFLICT',
];
const GRACES = [
  ['86400000', 'graceDay'],
  ['3600000', 'graceHour'],
  ['60000', 'graceMinute'],
  ['0', 'graceNone'],
];
const QUEUE = 'api/workorder/queue';

/** The list of jobs. */
export class Jobs {
  /** @param {import('../main.js').Console} app */
  constructor(app) {
    this.app = app;
    this.#read(app.route.query);
    this.list = app.poll(this.#path(), 3000);
    this.counts = app.poll(this.#counting(), 5000);
  }

  /** The heading of the page. */
  get title() {
    return this.app.t('jobsTitle');
  }

  /** Show what the address says now. */
  moved(query) {
    this.#read(query);
    this.list.turnTo(this.#path());
    this.counts.turnTo(this.#counting());
  }

  /** Describe the page. */
  render() {
    const { app, list, title } = this;
    const data = list.shown === list.path ? list.data : null;
    return panel(
      'jobs',
      title,
      { about: app.t('jobsAbout'), beside: this.#buttons(data) },
      this.#states(),
      this.#filters(),
      trouble(app, list),
      data && this.#table(data.jobs),
      data && pages(app, data, (page) => this.#hash({ page }), title),
    );
  }

  #read(query) {
    this.state = oneOf(STATES, query.state);
    this.order = /^[0-9a-f]{24}$/i.test(query.order ?? '') ? query.order.toLowerCase() : '';
    this.code = /^[A-Z_]{1,64}$/.test(query.code ?? '') ? query.code : '';
    this.page = pageOf(query);
  }

  #path() {
    const { state, order, code, page } = this;
    const query = { state, workOrderId: order, code, page: String(page), pageSize: '20' };
    return `${QUEUE}/jobs?${new URLSearchParams(query)}`;
  }

  #counting(code = '') {
    return `${QUEUE}/job-counts?${new URLSearchParams({ workOrderId: this.order, code })}`;
  }

  #hash(changes) {
    const { state, order, code } = this;
    const query = { state, order, code, ...changes };
    return hashOf('jobs', '', { ...query, state: query.state === STATES[0] ? '' : query.state });
  }

  #states() {
    const { t, f } = this.app;
    const { data, shown, path } = this.counts;
    const count = (state) => (data && shown === path ? ` ${f.count(data[state])}` : '');
    const tab = (state) => html`<a key=${state} data-state=${state}
      href=${this.#hash({ state, code: state === 'failed' ? this.code : '' })}
      aria-current=${state === this.state ? 'true' : null}>${t(STATE_NAMES[state])}${count(state)}</a>`;
    return html`<nav class="tabs" aria-label=${t('jobStates')}>${STATES.map(tab)}</nav>`;
  }

  #filters() {
    const { t, go } = this.app;
    if (this.state !== 'failed' && !this.order) return null;
    const codes = this.code && !CODES.includes(this.code) ? [...CODES, this.code] : CODES;
    const code = () =>
      choice({
        name: 'code',
        label: t('errorCode'),
        value: this.code,
        options: [['', t('anyError')], ...codes.map((each) => [each, each])],
        onchange: (each) => go(this.#hash({ code: each })),
      });
    const order = () => html`<p>
      ${t('ofOrder', { id: '' })}<a class="mono" href=${orderHash(this.order)}>${this.order}</a>${' '}
      <a class="button" href=${this.#hash({ order: '' })}>${t('allOrders')}</a>
    </p>`;
    return html`<div class="filters">${this.state === 'failed' && code()}${this.order && order()}</div>`;
  }

  #buttons(data) {
    const { t, f, acting } = this.app;
    const count = f.count(data?.total);
    const some = this.order || this.code;
    const label = (name) => (some ? t(`${name}These`, { count }) : t(`${name}All`));
    const failed = this.state === 'failed' && data?.total > 0;
    const many = (name, kind) =>
      failed && acting.button(`${name}-all`, label(name), () => this.#many(name, kind), { kind });
    return [
      many('retry', 'main'),
      many('discard', ''),
      acting.button('clean', t('clean'), () => this.#clean()),
    ];
  }

  /** Retry or discard what fits the filter, once it is said how many jobs that are now. */
  async #many(name, kind) {
    const { t, f, acting } = this.app;
    const filter = {
      ...(this.order && { workOrderId: this.order }),
      ...(this.code && { code: this.code }),
    };
    const counts = await acting.look(this.#counting(this.code));
    if (!counts) return;
    const touched = name === 'retry' ? counts.retryable : counts.failed;
    const question = {
      title: t(`${name}AllTitle`, { count: f.count(touched) }),
      text: t(`${name}AllText`),
      yes: t(name),
      kind: kind || 'danger',
    };
    if (await acting.ask(question)) await acting.run('POST', `${QUEUE}/${name}-failed`, filter);
  }

  async #clean() {
    const { t, acting, redraw } = this.app;
    const fields = (values) => {
      values.grace ??= GRACES[0][0];
      return choice({
        name: 'grace',
        label: t('cleanGrace'),
        value: values.grace,
        options: GRACES.map(([ms, name]) => [ms, t(name)]),
        onchange: (grace) => {
          values.grace = grace;
          redraw();
        },
      });
    };
    const texts = { title: t('cleanTitle'), text: t('cleanText'), yes: t('cleanDo') };
    const values = await acting.ask({ ...texts, kind: 'danger', fields });
    if (values) await acting.run('POST', `${QUEUE}/clean`, { grace: Number(values.grace) });
  }

  #table(rows) {
    const { t, f } = this.app;
    const failed = this.state === 'failed';
    const completed = this.state === 'completed';
    const change = (job) => `${t(job.type)} ${f.signed(job.quantity)}`;
    const order = (job) => orderLink(job.workOrderId, job.workOrderNo);
    const times = (job) => [
      html`<div>${moment(f, job.receivedAt)}</div>`,
      job.finishedAt && html`<div class="soft">${moment(f, job.finishedAt)}</div>`,
    ];
    const received = failed || completed ? `${t('received')} / ${t('finished')}` : t('received');
    return table({
      name: 'jobs',
      caption: `${this.title}: ${t(STATE_NAMES[this.state])}`,
      empty: t('noJobs'),
      rows,
      key: (job) => job.jobId,
      columns: [
        ['order', t('order'), '', order],
        ['change', t('change'), '', change],
        failed && ['error', t('errorCode'), '', (job) => this.#error(job)],
        completed && ['after', t('after'), 'number', (job) => f.number(job.result?.afterQuantity)],
        ['times', received, '', times],
        ['attempts', t('attempts'), 'number', (job) => f.count(job.attempts)],
        ['job', t('job'), '', (job) => jobLink(job.jobId)],
        ['actions', t('actions'), '', (job) => jobActions(this.app, job)],
      ],
    });
  }

  #error({ error, deadLetter }) {
    if (!error) return null;
    const mark = deadLetter && badge('bad', this.app.t('deadLetter'));
    return html`<b>${error.code}</b> ${mark}<div class="soft detail">${error.message}</div>`;
  }
}
