/** One order: quantities, what its actor does now, its timeline and its last updates. */

import { h } from './dom.js';
import { hashOf, pageOf } from './hash.js';
import { actorState, badge, panel, stateBadge, terms, trouble } from './parts.js';
import { pauseOne } from './pausing.js';
import { lastUpdates, SHOWN, timeline } from './timeline.js';

const JOB_STATES = ['waiting', 'active', 'delayed', 'failed'];

/** The page of one order. */
export class Order {
  /** @param {object} app */
  constructor(app) {
    this.app = app;
    this.id = app.route.id;
    this.all = false;
    this.#read(app.route.query);
    this.detail = app.poll(`api/workorder/detail/${this.id}`, 2500);
    this.actor = app.poll(`api/actors/${this.id}`, 2000);
    this.log = app.poll(this.#logPath(), 4000);
    this.jobs = JOB_STATES.map((state) =>
      app.poll(`api/workorder/queue/jobs?state=${state}&workOrderId=${this.id}&pageSize=1`, 5000),
    );
  }

  /** The heading of the page. */
  get title() {
    return this.app.t('orderTitle', { no: this.number });
  }

  /** The order's number; its id until that is known. */
  get number() {
    return this.detail.data?.workOrderNo ?? this.actor.data?.workOrderNo ?? this.id;
  }

  /** Show what the address says now. */
  moved(query) {
    this.#read(query);
    this.log.turnTo(this.#logPath());
  }

  /** Describe the page. */
  render() {
    const { app, detail, actor, log } = this;
    const { t } = app;
    if (detail.failure?.code === 'WORK_ORDER_NOT_FOUND' && actor.failure) {
      return panel(
        'order',
        this.title,
        {},
        h('p', { class: 'note' }, t('unknownOrder')),
        h('a', { href: hashOf('actors') }, t('actors')),
      );
    }
    return [
      h('div', { key: 'sides', class: 'sides' }, this.#quantities(), this.#mailbox()),
      panel(
        'timeline',
        t('timeline'),
        {},
        trouble(app, log),
        timeline(app, {
          data: log.data,
          type: this.type,
          hash: (changes) => this.#hash(changes),
        }),
      ),
      panel(
        'updates',
        t('lastUpdates'),
        { about: t('lastUpdatesAbout') },
        trouble(app, actor),
        actor.data && lastUpdates(app, actor.data, this.all),
        this.#more(actor.data?.updates.length),
      ),
    ];
  }

  #more(count) {
    const { t, f, redraw } = this.app;
    const turn = () => {
      this.all = !this.all;
      redraw();
    };
    return (
      count > SHOWN &&
      h(
        'div',
        { key: 'more' },
        h(
          'button',
          {
            type: 'button',
            class: 'button',
            'data-act': 'all-updates',
            'aria-expanded': String(this.all),
            onclick: turn,
          },
          this.all ? t('showFewer') : t('showAll', { count: f.count(count) }),
        ),
      )
    );
  }

  #read(query) {
    this.page = pageOf(query);
    this.type = query.type === 'input' || query.type === 'output' ? query.type : '';
  }

  #logPath() {
    return `api/workorder/quantity-logs/${this.id}?${new URLSearchParams({ page: this.page, pageSize: 15, changeType: this.type })}`;
  }

  #hash(changes) {
    const query = { type: this.type, page: this.page, ...changes };
    return hashOf('orders', this.id, { ...query, page: query.page === 1 ? '' : query.page });
  }

  #quantities() {
    const { app, detail } = this;
    const { t, f } = app;
    const order = detail.data;
    const beside = order?.status && stateBadge(order.status, t(order.status));
    return panel(
      'quantities',
      t('quantities'),
      { beside },
      trouble(app, detail),
      order && [
        h(
          'div',
          { class: 'progress' },
          h('progress', { max: '100', value: order.progress ?? 0, 'aria-label': t('progress') }),
          h('span', { class: 'number', 'data-progress': true }, f.percent(order.progress)),
        ),
        terms([
          [t('input'), h('span', { 'data-quantity': 'input' }, f.number(order.inputQuantity))],
          [t('output'), h('span', { 'data-quantity': 'output' }, f.number(order.outputQuantity))],
          [t('planProduction'), f.number(order.planProductionQuantity)],
          [t('plan'), f.number(order.planQuantity)],
          [t('scrap'), f.number(order.scrapQuantity)],
          [
            t('material'),
            [order.materialName, order.materialCode].filter(Boolean).join(' · ') || '–',
          ],
          [t('line'), order.productionLineName || '–'],
          [t('created'), f.stamp(order.createAt)],
          [t('changed'), f.stamp(order.updateAt)],
          ['ID', h('span', { class: 'mono' }, order.id)],
        ]),
      ],
    );
  }

  #mailbox() {
    const { app, actor } = this;
    const { t } = app;
    const data = actor.data;
    const beside = data && [
      data.paused && badge('warn', t('paused'), { 'data-paused': true }),
      pauseOne(app, this.id, this.number, data.paused),
    ];
    return panel(
      'mailbox',
      t('mailbox'),
      { beside },
      trouble(app, actor),
      data && (data.live ? this.#live(data) : h('p', { class: 'soft' }, t('resting'))),
      this.#jobs(),
    );
  }

  #live(data) {
    const { t, f } = this.app;
    const doing = data.doing
      ? t('doingSince', { what: t(data.doing), ms: f.ms(data.doingForMs) })
      : t('nothingNow');
    return terms([
      [t('actorState'), stateBadge(data.state, actorState(t, data.state))],
      [t('doing'), h('span', { 'data-doing': true }, doing)],
      data.doingJobId && [t('job'), h('span', { class: 'mono' }, data.doingJobId)],
      [
        t('depth'),
        h('span', { 'data-depth': true }, f.count(data.depth)),
        data.oldestWaitMs > 0 && ` · ${t('oldest', { ms: f.ms(data.oldestWaitMs) })}`,
      ],
      [t('rate'), f.rate(data.ratePerSecond)],
      [t('meanWait'), f.ms(data.handled ? data.waitedMs / data.handled : null)],
      [t('meanHandling'), f.ms(data.handled ? data.handlingMs / data.handled : null)],
      [
        t('handled'),
        f.count(data.handled),
        data.failed > 0 && ` · ${t('failedCount')} ${f.count(data.failed)}`,
      ],
      [t('seq'), h('span', { 'data-seq': true }, data.loaded ? f.number(data.seq) : '–')],
      [t('epoch'), f.number(data.epoch)],
      [t('outbox'), t('entries', { count: f.count(data.outbox.entries) })],
      [t('madeAt'), f.stamp(data.madeAt)],
    ]);
  }

  #jobs() {
    const { t, f } = this.app;
    const names = {
      waiting: 'jobWaiting',
      active: 'jobActive',
      delayed: 'jobDelayed',
      failed: 'jobFailed',
    };
    return h(
      'p',
      { class: 'job-links', key: 'jobs' },
      h('span', { class: 'soft' }, `${t('ordersJobs')}: `),
      JOB_STATES.map((state, number) => [
        number > 0 && ' · ',
        h(
          'a',
          {
            key: state,
            href: hashOf('jobs', '', { state: state === 'waiting' ? '' : state, order: this.id }),
            'data-jobs': state,
          },
          `${t(names[state])} ${f.count(this.jobs[number].data?.total)}`,
        ),
      ]),
    );
  }
}
