/** The page of statistics, where it is left open. */

import assert from 'node:assert';
import { test } from 'node:test';

import { Statistics } from '../../../web/console/views/statistics.js';

const HOUR_MS = 3_600_000;
globalThis.ResizeObserver ??= /** @type {any} */ (class {});

/** What a page is shown by, with polls that note what they are asked for. */
function app() {
  /** @type {any[]} */
  const polls = [];
  const poll = (path) => {
    const turnTo = (next) => Object.assign(made, { path: next });
    const made = { path, data: null, failure: null, turnTo };
    polls.push(made);
    return made;
  };
  const t = (name) => name;
  return { polls, poll, t, f: {}, route: { query: {} }, redraw: () => {}, go: () => {} };
}

test('the time that is shown goes on while the page is open', (context) => {
  let now = 1_000 * HOUR_MS;
  context.mock.method(Date, 'now', () => now);
  const shown = app();
  const page = new Statistics(/** @type {any} */ (shown));
  const since = () => shown.polls.map(({ path }) => /startDate=([^&]*)/.exec(path)?.[1]);
  page.render();
  assert.deepStrictEqual(since(), ['1970-02-04T16%3A00%3A00.000Z', since()[0], undefined]);
  now += HOUR_MS;
  page.render();
  assert.deepStrictEqual(since(), ['1970-02-04T17%3A00%3A00.000Z', since()[0], undefined]);
});
