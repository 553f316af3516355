/** Jobs by state: what waits, what failed and why; retry, remove, clean. */

import { h } from './dom.js';
import { hashOf, oneOf, orderHash, pageOf } from './hash.js';
import { badge, choice, moment, orderLink, panel, shortId, trouble, typeText } from './parts.js';
import { pages, table } from './table.js';

const STATES = ['waiting', 'active', 'delayed', 'failed', 'completed'];
const NAMES = {
  waiting: 'jobWaiting',
  active: 'jobActive',
  delayed: 'jobDelayed',
  failed: 'jobFailed',
  completed: 'jobCompleted',
};
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
const JOBS = 'api/workorder/queue/jobs';

/** The list of jobs. */
export class Jobs {
  /** @param {object} app */
  constructor(app) {
    this.app = app;
    this.#read(app.route.query);
    this.list = app.poll(this.#path(), 3000);
  }

  /** The heading of the page. */
  get title() {
    return this.app.t('jobsTitle');
  }

  /** Show what the address says now. */
  moved(query) {
    this.#read(query);
    this.list.turnTo(this.#path());
  }

  /** Describe the page. */
  render() {
    const { app, list } = this;
    const { t } = app;
    const data = list.shown === list.path ? list.data : null;
    return panel(
      'jobs',
      t('jobsTitle'),
      { about: t('jobsAbout'), beside: this.#buttons(data) },
      this.#states(),
      this.#filters(),
      trouble(app, list),
      data && this.#table(data),
      data && pages(app, data, (page) => this.#hash({ page }), t('jobsTitle')),
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
    return `${JOBS}?${new URLSearchParams({ state, workOrderId: order, code, page, pageSize: 20 })}`;
  }

  #hash(changes) {
    const { state, order, code } = this;
    const query = { state, order, code, ...changes };
    if (query.state === STATES[0]) query.state = '';
    if (query.page === 1) query.page = '';
    return hashOf('jobs', '', query);
  }

  #states() {
    const { t } = this.app;
    return h(
      'nav',
      { class: 'tabs', key: 'states', 'aria-label': t('jobStates') },
      STATES.map((state) =>
        h(
          'a',
          {
            key: state,
            href: this.#hash({ state, code: state === 'failed' ? this.code : '' }),
            'aria-current': state === this.state ? 'true' : null,
            'data-state': state,
          },
          t(NAMES[state]),
        ),
      ),
    );
  }

  #filters() {
    const { t, go } = this.app;
    const codes = this.code && !CODES.includes(this.code) ? [...CODES, this.code] : CODES;
    if (this.state !== 'failed' && !this.order) return null;
    return h(
      'div',
      { class: 'filters', key: 'filters' },
      this.state === 'failed' &&
        choice({
          name: 'code',
          label: t('errorCode'),
          value: this.code,
          options: [['', t('anyError')], ...codes.map((code) => [code, code])],
          onchange: (code) => go(this.#hash({ code })),
        }),
      this.order &&
        h(
          'p',
          { key: 'order' },
          t('ofOrder', { id: '' }),
          h('a', { class: 'mono', href: orderHash(this.order) }, this.order),
          ' ',
          h('a', { class: 'button', href: this.#hash({ order: '' }) }, t('allOrders')),
        ),
    );
  }

  #buttons(data) {
    const { t, f, acting } = this.app;
    const filter = {
      ...(this.order && { workOrderId: this.order }),
      ...(this.code && { code: this.code }),
    };
    const label =
      this.order || this.code ? t('retryThese', { count: f.count(data?.total) }) : t('retryAll');
    const retryAll = async () => {
      const sure = await acting.ask({
        title: t('retryAllTitle', { count: f.count(data.total) }),
        text: t('retryAllText'),
        yes: t('retry'),
      });
      if (sure) await acting.run('POST', 'api/workorder/queue/retry-failed', filter);
    };
    return [
      this.state === 'failed' &&
        data?.total > 0 &&
        acting.button('retry-all', label, retryAll, { kind: 'main' }),
      acting.button('clean', t('clean'), () => this.#clean()),
    ];
  }

  async #clean() {
    const { t, acting } = this.app;
    const fields = (values) => {
      values.grace ??= GRACES[0][0];
      return choice({
        name: 'grace',
        label: t('cleanGrace'),
        value: values.grace,
        options: GRACES.map(([ms, name]) => [ms, t(name)]),
        onchange: (grace) => {
          values.grace = grace;
          this.app.redraw();
        },
      });
    };
    const values = await acting.ask({
      title: t('cleanTitle'),
      text: t('cleanText'),
      yes: t('cleanDo'),
      kind: 'danger',
      fields,
    });
    if (values)
      await acting.run('POST', 'api/workorder/queue/clean', { grace: Number(values.grace) });
  }

  #table(data) {
    const { t } = this.app;
    const failed = this.state === 'failed';
    const done = failed || this.state === 'completed';
    return table({
      name: 'jobs',
      caption: `${t('jobsTitle')}: ${t(NAMES[this.state])}`,
      empty: t('noJobs'),
      columns: [
        { name: 'order', title: t('order') },
        { name: 'change', title: t('change'), wide: true },
        failed && { name: 'error', title: t('errorCode') },
        this.state === 'completed' && { name: 'after', title: t('after'), number: true },
        {
          name: 'times',
          title: done ? [t('received'), ' / ', t('finished')] : t('received'),
          wide: failed,
        },
        { name: 'attempts', title: t('attempts'), number: true, wide: true },
        { name: 'job', title: t('job'), wide: true },
        { name: 'actions', title: t('actions') },
      ].filter(Boolean),
      rows: data.jobs.map((job) => ({ key: job.jobId, cells: this.#cells(job) })),
    });
  }

  #cells(job) {
    const { t, f, acting } = this.app;
    const act = {
      quantity: f.signed(job.quantity),
      type: typeText(t, job.type),
      order: job.workOrderId,
    };
    const change = `${act.type} ${act.quantity}`;
    const remove = async () => {
      const text = job.state === 'waiting' ? t('removeText', act) : t('removeDoneText');
      const sure = await acting.ask({
        title: t('removeTitle', { id: job.jobId }),
        text,
        yes: t('remove'),
        kind: 'danger',
      });
      if (sure) await acting.run('DELETE', `${JOBS}/${job.jobId}`);
    };
    return {
      order: [orderLink(job.workOrderId), h('div', { class: 'narrow soft' }, change)],
      change,
      error: job.error && [
        h('b', null, job.error.code),
        job.deadLetter && [' ', badge('bad', t('deadLetter'))],
        h('div', { class: 'soft detail' }, job.error.message),
      ],
      after: f.number(job.result?.afterQuantity),
      times: [
        h('div', null, moment({ f }, job.receivedAt)),
        job.finishedAt && h('div', { class: 'soft' }, moment({ f }, job.finishedAt)),
      ],
      attempts: f.count(job.attempts),
      job: shortId(job.jobId),
      actions: h(
        'span',
        { class: 'buttons' },
        job.state === 'failed' &&
          acting.button(
            'retry',
            t('retry'),
            () => acting.run('POST', `${JOBS}/${job.jobId}/retry`),
            { about: `${t('retry')} ${job.jobId}` },
          ),
        job.state !== 'active' &&
          acting.button('remove', t('remove'), remove, { about: `${t('remove')} ${job.jobId}` }),
      ),
    };
  }
}
