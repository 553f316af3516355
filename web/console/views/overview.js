/** How all of it is: state, figures, graphs, and the orders that stand out. */

import { Chart } from '../kit/chart.js';
import { hashOf } from '../kit/hash.js';
import { Past, RANGES } from '../kit/history.js';
import { badge, choice, leaseText, panel, terms, tile, trouble } from '../kit/parts.js';
import { gapped } from '../kit/scale.js';
import { html } from '../vendor/htm-preact.js';
import { hotOrders } from './hot.js';
import { pauseAll } from './pausing.js';

/** The first page. */
export class Overview {
  /** @param {import('../main.js').Console} app */
  constructor(app) {
    this.app = app;
    this.stats = app.poll('api/actors/stats', 2000);
    this.queue = app.poll('api/workorder/queue/stats', 2000);
    this.nodes = app.poll('api/nodes', 2000);
    this.hot = app.poll('api/actors/hot?n=5', 3000);
    this.past = new Past(app);
    this.failed = app.poll('api/workorder/queue/jobs?state=failed&pageSize=1', 5000);
    const names = ['throughputGraph', 'latencyGraph', 'waitingGraph'];
    this.charts = names.map((name) => new Chart(name, app.redraw));
    this.drawn = { data: null, at: [] };
  }

  /** The heading of the page. */
  get title() {
    return this.app.t('overview');
  }

  /** Describe the page. */
  render() {
    const { app, hot } = this;
    return [
      app.alarms.list(),
      this.#state(),
      this.stats.data ? this.#tiles(this.stats.data) : trouble(app, this.stats),
      this.#graphs(),
      panel('hot', app.t('hot'), {}, trouble(app, hot), hot.data && hotOrders(app, hot.data)),
    ];
  }

  #state() {
    const { app, nodes } = this;
    const { t, f } = app;
    if (!nodes.data) return panel('state', t('state'), {}, trouble(app, nodes));
    const { leaseLeftMs, leaseHolder, ownerChanges } = nodes.data;
    const [teller] = nodes.data.nodes;
    const owner = nodes.data.nodes.find((each) => each.role === 'owner');
    const [latest] = ownerChanges;
    const epoch = html`<span data-epoch>${f.number(owner?.epoch ?? latest?.epoch)}</span>`;
    const holder = leaseHolder && leaseHolder !== owner?.node ? ` · ${leaseHolder}` : '';
    const paused = this.stats.data?.pausedOrders;
    const list = hashOf('actors', '', { state: 'paused' });
    return panel(
      'state',
      t('state'),
      { beside: pauseAll(app, teller.paused) },
      trouble(app, nodes),
      terms([
        [t('service'), this.#service(teller, owner), below(owner?.serving ? '' : teller.reason)],
        [
          t('owner'),
          html`<span class="mono" data-owner>${owner?.node ?? t('noOwner')}</span>`,
          below(t('epoch'), ' ', epoch),
        ],
        [t('lease'), dependency(app, teller.lease), below(leaseText(app, leaseLeftMs), holder)],
        [t('store'), dependency(app, teller.store), below(f.span(teller.store.sinceS))],
        [
          t('ownerChanges'),
          html`<a href=${hashOf('nodes')}>${f.count(ownerChanges.length)}</a>`,
          below(latest && t('sinceTime', { time: f.stamp(latest.since) })),
        ],
        [
          t('pausedOrders'),
          paused > 0 ? html`<a href=${list}>${f.count(paused)}</a>` : f.count(paused),
        ],
      ]),
    );
  }

  #service(teller, owner) {
    const { t, api } = this.app;
    if (api.lostAt !== null) return badge('quiet', t('noAnswer'), { 'data-service': 'unknown' });
    if (!owner?.serving)
      return badge('bad', t('notServing'), { 'data-service': 'down', title: teller.reason });
    return teller.paused
      ? badge('warn', t('paused'), { 'data-service': 'paused' })
      : badge('ok', t('serving'), { 'data-service': 'serving' });
  }

  #tiles({ updates, mailboxes, states, jobs, live, timesMs }) {
    const { t, f } = this.app;
    const { p50, p99 } = timesMs.total ?? {};
    const failed = this.failed.data?.total;
    // While paused, most of what waits is of orders that are not in memory and have no mailbox.
    const { waiting, delayed } = this.queue.data ?? {};
    const all = Object.values(states).reduce((sum, count) => sum + count, 0);
    const busy = f.count(all - (states.idle ?? 0));
    const oldest = { ms: f.ms(mailboxes.oldestWaitMs), count: f.count(mailboxes.max) };
    const applied = `${f.count(updates.applied)} ${t('sinceStart')}`;
    const spoilt = `${t('failedUpdates')} ${f.count(updates.failed)} · ${t('sinceStart')}`;
    const ofMinute = `p99 ${f.ms(p99)} · ${t('lastMinute')}`;
    return html`<div class="tiles">
      ${tile('rate', t('applied'), f.rate(updates.perSecond), applied, { unit: t('perSecond') })}
      ${tile('latency', t('latency'), f.ms(p50), ofMinute, { unit: 'p50' })}
      ${tile(
        'waiting',
        t('waitingUpdates'),
        f.count(this.queue.data && waiting + delayed),
        t('oldestAndDeepest', oldest),
        { href: hashOf('actors', '', { sort: 'depth' }) },
      )}
      ${tile('live', t('liveActors'), f.count(live), t('busyOf', { count: busy }), { href: hashOf('actors') })}
      ${tile(
        'failed-jobs',
        t('failedJobs'),
        f.count(failed),
        t('waitingJobs', { count: f.count(jobs.waiting) }),
        { kind: failed > 0 && 'warn', href: hashOf('jobs', '', { state: 'failed' }) },
      )}
      ${tile('refused', t('refused'), f.count(updates.refused), spoilt, { kind: updates.failed > 0 && 'warn' })}
    </div>`;
  }

  #graphs() {
    const { app, past } = this;
    const { t, f } = app;
    const { data } = past;
    const spanText = t(SPANS[past.range]);
    if (!data)
      return panel('graphs', spanText, { beside: this.#ranges() }, trouble(app, past.poll));
    if (this.drawn.data !== data) this.drawn = { data, ...drawnOf(data) };
    const since = (this.drawn.at.at(-1) ?? 0) - past.spanMs;
    const first = this.drawn.at.findIndex((each) => each >= since);
    const at = this.drawn.at.slice(first);
    const of = (name) => this.drawn[name].slice(first);
    /** @type {[(value: any) => string, ...[string, (number | null)[]][]][]} */
    const graphs = [
      [
        f.rate,
        ['applied', of('applied')],
        ['refused', of('refused')],
        ['failedUpdates', of('failed')],
      ],
      [f.ms, ['p50', of('p50Ms')], ['p99', of('p99Ms')]],
      [f.count, ['waitingUpdates', of('waiting')], ['activeUpdates', of('active')]],
    ];
    const frame = { spanMs: past.spanMs, spanText, marks: data.marks ?? [] };
    const graph = ([write, ...lines], number) =>
      this.charts[number].render(app, at, lines, write, of('paused'), frame);
    return html`<div class="actions" data-graphs=${past.range}>${this.#ranges()}</div>
      <div class="graphs">${trouble(app, past.poll)}${graphs.map(graph)}</div>`;
  }

  #ranges() {
    const { app, past } = this;
    const options = Object.keys(RANGES).map((name) => [name, app.t(SPANS[name])]);
    const onchange = (name) => {
      past.turnTo(name);
      app.redraw();
    };
    return choice({ name: 'range', label: app.t('range'), value: past.range, options, onchange });
  }
}

const SPANS = {
  '5m': 'last5Minutes',
  '15m': 'last15Minutes',
  '1h': 'lastHour',
  '24h': 'lastDay',
  '7d': 'lastWeek',
};
const DRAWN = ['applied', 'refused', 'failed', 'p50Ms', 'p99Ms', 'waiting', 'active', 'paused'];

/** Return the columns as they are drawn: with an end where nothing is known for a while. */
function drawnOf(data) {
  const moments = data.at.map((each) => Date.parse(each));
  const most = 2.5 * Math.max(data.everyS, 60) * 1000;
  const columns = DRAWN.map((name) => data[name]);
  const { at, columns: shown } = gapped(moments, columns, most);
  return { at, ...Object.fromEntries(DRAWN.map((name, number) => [name, shown[number]])) };
}

/** Describe a second, quieter line. */
const below = (...children) => html`<div class="soft small">${children}</div>`;

function dependency({ t, f }, { name, ok, sinceS }) {
  const state = ok ? t('answers') : t('silent', { span: f.span(sinceS) });
  return html`${badge(ok ? 'ok' : 'bad', state)} ${name}`;
}
