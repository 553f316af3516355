/** The list of shards, and the small lines of their past. */

import assert from 'node:assert';
import { test } from 'node:test';

import { formats } from '../../../web/console/kit/format.js';
import { sharedScale } from '../../../web/console/kit/spark.js';
import { writer } from '../../../web/console/kit/texts.js';
import { Shards } from '../../../web/console/views/shards.js';

const MINUTE_MS = 60_000;
const PAST = 'api/shards/history?minutes=15';

/** What a page is shown by, with polls whose answers are set here. */
function app() {
  /** @type {any[]} */
  const polls = [];
  const poll = (path) => {
    const made = { path, data: null, failure: null };
    polls.push(made);
    return made;
  };
  return { polls, poll, t: writer('en'), f: formats('en', 'UTC'), api: { lostAt: null } };
}

const row = (shard, counts) => ({
  shard,
  node: 'a',
  epoch: 1,
  serving: true,
  leaseLeftMs: 1,
  counts,
});

/** Everything in a description that has a property, as its values. */
function all(described, property) {
  if (Array.isArray(described)) return described.flatMap((each) => all(each, property));
  if (!described?.props) return [];
  const { [property]: own, children } = described.props;
  return [...(own === undefined ? [] : [own]), ...all(children, property)];
}

test('the past is asked for only where there is a list to draw it in', () => {
  const shown = app();
  const shards = new Shards(/** @type {any} */ (shown));
  const [now] = shown.polls;
  assert.strictEqual(shards.render(), null);
  now.data = { count: 1, version: 0, planned: null, shards: [row(0, null)] };
  assert.strictEqual(shards.render(), null);
  assert.deepStrictEqual(shown.polls, [now]);
  now.data = { count: 2, version: 1, planned: null, shards: [row(0, null), row(1, null)] };
  for (const _ of [1, 2]) shards.render();
  assert.deepStrictEqual(
    shown.polls.map(({ path }) => path),
    ['api/shards', PAST],
  );
});

test('each figure of a shard has a line and its words, none where nothing is known', () => {
  const shown = app();
  const shards = new Shards(/** @type {any} */ (shown));
  const counts = { ratePerSecond: 4, waiting: 3, jobs: 2, unlogged: 1 };
  shown.polls[0].data = {
    count: 2,
    version: 1,
    planned: null,
    shards: [row(0, counts), row(1, null)],
  };
  shards.render();
  const at = ['10:00:00', '10:00:05', '10:01:00'].map((each) => `2026-11-26T${each}.000+00:00`);
  const known = { at, ratePerSecond: [null, 2, 4], waiting: [9, 0, 3], unlogged: [0, 0, 1] };
  const none = { at: [], ratePerSecond: [], waiting: [], unlogged: [] };
  shown.polls[1].data = {
    everyS: 5,
    shards: [
      { shard: 0, ...known },
      { shard: 1, ...none },
    ],
  };
  const described = shards.render();
  const words = all(described, 'aria-label').filter((each) => String(each).startsWith('Shard '));
  assert.deepStrictEqual(words, [
    'Shard 0, last 15 minutes. a second: now 4, highest 4 at 10:01:00, mean 3. ',
    'Shard 0, last 15 minutes. waiting: now 3, highest 9 at 10:00:00, mean 4. ',
    'Shard 0, last 15 minutes. Not logged yet: now 1, highest 1 at 10:01:00, mean 0. ',
  ]);
  for (const path of all(described, 'd'))
    assert.match(path, /^M.*M/, 'a minute without an owner is a gap');
});

test('small lines of a column share their scale, and what is known lies in it', () => {
  const lines = [
    { at: [MINUTE_MS, 2 * MINUTE_MS], values: [0, 5] },
    { at: [3 * MINUTE_MS], values: [10] },
    { at: [], values: [] },
  ];
  const { x, y } = sharedScale(lines, 2 * MINUTE_MS);
  assert.ok(x(MINUTE_MS) < x(2 * MINUTE_MS) && x(2 * MINUTE_MS) < x(3 * MINUTE_MS));
  assert.ok(y(10) < y(5) && y(5) < y(0), 'more is higher');
  assert.ok(Number.isFinite(sharedScale([], MINUTE_MS).y(0)), 'nothing is known');
});
