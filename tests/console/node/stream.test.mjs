/** Server-sent events as they come in pieces. */

import assert from 'node:assert';
import { test } from 'node:test';

import { parseEvents } from '../../../web/console/kit/stream.js';

const TEXT =
  'retry: 2000\n\nid: a-1\nevent: applied\ndata: {"a": 1}\n\n: all is quiet\n\nevent: missed\ndata: {"count": 3}\n\n';
const EVENTS = [
  { id: 'a-1', event: 'applied', data: '{"a": 1}' },
  { id: '', event: 'missed', data: '{"count": 3}' },
];

test('events are read, comments and times are not', () => {
  assert.deepStrictEqual(parseEvents(TEXT), { events: EVENTS, rest: '' });
  assert.deepStrictEqual(parseEvents(TEXT.replaceAll('\n', '\r\n')).events, EVENTS);
});

test('wherever the text is cut, no event is lost or doubled', () => {
  for (let cut = 0; cut <= TEXT.length; cut += 1) {
    const first = parseEvents(TEXT.slice(0, cut));
    const second = parseEvents(first.rest + TEXT.slice(cut));
    assert.deepStrictEqual([...first.events, ...second.events], EVENTS, `cut at ${cut}`);
  }
});
