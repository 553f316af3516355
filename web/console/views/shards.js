/** The shards that the orders are cut into: who owns each, and what it has to do. */

import { badge, leaseText, panel, trouble } from '../kit/parts.js';
import { table } from '../kit/table.js';

/** Describe the shards; nothing where the orders were never cut. */
export function shardsPanel(app, poll) {
  const { t } = app;
  if (!poll.data) return poll.failure ? panel('shards', t('shards'), {}, trouble(app, poll)) : null;
  const { count, version, planned } = poll.data;
  if (version === 0 && count === 1 && planned === null) return null;
  const about = planned === null ? t('mapVersion', { version }) : t('shardsToCome', { planned });
  return panel('shards', t('shards'), { about }, trouble(app, poll), list(app, poll.data.shards));
}

function list(app, rows) {
  const { t, f } = app;
  const counted = (name) => (row) => (row.counts ? f.count(row.counts[name]) : '–');
  const rate = ({ counts }) => (counts?.ratePerSecond == null ? '–' : f.rate(counts.ratePerSecond));
  const state = ({ serving, paused }) =>
    badge(serving ? 'ok' : 'bad', t(serving ? (paused ? 'actorPaused' : 'served') : 'unserved'));
  return table({
    name: 'shards',
    caption: t('shards'),
    empty: '–',
    rows,
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
      ['rate', t('perSecond'), 'number', rate],
      ['waiting', t('waiting'), 'number', counted('waiting')],
      ['jobs', t('jobsKept'), 'number', counted('jobs')],
      ['unlogged', t('unlogged'), 'number', counted('unlogged')],
    ],
  });
}
