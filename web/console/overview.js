/** How all of it is: state, figures, graphs, and the orders that stand out. */

import { Chart } from './chart.js';
import { h } from './dom.js';
import { hashOf } from './hash.js';
import { Hour } from './history.js';
import { hotOrders } from './hot.js';
import { badge, leaseText, panel, terms, tile, trouble } from './parts.js';
import { pauseAll } from './pausing.js';

/** The first page. */
export class Overview {
  /** @param {object} app */
  constructor(app) {
    this.app = app;
    this.stats = app.poll('api/actors/stats', 2000);
    this.queue = app.poll('api/workorder/queue/stats', 2000);
    this.nodes = app.poll('api/nodes', 2000);
    this.hot = app.poll('api/actors/hot?n=5', 3000);
    this.hour = new Hour(app);
    this.failed = app.poll('api/workorder/queue/jobs?state=failed&pageSize=1', 5000);
    this.charts = ['throughputGraph', 'latencyGraph', 'waitingGraph'].map(
      (name) => new Chart(name, app.redraw),
    );
    this.drawn = { data: null, at: [] };
  }

  /** The heading of the page. */
  get title() {
    return this.app.t('overview');
  }

  /** Let go of all that it watches. */
  stop() {
    for (const each of this.charts) each.stop();
  }

  /** Describe the page. */
  render() {
    const { app } = this;
    return [
      app.alarms.list(),
      this.#state(),
      this.stats.data ? this.#tiles(this.stats.data) : trouble(app, this.stats),
      this.#graphs(),
      panel(
        'hot',
        app.t('hot'),
        {},
        trouble(app, this.hot),
        this.hot.data && hotOrders(app, this.hot.data),
      ),
    ];
  }

  #state() {
    const { app, nodes } = this;
    const { t, f } = app;
    if (!nodes.data) return panel('state', t('state'), {}, trouble(app, nodes));
    const [teller] = nodes.data.nodes;
    const owner = nodes.data.nodes.find((each) => each.role === 'owner');
    const [latest] = nodes.data.ownerChanges;
    const { leaseLeftMs, leaseHolder } = nodes.data;
    const pausedOrders = this.stats.data?.pausedOrders;
    return panel(
      'state',
      t('state'),
      { beside: pauseAll(app, teller.paused), class: 'state' },
      trouble(app, nodes),
      terms([
        [t('service'), this.#service(teller, owner), below(owner?.serving ? '' : teller.reason)],
        [
          t('owner'),
          h('span', { class: 'mono', 'data-owner': true }, owner?.node ?? t('noOwner')),
          below(
            t('epoch'),
            ' ',
            h('span', { 'data-epoch': true }, f.number(owner?.epoch ?? latest?.epoch)),
          ),
        ],
        [
          t('lease'),
          dependency(app, teller.lease),
          below(
            leaseText(app, leaseLeftMs),
            leaseHolder && leaseHolder !== owner?.node ? ` · ${leaseHolder}` : '',
          ),
        ],
        [t('store'), dependency(app, teller.store), below(f.span(teller.store.sinceS))],
        [
          t('ownerChanges'),
          h('a', { href: hashOf('nodes') }, f.count(nodes.data.ownerChanges.length)),
          below(latest && t('sinceTime', { time: f.stamp(latest.since) })),
        ],
        [
          t('pausedOrders'),
          pausedOrders > 0
            ? h('a', { href: hashOf('actors', '', { state: 'paused' }) }, f.count(pausedOrders))
            : f.count(pausedOrders),
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

  #tiles(stats) {
    const { t, f } = this.app;
    const whole = stats.timesMs.total;
    const { updates, mailboxes, states } = stats;
    const failed = this.failed.data?.total;
    // While paused, most of what waits is of orders that are not in memory and have no mailbox.
    const { waiting, delayed } = this.queue.data ?? {};
    const busy = Object.entries(states).reduce(
      (sum, [state, count]) => (state === 'idle' ? sum : sum + count),
      0,
    );
    return h(
      'div',
      { key: 'tiles', class: 'tiles' },
      tile(
        'rate',
        t('applied'),
        f.rate(updates.perSecond),
        `${f.count(updates.applied)} ${t('sinceStart')}`,
        { unit: t('perSecond') },
      ),
      tile(
        'latency',
        t('latency'),
        `${f.ms(whole?.p50)}`,
        `p99 ${f.ms(whole?.p99)} · ${t('lastMinute')}`,
        { unit: 'p50' },
      ),
      tile(
        'waiting',
        t('waitingUpdates'),
        f.count(this.queue.data && waiting + delayed),
        t('oldestAndDeepest', { ms: f.ms(mailboxes.oldestWaitMs), count: f.count(mailboxes.max) }),
        { href: hashOf('actors', '', { sort: 'depth' }) },
      ),
      tile('live', t('liveActors'), f.count(stats.live), t('busyOf', { count: f.count(busy) }), {
        href: hashOf('actors'),
      }),
      tile(
        'failed-jobs',
        t('failedJobs'),
        f.count(failed),
        t('waitingJobs', { count: f.count(stats.jobs.waiting) }),
        { kind: failed ? 'warn' : '', href: hashOf('jobs', '', { state: 'failed' }) },
      ),
      tile(
        'refused',
        t('refused'),
        f.count(updates.refused),
        `${t('failedUpdates')} ${f.count(updates.failed)} · ${t('sinceStart')}`,
        { kind: updates.failed ? 'warn' : '' },
      ),
    );
  }

  #graphs() {
    const { app, hour } = this;
    const { t, f } = app;
    const { data } = hour;
    if (!data)
      return panel('graphs', t('lastMinute'), { class: 'unheaded' }, trouble(app, hour.poll));
    if (this.drawn.data !== data)
      this.drawn = { data, at: data.at.map((each) => Date.parse(each)) };
    const lines = [
      [
        [
          ['applied', data.applied],
          ['refused', data.refused],
          ['failedUpdates', data.failed],
        ],
        f.rate,
      ],
      [
        [
          ['p50', data.p50Ms],
          ['p99', data.p99Ms],
        ],
        f.ms,
      ],
      [
        [
          ['waitingUpdates', data.waiting],
          ['activeUpdates', data.active],
        ],
        f.count,
      ],
    ];
    return h(
      'div',
      { key: 'graphs', class: 'graphs' },
      trouble(app, hour.poll),
      this.charts.map((chart, number) => {
        const [columns, write] = lines[number];
        return chart.render(
          app,
          this.drawn.at,
          columns.map(([name, values]) => ({ name, values })),
          write,
          data.paused,
        );
      }),
    );
  }
}

/** Describe a second, quieter line. */
const below = (...children) => h('div', { class: 'soft small' }, children);

function dependency({ t, f }, { name, ok, sinceS }) {
  return [
    badge(ok ? 'ok' : 'bad', ok ? t('answers') : t('silent', { span: f.span(sinceS) })),
    ` ${name}`,
  ];
}
