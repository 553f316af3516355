/** The last hour, put together of what is known and what is new. */

import assert from 'node:assert';
import { test } from 'node:test';

import { merged } from '../../../web/console/kit/history.js';

const at = (second) => new Date(Date.UTC(2026, 10, 24, 1, 0, second)).toISOString();
const rows = (seconds, node = 'a') => ({
  node,
  everyS: 5,
  at: seconds.map(at),
  applied: seconds.map((each) => each / 5),
});

test('the first answer is all that is known', () => {
  const first = rows([0, 5]);
  assert.strictEqual(merged(null, first), first);
});

test('rows are added once, in their order', () => {
  assert.deepStrictEqual(merged(rows([0, 5, 10]), rows([5, 10, 15, 20])), rows([0, 5, 10, 15, 20]));
  assert.deepStrictEqual(merged(rows([0, 5, 10]), rows([5, 10])), rows([0, 5, 10]), 'nothing new');
});

test('what is older than an hour goes', () => {
  const found = merged(rows([0, 5, 3600]), rows([3600, 3604]));
  assert.deepStrictEqual(found, rows([5, 3600, 3604]));
});

test('with a gap, another node or nothing known, all has to be asked for', () => {
  assert.strictEqual(merged(rows([0, 5]), rows([200, 205])), null);
  assert.strictEqual(merged(rows([0, 5]), rows([5, 10], 'b')), null);
  assert.strictEqual(merged(rows([0, 5]), rows([])), null);
  assert.strictEqual(merged(rows([]), rows([0])), null);
});

test('marks are put together, each once', () => {
  const marks = (...seconds) => seconds.map((each) => ({ at: at(each), what: 'owner', text: 'a' }));
  const known = { ...rows([0, 5]), marks: marks(1, 3) };
  const found = merged(known, { ...rows([5, 10]), marks: marks(3, 7) });
  assert.deepStrictEqual(found.marks, marks(1, 3, 7));
});
