/** Asking again and again, without piling up. */

import assert from 'node:assert';
import { test } from 'node:test';

import { Poll } from '../../../web/console/kit/poll.js';

/** A service that is asked, and answers when the test says so. */
class Asked {
  constructor() {
    this.calls = [];
    this.hidden = false;
    this.changes = 0;
  }

  poll(path = 'a') {
    const ask = (asked, signal) =>
      new Promise((answer, refuse) => {
        this.calls.push({ path: asked, signal, answer, refuse });
        signal.addEventListener('abort', () => refuse(signal.reason));
      });
    return new Poll(
      ask,
      path,
      1000,
      () => (this.changes += 1),
      () => this.hidden,
    );
  }

  async answer(index, data) {
    this.calls[index].answer(data);
    await settled();
  }
}

const settled = () => new Promise((done) => process.nextTick(() => setImmediate(done)));

/** A clock that goes only when the test says so. */
function stopTheClock(t) {
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  const waiting = new Map();
  let now = 0;
  const setTimeout = (act, ms) => {
    const timer = { act, at: now + ms };
    waiting.set(timer, timer);
    return timer;
  };
  Object.assign(globalThis, { setTimeout, clearTimeout: (timer) => waiting.delete(timer) });
  t.after(() => Object.assign(globalThis, { setTimeout: set, clearTimeout: clear }));
  return (ms) => {
    now += ms;
    for (const timer of [...waiting.keys()].filter((each) => each.at <= now)) {
      waiting.delete(timer);
      timer.act();
    }
  };
}

test('the next call comes only after the answer to the one before', async (t) => {
  const tick = stopTheClock(t);
  const asked = new Asked();
  const poll = asked.poll();
  tick(60_000);
  assert.strictEqual(asked.calls.length, 1, 'it does not pile up calls');
  await asked.answer(0, 1);
  assert.deepStrictEqual([poll.data, poll.shown, asked.changes], [1, 'a', 1]);
  tick(999);
  assert.strictEqual(asked.calls.length, 1);
  tick(1);
  assert.strictEqual(asked.calls.length, 2);
  poll.stop();
});

test('a failure keeps what is known, says so, and waits longer each time', async (t) => {
  const tick = stopTheClock(t);
  const asked = new Asked();
  const poll = asked.poll();
  await asked.answer(0, 1);
  const waits = [];
  for (let call = 1; call <= 8; call += 1) {
    tick(poll.waitMs);
    asked.calls[call].refuse(new Error('away'));
    await settled();
    waits.push(poll.waitMs);
  }
  assert.strictEqual(poll.data, 1);
  assert.strictEqual(poll.failure.message, 'away');
  assert.deepStrictEqual(
    waits,
    [...waits].sort((a, b) => a - b),
  );
  assert.strictEqual(waits.at(-1), 10_000, 'but never longer than this');
  tick(10_000);
  await asked.answer(9, 2);
  assert.deepStrictEqual([poll.data, poll.failure, poll.waitMs], [2, null, 1000]);
  poll.stop();
});

test('nothing is asked while nobody looks, and at once when somebody does again', async (t) => {
  const tick = stopTheClock(t);
  const asked = new Asked();
  const poll = asked.poll();
  await asked.answer(0, 1);
  asked.hidden = true;
  tick(60_000);
  assert.strictEqual(asked.calls.length, 1);
  asked.hidden = false;
  poll.now();
  assert.strictEqual(asked.calls.length, 2);
  poll.stop();
});

test('what is asked while a call is under way is asked right after it', async (t) => {
  const tick = stopTheClock(t);
  const asked = new Asked();
  const poll = asked.poll();
  poll.now();
  poll.now();
  assert.strictEqual(asked.calls.length, 1);
  await asked.answer(0, 1);
  tick(1);
  assert.strictEqual(asked.calls.length, 2);
  poll.stop();
});

test('after a turn to something else, a late answer to the old question changes nothing', async (t) => {
  const tick = stopTheClock(t);
  const asked = new Asked();
  const poll = asked.poll('a');
  poll.turnTo('b');
  assert.ok(asked.calls[0].signal.aborted);
  assert.deepStrictEqual(
    asked.calls.map((each) => each.path),
    ['a', 'b'],
  );
  await asked.answer(1, 'of b');
  assert.deepStrictEqual([poll.data, poll.shown, poll.failure], ['of b', 'b', null]);
  poll.stop();
  tick(60_000);
  assert.strictEqual(asked.calls.length, 2, 'what is stopped asks no more');
});
