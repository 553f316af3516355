'use strict';

/** Updates that are asked for together: one call, and each its own answer. */

const assert = require('node:assert');
const { test } = require('node:test');

const { PlanServerClient } = require('../../../web/clients/node/planServerClient');
const { ORDER, OTHER, folder, patient, until } = require('./cases');
const { FakeService, answers, breaks, failed, hangs, reply, says } = require('./fakeService');

const NOT_NOW = failed('SERVICE_UNAVAILABLE', { retryable: true, retryAfter: 0 });

async function setUp(t, options) {
  const service = await new FakeService().up();
  const given = patient({ fallback: false, ...options });
  const client = new PlanServerClient(service.url, given);
  t.after(async () => {
    await client.close();
    await service.down();
  });
  return { service, client };
}

/** Ask for updates in one turn; the first letter of a key is its order. */
const ask = (client, ...keys) =>
  Promise.all(
    keys.map((requestId) => {
      const order = requestId[0] === 'a' ? ORDER : OTHER;
      return client.updateWorkOrderQuantity(order, 'input', 1, null, { requestId });
    }),
  );

const codes = (results) => results.map(({ code }) => code);
const updated = (count) => Array(count).fill('UPDATED');

/** Answer a batch once: keys that are named with that, the others by applying them. */
const each = (service, outcomes) => (response, items) => {
  const results = items.map((item) => outcomes[item.requestId] ?? service.apply([item])[0]);
  reply(response, 200, 'PARTIALLY_UPDATED', { results });
};

test('what is asked for in one turn is one call, and each has its own answer', async (t) => {
  const { service, client } = await setUp(t);
  service.refused[OTHER] = 'WORK_ORDER_NOT_FOUND';
  const results = await ask(client, 'a1', 'b1', 'a2');
  assert.deepEqual(service.sizes, [3]);
  assert.deepEqual(
    results.map(({ requestId }) => requestId),
    ['a1', 'b1', 'a2'],
  );
  assert.deepEqual(codes(results), ['UPDATED', 'WORK_ORDER_NOT_FOUND', 'UPDATED']);
  assert.deepEqual(service.keys, ['a1', 'a2']);
});

for (const code of [null, 'WORK_ORDER_NOT_FOUND', 'SYSTEM_ERROR']) {
  test(`the answer is the same together and alone (${code ?? 'applied'})`, async (t) => {
    const { service, client } = await setUp(t);
    if (code) service.refused[ORDER] = code;
    const [alone] = await ask(client, 'a1');
    const [together] = await ask(client, 'a1', 'b1');
    assert.equal(service.bodies[0].updates, undefined);
    assert.deepEqual(service.sizes, [1, 2]);
    assert.deepEqual(together, alone);
  });
}

test('without coalesce each update is a call', async (t) => {
  const { service, client } = await setUp(t, { coalesce: false });
  await ask(client, 'a1', 'a2', 'b1');
  assert.deepEqual(service.sizes, [1, 1, 1]);
});

test('more than a hundred are several calls, and so are large ones', async (t) => {
  const { service, client } = await setUp(t);
  await ask(client, ...[...Array(120).keys()].map((number) => `a${number}`));
  assert.deepEqual(service.sizes.sort(), [100, 20]);
  service.bodies = [];
  const large = { remark: 'x'.repeat(200000) };
  const asked = [1, 2, 3, 4].map(() => client.updateWorkOrderQuantity(ORDER, 'input', 1, large));
  await Promise.all(asked);
  assert.deepEqual(service.sizes, [2, 2]);
});

test('what the service puts off is sent alone later, and its order is kept', async (t) => {
  const { service, client } = await setUp(t);
  service.faults.push(each(service, { b1: NOT_NOW, b2: NOT_NOW, b3: NOT_NOW }));
  assert.deepEqual(codes(await ask(client, 'a1', 'b1', 'b2', 'a2', 'b3')), updated(5));
  assert.deepEqual(service.keys, ['a1', 'a2', 'b1', 'b2', 'b3']);
  // The first alone; those behind it, once it is through, together.
  assert.deepEqual(service.sizes, [5, 1, 2]);
});

test('an order that is stuck holds up none but its own', async (t) => {
  const { service, client } = await setUp(t);
  const held = [];
  let preferred;
  service.faults.push((response, items, request) => {
    preferred = request.headers.prefer;
    each(service, { b1: failed('TIMEOUT') })(response, items);
  });
  service.faults.push((response, items) => {
    held.push(() => reply(response, 200, 'UPDATED', service.apply(items)[0]));
  });
  const first = ask(client, 'a1', 'b1');
  await until(() => held.length === 1);
  assert.equal(preferred, 'wait=2');
  const behind = ask(client, 'b2');
  assert.deepEqual(codes(await ask(client, 'a2', 'a3')), updated(2));
  assert.deepEqual(service.sizes, [2, 1, 2]);
  held[0]();
  assert.deepEqual(codes([...(await first), ...(await behind)]), updated(3));
  assert.deepEqual(service.keys, ['a1', 'a2', 'a3', 'b1', 'b2']);
});

const lost = {
  'a connection that breaks': breaks,
  504: answers(504, 'TIMEOUT'),
  503: answers(503, 'SERVICE_UNAVAILABLE', { 'Retry-After': '0' }),
  garbage: says('garbage'),
  'too few results': says('{"success": true, "code": "UPDATED", "data": {"results": [{}]}}'),
};
for (const [what, fault] of Object.entries(lost)) {
  for (const late of [false, true]) {
    test(`${what} leaves each open, and its retry counts once (applied: ${late})`, async (t) => {
      const { service, client } = await setUp(t);
      service.faults.push(fault);
      service.late = late;
      assert.deepEqual(codes(await ask(client, 'a1', 'b1', 'a2', 'b2')), updated(4));
      assert.equal(service.keys.length, 4);
      assert.ok(service.keys.indexOf('a1') < service.keys.indexOf('a2'));
      assert.ok(service.keys.indexOf('b1') < service.keys.indexOf('b2'));
    });
  }
}

test('each is answered by its deadline, in doubt where it was sent', async (t) => {
  const { service, client } = await setUp(t, { deadlineMs: 300 });
  service.always = hangs;
  const results = await ask(client, 'a1', 'b1');
  assert.deepEqual(service.sizes, [2]);
  assert.deepEqual(
    results.map(({ code, fallback }) => [code, fallback]),
    [
      ['TIMEOUT', false],
      ['TIMEOUT', false],
    ],
  );
});

test('where nobody listens each is told that it was not applied', async (t) => {
  const { service, client } = await setUp(t, { deadlineMs: 300 });
  await service.down();
  for (const { code, fallback } of await ask(client, 'a1', 'b1', 'a2')) {
    assert.deepEqual([code, fallback], ['SERVICE_UNAVAILABLE', true]);
  }
});

/** @type {[number, string][]} */
const whole = [
  [400, 'INVALID_UPDATES'],
  [404, 'NOT_FOUND'],
  [413, 'BODY_TOO_LARGE'],
];
for (const [status, code] of whole) {
  test(`a batch refused as one (${code}) becomes single calls, as later ones do`, async (t) => {
    const { service, client } = await setUp(t);
    service.faults.push(answers(status, code));
    const results = await ask(client, 'a1', 'b1', 'a2');
    results.push(...(await ask(client, 'a3', 'a4')));
    assert.deepEqual(codes(results), updated(5));
    assert.deepEqual(service.sizes, [3, 1, 1, 1, 1, 1]);
    const kept = service.keys.filter((key) => key[0] === 'a');
    assert.deepEqual(kept, ['a1', 'a2', 'a3', 'a4']);
  });
}

test('one that spoils the call is refused alone; of the caller all are, at once', async (t) => {
  const { service, client } = await setUp(t);
  service.faults.push(answers(401, 'UNAUTHORIZED'));
  assert.deepEqual(codes(await ask(client, 'a1', 'b1')), ['UNAUTHORIZED', 'UNAUTHORIZED']);
  assert.deepEqual(service.sizes, [2]);
  service.poison = 'a2';
  const results = await ask(client, 'a1', 'a2', 'b1');
  assert.deepEqual(codes(results), ['UPDATED', 'INVALID_JSON', 'UPDATED']);
});

test('what an older service says too little of is asked alone', async (t) => {
  const { service, client } = await setUp(t);
  service.refused[OTHER] = 'DUPLICATE_OPERATION';
  const old = { success: false, code: 'DUPLICATE_OPERATION', retryable: false };
  service.faults.push(each(service, { b1: old }));
  const results = await ask(client, 'a1', 'b1');
  assert.deepEqual(
    results.map(({ status }) => status),
    [undefined, 409],
  );
  assert.deepEqual(service.sizes, [2, 1]);
});

test('closing sends what is being collected and waits for its answer', async (t) => {
  const { service, client } = await setUp(t);
  const asked = ask(client, 'a1', 'b1');
  await client.close();
  assert.deepEqual(codes(await asked), updated(2));
  assert.deepEqual(service.sizes, [2]);
});

test('in an outage all are kept in the order in which they were asked for', async (t) => {
  const { service, client } = await setUp(t, {
    fallback: true,
    outbox: folder(t),
    deadlineMs: 4000,
  });
  assert.deepEqual(codes(await ask(client, 'a0', 'b0')), updated(2));
  assert.deepEqual(service.sizes, [2]);
  await service.down();
  const keys = [...Array(10).keys()].map((number) => `a${number + 1}`);
  assert.deepEqual(new Set(codes(await ask(client, ...keys, 'b1'))), new Set(['QUEUED_FALLBACK']));
  await service.up();
  await until(() => service.keys.length === 13);
  assert.deepEqual(
    service.keys.filter((key) => key[0] === 'a'),
    ['a0', ...keys],
  );
});
