/** What graphs are drawn by. */

import assert from 'node:assert';
import { test } from 'node:test';

import {
  gapped,
  gridLines,
  highest,
  latest,
  linear,
  linePath,
  mean,
  means,
  nearest,
  ranges,
  roundMoments,
  roundTop,
} from '../../../web/console/kit/scale.js';

test('the upper end is round, at or above the most, with few lines', () => {
  for (const most of [0.003, 0.7, 1, 3, 9.99, 10, 33.4, 100, 1234, 98_765]) {
    const scale = roundTop(most);
    const lines = gridLines(scale);
    assert.ok(scale.top >= most, `${most}: ${scale.top}`);
    assert.ok(scale.top <= most * 2, `${most}: ${scale.top} leaves half of it empty`);
    assert.ok(lines.length >= 3 && lines.length <= 5, `${most}: ${lines}`);
    assert.strictEqual(lines.at(-1), Number(scale.top.toPrecision(12)));
  }
  assert.deepStrictEqual(roundTop(0), { top: 1, step: 1 });
  assert.deepStrictEqual(gridLines(roundTop(1, true)), [0, 1], 'there is no half of a thing');
});

test('a line has gaps where nothing is known, and a lone value is a dot', () => {
  assert.strictEqual(
    linePath([0, 1, 2, 3, 4], [5, 6, null, 7, null]),
    'M0.0 5.0L1.0 6.0M3.0 7.0m-2 0h4m-2-2v4',
  );
  assert.strictEqual(linePath([0, 1], [null, undefined]), '');
});

test('ranges of what is so', () => {
  assert.deepStrictEqual(ranges([true, false, true, true]), [
    [0, 0],
    [2, 3],
  ]);
  assert.deepStrictEqual(ranges([]), []);
});

test('a scale maps ends to ends, also where both are one', () => {
  const x = linear(10, 20, 0, 100);
  assert.deepStrictEqual([x(10), x(15), x(20)], [0, 50, 100]);
  assert.strictEqual(linear(5, 5, 0, 100)(5), 0);
});

test('moments are round', () => {
  const minute = 60_000;
  assert.deepStrictEqual(roundMoments(7 * minute, 31 * minute, 10), [
    10 * minute,
    20 * minute,
    30 * minute,
  ]);
  assert.deepStrictEqual(roundMoments(1, 2, 10), []);
});

test('the nearest, the highest, the latest and the mean of what is known', () => {
  assert.strictEqual(nearest([0, 10, 20], 14), 1);
  assert.strictEqual(nearest([], 14), -1);
  assert.deepStrictEqual(highest([null, 3, 7, 7, null]), { value: 7, index: 2 });
  assert.strictEqual(highest([null]), null);
  assert.strictEqual(latest([1, 2, null]), 2);
  assert.strictEqual(latest([0, null]), 0);
  assert.strictEqual(mean([null, 2, 4]), 3);
  assert.strictEqual(mean([null]), null);
});

test('means are of round steps, the newest first', () => {
  const minute = 60_000;
  const at = [0, 1, 5, 6].map((each) => each * minute);
  const found = means(
    at,
    [
      [1, 3, 5, null],
      [null, null, 2, 4],
    ],
    5,
  );
  assert.deepStrictEqual(found, [
    { from: 5 * minute, values: [5, 3] },
    { from: 0, values: [2, null] },
  ]);
});

test('where nothing is known for a while there is a row of nothing', () => {
  const found = gapped(
    [0, 10, 100],
    [
      [1, 2, 3],
      [true, false, true],
    ],
    20,
  );
  assert.deepStrictEqual(found, {
    at: [0, 10, 11, 100],
    columns: [
      [1, 2, null, 3],
      [true, false, null, true],
    ],
  });
});
