/** The page's state in its address. */

import assert from 'node:assert';
import { test } from 'node:test';

import { hashOf, oneOf, orderHash, pageOf, parseHash } from '../../../web/console/kit/hash.js';

const ORDER = '65f0c0ffee0000000000a001';

test('what is written is read back', () => {
  /** @type {[string, string, object][]} */
  const states = [
    ['overview', '', {}],
    ['actors', '', { sort: 'oldest', search: 'WO 7/&=#?' }],
    ['orders', ORDER, { page: '3', type: 'input' }],
    ['jobs', '', { state: 'failed', code: 'DEAD_LETTER' }],
    ['statistics', '', { by: 'line', period: '30d' }],
  ];
  for (const [view, id, query] of states) {
    assert.deepStrictEqual(parseHash(hashOf(view, id, query)), { view, id, query });
  }
});

test('empty values are left out, so that an address is as short as it can be', () => {
  assert.strictEqual(hashOf('jobs', '', { state: '', code: null, page: undefined }), '#/jobs');
  assert.strictEqual(hashOf('overview'), '#/');
  assert.strictEqual(hashOf('actors', '', { page: 1 }), '#/actors', 'the first page');
  assert.strictEqual(hashOf('actors', '', { page: 2 }), '#/actors?page=2');
  assert.strictEqual(orderHash(ORDER), `#/orders/${ORDER}`);
});

test('an address that can not be read leads to the overview', () => {
  for (const hash of [
    '',
    '#',
    '#/',
    '#/nothing',
    '#/orders',
    '#/orders/5',
    '#/orders/<img>',
    '#main',
  ]) {
    assert.deepStrictEqual(parseHash(hash), { view: 'overview', id: '', query: {} }, hash);
  }
  assert.strictEqual(parseHash(`#/orders/${ORDER.toUpperCase()}`).id, ORDER);
});

test('a page that is no number of one is the first', () => {
  for (const page of [undefined, '', '0', '-1', '1.5', 'x', '1e9'])
    assert.strictEqual(pageOf({ page }), 1);
  assert.strictEqual(pageOf({ page: '12' }), 12);
  assert.strictEqual(oneOf(['depth', 'rate'], 'rate'), 'rate');
  assert.strictEqual(oneOf(['depth', 'rate'], 'none'), 'depth');
});
