/** Numbers, times and spans as people read them. */

import assert from 'node:assert';
import { test } from 'node:test';

import { formats } from '../../../web/console/kit/format.js';

const en = formats('en', 'UTC');
const zh = formats('zh', 'Asia/Shanghai');
const AT = '2026-11-24T17:05:09.120Z';

test('what is not known is a dash in every format', () => {
  for (const [name, write] of Object.entries(en)) {
    for (const value of [null, undefined, '']) assert.strictEqual(write(value), '–', name);
  }
});

test('a span has its two largest units', () => {
  const spans = [
    [0.4, '0 s'],
    [59, '59 s'],
    [60, '1 min'],
    [192, '3 min 12 s'],
    [3600, '1 h'],
    [7500, '2 h 5 min'],
    [93_600, '1 d 2 h'],
  ];
  for (const [seconds, text] of spans) assert.strictEqual(en.span(seconds), text);
  assert.strictEqual(zh.span(192), '3 分 12 秒');
  assert.strictEqual(en.span(-5), '0 s', 'a clock that is wrong shows no negative times');
});

test('milliseconds are exact while they are few', () => {
  const texts = [
    [0.04, '0 ms'],
    [1.26, '1.3 ms'],
    [12.7, '13 ms'],
    [999, '999 ms'],
    [1500, '1.5 s'],
    [61_000, '1 min 1 s'],
  ];
  for (const [value, text] of texts) assert.strictEqual(en.ms(value), text);
});

test('rates are finer the smaller they are', () => {
  for (const [value, text] of [
    [0, '0'],
    [0.034, '0.03'],
    [2.56, '2.6'],
    [1234.5, '1,235'],
  ])
    assert.strictEqual(en.rate(value), text);
});

test('a change has its sign, and the number its fraction', () => {
  for (const [value, text] of [
    [1, '+1'],
    [0, '0'],
    [-2.5, '−2.5'],
    [0.1 + 0.2, '+0.3'],
  ])
    assert.strictEqual(en.signed(value), text);
});

test('times are those of the reader', () => {
  assert.strictEqual(en.time(AT), '17:05:09');
  assert.strictEqual(en.stamp(AT), '2026-11-24 17:05:09');
  assert.strictEqual(zh.stamp(AT), '2026-11-25 01:05:09');
  assert.strictEqual(zh.minute('2026-11-24T16:00:00Z'), '00:00', 'midnight is not 24:00');
});
