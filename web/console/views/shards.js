/** The shards that the orders are cut into: who owns each, what it has to do, and lately had. */

import { inWords } from '../kit/chart.js';
import { badge, leaseText, panel, trouble } from '../kit/parts.js';
import { gapped } from '../kit/scale.js';
import { sharedScale, spark } from '../kit/spark.js';
import { table } from '../kit/table.js';
import { html } from '../vendor/htm-preact.js';

const SPAN_MS = 15 * 60_000;
const PAST = 'api/shards/history?minutes=15';
/** What is drawn of each shard, and how it is called. */
const DRAWN = { ratePerSecond: 'perSecond', waiting: 'waiting', unlogged: 'unlogged' };

/** The list of the shards, a part of the page of the nodes. */
export class Shards {
  /** @param {import('../main.js').Console} app */
  constructor(app) {
    this.app = app;
    this.now = app.poll('api/shards', 2000);
    /** Asked for once there is a list to draw it in. */
    this.past = null;
  }

  /** Describe the list; nothing where the orders were never cut. */
  render() {
    const { app, now } = this;
    const { t } = app;
    if (!now.data) return now.failure ? panel('shards', t('shards'), {}, trouble(app, now)) : null;
    const { count, version, planned } = now.data;
    if (version === 0 && count === 1 && planned === null) return null;
    this.past ??= app.poll(PAST, 10_000);
    const map = planned === null ? t('mapVersion', { version }) : t('shardsToCome', { planned });
    const about = [map, ' ', t('sparksAbout', { span: t('last15Minutes') })];
    const failed = this.past.failure && trouble(app, this.past);
    return panel('shards', t('shards'), { about }, trouble(app, now), failed, this.#list());
  }

  #list() {
    const { app } = this;
    const { t, f } = app;
    const drawn = drawnOf(this.past.data);
    const line = (name, row, write) => {
      const { lines, shared } = drawn[name];
      const found = lines.find(({ shard }) => shard === row.shard);
      if (!found?.at.length) return null;
      const title = `${t('shard')} ${row.shard}`;
      const frame = { spanText: t('last15Minutes') };
      const words = inWords(app, found.at, [[DRAWN[name], found.values]], write, title, frame);
      return spark(found, shared, words);
    };
    const counted = (name, write) => (row) =>
      html`${write(row.counts?.[name])}${name in DRAWN && line(name, row, write)}`;
    const state = ({ serving, paused }) =>
      badge(serving ? 'ok' : 'bad', t(serving ? (paused ? 'actorPaused' : 'served') : 'unserved'));
    return table({
      name: 'shards',
      caption: t('shards'),
      empty: '–',
      rows: this.now.data.shards,
      key: (row) => String(row.shard),
      columns: [
        ['shard', t('shard'), 'number', (row) => String(row.shard)],
        ['state', t('state'), '', state],
        ['node', t('node'), '', (row) => row.node ?? '–'],
        ['epoch', t('epoch'), 'number', (row) => (row.epoch ? f.number(row.epoch) : '–')],
        [
          'lease',
          t('lease'),
          '',
          (row) => (row.leaseLeftMs === null ? '–' : leaseText(app, row.leaseLeftMs)),
        ],
        ['rate', t('perSecond'), 'number', counted('ratePerSecond', f.rate)],
        ['waiting', t('waiting'), 'number', counted('waiting', f.count)],
        ['jobs', t('jobsKept'), 'number', counted('jobs', f.count)],
        ['unlogged', t('unlogged'), 'number', counted('unlogged', f.count)],
      ],
    });
  }
}

/** Give each column's lines, with an end where nothing is known for a while, and their scale. */
function drawnOf(data) {
  const { everyS, shards } = data ?? { everyS: 0, shards: [] };
  const of = (name) => {
    const lines = shards.map((each) => {
      const moments = each.at.map((at) => Date.parse(at));
      const { at, columns } = gapped(moments, [each[name]], 2.5 * everyS * 1000);
      return { shard: each.shard, at, values: columns[0] };
    });
    return { lines, shared: sharedScale(lines, SPAN_MS) };
  };
  return Object.fromEntries(Object.keys(DRAWN).map((name) => [name, of(name)]));
}
