/** One order: quantities, what its actor does now, its timeline and its last updates. */

import { hashOf, oneOf, pageOf } from '../kit/hash.js';
import { actorState, badge, jobLink, panel, stateBadge, terms, trouble } from '../kit/parts.js';
import { html } from '../vendor/htm-preact.js';
import { operating } from './operating.js';
import { pauseOne } from './pausing.js';
import { lastUpdates, SHOWN, timeline } from './timeline.js';

const JOBS = {
  waiting: 'jobWaiting',
  active: 'jobActive',
  delayed: 'jobDelayed',
  failed: 'jobFailed',
};

/** The page of one order. */
export class Order {
  /** @param {import('../main.js').Console} app */
  constructor(app) {
    this.app = app;
    this.id = app.route.id;
    this.all = false;
    this.#read(app.route.query);
    this.detail = app.poll(`api/workorder/detail/${this.id}`, 2500);
    this.actor = app.poll(`api/actors/${this.id}`, 2000);
    this.log = app.poll(this.#logPath(), 4000);
    this.jobs = app.poll(`api/workorder/queue/job-counts?workOrderId=${this.id}`, 5000);
  }

  /** The heading of the page. */
  get title() {
    return this.app.t('orderTitle', { no: this.number });
  }

  /** The order's number; its id until that is known. */
  get number() {
    return this.detail.data?.workOrderNo || this.actor.data?.workOrderNo || this.id;
  }

  /** Show what the address says now. */
  moved(query) {
    this.#read(query);
    this.log.turnTo(this.#logPath());
  }

  /** Describe the page. */
  render() {
    const { app, detail, actor, log, type } = this;
    const { t } = app;
    if (detail.failure?.code === 'WORK_ORDER_NOT_FOUND' && actor.failure) {
      const unknown = html`<p class="note">${t('unknownOrder')}</p>`;
      return panel(
        'order',
        this.title,
        {},
        unknown,
        html`<a href=${hashOf('actors')}>${t('actors')}</a>`,
      );
    }
    const shown = { data: log.data, type, hash: (changes) => this.#hash(changes) };
    return [
      html`<div class="sides">${this.#quantities()}${this.#mailbox()}</div>`,
      panel('timeline', t('timeline'), {}, trouble(app, log), timeline(app, shown)),
      panel(
        'updates',
        t('lastUpdates'),
        { about: t('lastUpdatesAbout') },
        trouble(app, actor),
        actor.data && lastUpdates(app, actor.data, this.all),
        actor.data?.updates.length > SHOWN && this.#more(actor.data.updates.length),
      ),
    ];
  }

  #more(count) {
    const { t, f, redraw } = this.app;
    const turn = () => {
      this.all = !this.all;
      redraw();
    };
    return html`<div>
      <button type="button" class="button" data-act="all-updates" aria-expanded=${String(this.all)} onclick=${turn}>
        ${this.all ? t('showFewer') : t('showAll', { count: f.count(count) })}
      </button>
    </div>`;
  }

  #read(query) {
    this.page = pageOf(query);
    this.type = oneOf(['', 'input', 'output'], query.type);
  }

  #logPath() {
    const query = { page: String(this.page), pageSize: '15', changeType: this.type };
    // Between what is left out by a filter there are none.
    if (!this.type) query.operations = 'true';
    return `api/workorder/quantity-logs/${this.id}?${new URLSearchParams(query)}`;
  }

  #hash(changes) {
    return hashOf('orders', this.id, { type: this.type, page: this.page, ...changes });
  }

  #quantities() {
    const { app, detail } = this;
    const { t, f } = app;
    const order = detail.data;
    if (!order) return panel('quantities', t('quantities'), {}, trouble(app, detail));
    const beside = order.status && stateBadge(order.status, t(order.status));
    const quantity = (name, value) => html`<span data-quantity=${name}>${f.number(value)}</span>`;
    const material = [order.materialName, order.materialCode].filter(Boolean).join(' · ') || '–';
    return panel(
      'quantities',
      t('quantities'),
      { beside },
      trouble(app, detail),
      html`<div class="progress">
        <progress max="100" value=${order.progress ?? 0} aria-label=${t('progress')}></progress>
        <span class="number" data-progress>${f.percent(order.progress)}</span>
      </div>`,
      terms([
        [t('input'), quantity('input', order.inputQuantity)],
        [t('output'), quantity('output', order.outputQuantity)],
        [t('planProduction'), f.number(order.planProductionQuantity)],
        [t('plan'), f.number(order.planQuantity)],
        [t('scrap'), f.number(order.scrapQuantity)],
        [t('material'), material],
        [t('line'), order.productionLineName || '–'],
        [t('created'), f.stamp(order.createAt)],
        [t('changed'), f.stamp(order.updateAt)],
        ['ID', html`<span class="mono">${order.id}</span>`],
      ]),
      operating(app, order),
    );
  }

  #mailbox() {
    const { app, actor } = this;
    const { t } = app;
    const { data } = actor;
    const beside = data && [
      data.paused && badge('warn', t('paused'), { 'data-paused': true }),
      pauseOne(app, this.id, this.number, data.paused),
    ];
    const waits = data?.depth > 0 && t('restingWaits', { count: app.f.count(data.depth) });
    const resting = () => html`<p class="soft" data-depth>${waits || t('resting')}</p>`;
    const inside = data && (data.live ? this.#live(data) : resting());
    return panel('mailbox', t('mailbox'), { beside }, trouble(app, actor), inside, this.#jobs());
  }

  #live(data) {
    const { t, f } = this.app;
    const doing = data.doing
      ? t('doingSince', { what: t(data.doing), ms: f.ms(data.doingForMs) })
      : t('nothingNow');
    const oldest = data.oldestWaitMs > 0 && ` · ${t('oldest', { ms: f.ms(data.oldestWaitMs) })}`;
    const failed = data.failed > 0 && ` · ${t('failedCount')} ${f.count(data.failed)}`;
    const mean = (sum) => f.ms(data.handled ? sum / data.handled : null);
    return terms([
      [t('actorState'), stateBadge(data.state, actorState(t, data.state))],
      [t('doing'), html`<span data-doing>${doing}</span>`],
      data.doingJobId && [t('job'), jobLink(data.doingJobId)],
      [t('depth'), html`<span data-depth>${f.count(data.depth)}</span>`, oldest],
      [t('rate'), f.rate(data.ratePerSecond)],
      [t('meanWait'), mean(data.waitedMs)],
      [t('meanHandling'), mean(data.handlingMs)],
      [t('handled'), f.count(data.handled), failed],
      [t('seq'), html`<span data-seq>${data.loaded ? f.number(data.seq) : '–'}</span>`],
      [t('epoch'), f.number(data.epoch)],
      [t('outbox'), t('entries', { count: f.count(data.outbox.entries) })],
      [t('madeAt'), f.stamp(data.madeAt)],
    ]);
  }

  #jobs() {
    const { t, f } = this.app;
    const link = ([state, name], number) => {
      const hash = hashOf('jobs', '', { state: state === 'waiting' ? '' : state, order: this.id });
      const text = `${t(name)} ${f.count(this.jobs.data?.[state])}`;
      return [number > 0 && ' · ', html`<a href=${hash} data-jobs=${state}>${text}</a>`];
    };
    return html`<p><span class="soft">${t('ordersJobs')}: </span>${Object.entries(JOBS).map(link)}</p>`;
  }
}
