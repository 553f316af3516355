'use strict';

const assert = require('node:assert');
const { test } = require('node:test');

const { PlanServerClient } = require('../../../web/clients/node/planServerClient');
const { ORDER, OTHER, patient, quick, until } = require('./cases');
const { FakeService, answers, breaks, drips, hangs, reply, says } = require('./fakeService');

const NOBODY = 'http://127.0.0.1:9';
const HOUR_MS = 3600000;

async function setUp(t, options) {
  const service = await new FakeService().up();
  const client = new PlanServerClient(service.url, patient({ fallback: false, ...options }));
  t.after(async () => {
    await client.close();
    await service.down();
  });
  return { service, client };
}

test('a result has the fields of the data and says success', async (t) => {
  const { service, client } = await setUp(t);

  const result = await client.updateWorkOrderQuantity(ORDER.toUpperCase(), 'output', 2, {
    remark: '早班',
  });

  assert.equal(result.success, true);
  assert.equal(result.code, 'UPDATED');
  assert.equal(result.queueLength, 0);
  assert.equal(result.quantity, 2);
  assert.deepEqual(service.keys, [result.jobId]);
  assert.equal(service.bodies[0].workOrderId, ORDER);
  assert.deepEqual(service.bodies[0].logContext, { remark: '早班' });
});

test('each call has a key of its own unless one is given', async (t) => {
  const { service, client } = await setUp(t);
  await client.updateWorkOrderQuantity(ORDER, 'input');
  await client.updateWorkOrderQuantity(ORDER, 'input');
  for (let again = 0; again < 2; again += 1) {
    await client.updateWorkOrderQuantity(ORDER, 'input', 1, null, { requestId: 'scan-1' });
  }
  assert.equal(new Set(service.keys).size, 3);
  assert.equal(service.keys[2], 'scan-1');
});

const passing = {
  429: answers(429, 'MAILBOX_FULL', { 'Retry-After': '0' }),
  503: answers(503, 'SERVICE_UNAVAILABLE', { 'Retry-After': '0' }),
  504: answers(504, 'TIMEOUT'),
  'a proxy without a server': says('<html>Bad Gateway</html>', 502),
  'an answer that is not JSON': says('not JSON'),
  'an answer without an envelope': says('["no envelope"]'),
  'an answer without data': says('{"success":true,"code":"OK"}'),
  'a connection that breaks': breaks,
  'a server that hangs': hangs,
  'a body that drips': drips,
};
for (const [what, fault] of Object.entries(passing)) {
  for (const late of [false, true]) {
    test(`${what} is met with the same key once more (applied before: ${late})`, async (t) => {
      const endless = fault === hangs || fault === drips;
      const { service, client } = await setUp(t, endless ? { attemptMs: 250 } : {});
      service.faults.push(fault);
      service.late = late;

      const result = await client.updateWorkOrderQuantity(ORDER, 'input');

      assert.equal(result.success, true);
      // Where attempts are short, a busy machine may need one more.
      assert.ok(endless ? service.sizes.length >= 2 : service.sizes.length === 2);
      assert.deepEqual(service.keys, [result.requestId]);
    });
  }
}

for (const [status, code] of [
  [400, 'INVALID_TYPE'],
  [404, 'WORK_ORDER_NOT_FOUND'],
  [409, 'DUPLICATE_OPERATION'],
  [422, 'REQUEST_ID_CONFLICT'],
  [500, 'SYSTEM_ERROR'],
]) {
  test(`${code} is told at once and in the service's words`, async (t) => {
    const { service, client } = await setUp(t);
    service.faults.push(answers(status, code));

    const { workOrderId, type, quantity, requestId, ...result } =
      await client.updateWorkOrderQuantity(ORDER, 'input');

    assert.deepEqual(result, {
      success: false,
      code,
      error: `about ${code}`,
      fallback: false,
      status,
    });
    assert.deepEqual(service.sizes, [1]);
  });
}

test('Retry-After is waited for, unless it is beyond the deadline', async (t) => {
  const { service, client } = await setUp(t);
  service.faults.push(answers(429, 'MAILBOX_FULL', { 'Retry-After': '1' }));
  assert.equal((await client.updateWorkOrderQuantity(ORDER, 'input')).success, true);
  assert.ok(service.at[1] - service.at[0] >= 990);

  service.always = answers(503, 'SERVICE_UNAVAILABLE', { 'Retry-After': '60' });
  const result = await client.updateWorkOrderQuantity(ORDER, 'input');
  assert.equal(service.sizes.length, 3);
  assert.deepEqual([result.code, result.fallback], ['SERVICE_UNAVAILABLE', true]);
});

test('without fallback an unknown outcome is no reason to count elsewhere', async (t) => {
  const { service, client } = await setUp(t);
  service.faults.push(breaks);
  service.always = answers(503, 'SERVICE_UNAVAILABLE', { 'Retry-After': '60' });

  const result = await client.updateWorkOrderQuantity(ORDER, 'input', 1, null, {
    requestId: 'scan-1',
  });

  assert.deepEqual([result.code, result.fallback, result.requestId], ['TIMEOUT', false, 'scan-1']);
});

test('an address that nobody listens at is told as such, and the next one is tried', async (t) => {
  const { service } = await setUp(t);
  const alone = new PlanServerClient(NOBODY, quick({ fallback: false }));
  const refused = await alone.updateWorkOrderQuantity(ORDER, 'input');
  assert.deepEqual([refused.code, refused.fallback], ['SERVICE_UNAVAILABLE', true]);

  const both = new PlanServerClient(
    [NOBODY, service.url],
    patient({ fallback: false, breakerFailures: 2 }),
  );
  for (let turn = 0; turn < 3; turn += 1) {
    assert.equal((await both.updateWorkOrderQuantity(ORDER, 'input')).success, true);
  }
  assert.equal(both.getConfig().breakers[NOBODY], 'closed');
  await alone.close();
  await both.close();
});

test('an address that keeps failing is left alone, then probed once', async (t) => {
  const { service, client } = await setUp(t, { breakerFailures: 3, breakerOpenMs: HOUR_MS });
  const state = () => client.getConfig().breakers[service.url];
  service.always = answers(503, 'SERVICE_UNAVAILABLE', { 'Retry-After': '60' });
  for (let turn = 0; turn < 3; turn += 1) await client.updateWorkOrderQuantity(ORDER, 'input');
  assert.equal(state(), 'open');
  assert.equal((await client.updateWorkOrderQuantity(ORDER, 'input')).fallback, true);
  assert.equal(service.sizes.length, 3);

  const now = performance.now.bind(performance);
  t.mock.method(performance, 'now', () => now() + HOUR_MS);
  assert.equal(state(), 'half-open');
  let held;
  service.always = (response) => {
    held = response;
  };
  const probe = client.updateWorkOrderQuantity(ORDER, 'input');
  await until(() => held !== undefined);
  assert.equal((await client.updateWorkOrderQuantity(OTHER, 'input')).success, false);
  assert.equal(service.sizes.length, 4);
  service.always = null;
  reply(held, 200, 'UPDATED', { success: true });
  assert.equal((await probe).success, true);
  assert.equal(state(), 'closed');
});

test('what no service takes is refused before it is sent or kept', async (t) => {
  const { service, client } = await setUp(t);
  const loop = {};
  loop.itself = loop;
  /** @type {[any, string][]} */
  const bad = [
    [[null, 'input'], 'MISSING_WORK_ORDER_ID'],
    [['xyz', 'input'], 'INVALID_WORK_ORDER_ID'],
    [[ORDER, 'inout'], 'INVALID_TYPE'],
    [[ORDER, 'input', NaN], 'INVALID_QUANTITY'],
    [[ORDER, 'input', '2'], 'INVALID_QUANTITY'],
    [[ORDER, 'input', 1, loop], 'INVALID_LOG_CONTEXT'],
    [[ORDER, 'input', 1, null, { requestId: '' }], 'INVALID_REQUEST_ID'],
    [[ORDER, 'input', 1, null, { requestId: 'a\nb' }], 'INVALID_REQUEST_ID'],
  ];
  for (const [given, code] of bad) {
    const [id, type, quantity, context, own] = given;
    const result = await client.updateWorkOrderQuantity(id, type, quantity, context, own);
    assert.deepEqual([result.success, result.code, result.status], [false, code, 400]);
  }
  assert.equal((await client.batchUpdateWorkOrderQuantity([])).code, 'INVALID_UPDATES');
  assert.deepEqual(service.sizes, []);
});

test('what the service counts is sent, as JSON can hold it', async (t) => {
  const { service, client } = await setUp(t);
  /** @type {any[]} */
  const given = [['remark'], 'text', { remark: 'a\ud83d', reason: 7n, operatorId: '\\ud83d' }];
  for (const each of given) {
    assert.equal((await client.updateWorkOrderQuantity(ORDER, 'input', 1, each)).success, true);
  }
  const mended = { remark: 'a\ufffd', reason: '7', operatorId: '\\ud83d' };
  assert.deepEqual(
    service.bodies.map((body) => body.logContext),
    [['remark'], 'text', mended],
  );
});

test('a batch has each result in the order given, and sends again only what is unsettled', async (t) => {
  const { service, client } = await setUp(t);
  service.refused[OTHER] = 'DUPLICATE_OPERATION';
  const open = { success: false, code: 'SERVICE_UNAVAILABLE', retryable: true };
  const done = { success: true, code: 'UPDATED' };
  service.faults.push((response) =>
    reply(response, 200, 'PARTIALLY_UPDATED', { results: [done, open, open] }),
  );

  const result = await client.batchUpdateWorkOrderQuantity([
    { workOrderId: ORDER, type: 'input', requestId: 'a' },
    /** @type {any} */ ({ workOrderId: ORDER }),
    { workOrderId: ORDER, type: 'input', requestId: 'b' },
    { workOrderId: OTHER, type: 'input', requestId: 'c' },
  ]);

  assert.deepEqual([result.success, result.code], [true, 'PARTIALLY_UPDATED']);
  assert.deepEqual([result.total, result.succeeded, result.failed], [4, 2, 2]);
  const codes = result.results.map(({ index, code }) => [index, code]);
  assert.deepEqual(codes, [
    [0, 'UPDATED'],
    [1, 'MISSING_PARAMS'],
    [2, 'UPDATED'],
    [3, 'DUPLICATE_OPERATION'],
  ]);
  assert.deepEqual(service.sizes, [3, 2]);
  assert.deepEqual(service.keys, ['b']);
});

test('a batch that is too large for the service is sent in parts', async (t) => {
  const { service, client } = await setUp(t);
  service.faults.push(answers(413, 'BODY_TOO_LARGE'));
  /** @type {import('../../../web/clients/node/planServerClient').Update[]} */
  const items = [...Array(10).keys()].map((n) => ({
    workOrderId: ORDER,
    type: 'input',
    requestId: `${n}`,
  }));
  assert.equal((await client.batchUpdateWorkOrderQuantity(items)).succeeded, 10);
  assert.deepEqual(service.sizes, [10, 5, 5]);
});

test('addresses come from the environment when asked for', () => {
  process.env.PLAN_SERVER_HOST = 'node-1, node-2';
  process.env.PLAN_SERVER_PORT = '3005';
  const config = PlanServerClient.fromEnvironment(quick({ fallback: false })).getConfig();
  assert.deepEqual(config.addresses, ['http://node-1:3005', 'http://node-2:3005']);
  assert.equal(config.timeout, 1000);
  delete process.env.PLAN_SERVER_HOST;
  delete process.env.PLAN_SERVER_PORT;
  assert.equal(
    PlanServerClient.fromEnvironment({ fallback: false }).getConfig().baseURL,
    'http://127.0.0.1:3001',
  );
  assert.throws(() => new PlanServerClient(NOBODY), /outbox/);
  assert.throws(
    () => new PlanServerClient(NOBODY, { fallback: false, deadlineMs: 0 }),
    /deadlineMs/,
  );
});

test('an operation is sent again with its key until it is known', async (t) => {
  const { service, client } = await setUp(t);
  const done = '{"success":true,"message":"","code":"OK","data":{"operation":"scrap"}}';
  service.faults.push(breaks, answers(503, 'SERVICE_UNAVAILABLE', { 'Retry-After': '0' }));
  service.faults.push(says(done));
  const options = { quantity: 2, logContext: { relatedBarcode: 'SN1' } };
  const result = await client.operateWorkOrder(ORDER, 'scrap', options);
  assert.equal(result.success, true);
  assert.equal(result.operation, 'scrap');
  assert.deepEqual(new Set(service.bodies.map((each) => each.requestId)).size, 1);
  assert.equal(service.bodies[0].requestId, result.requestId);
  assert.deepEqual(service.bodies[0].logContext, { relatedBarcode: 'SN1' });
});

test('many operations are sent again with one key until they are known', async (t) => {
  const { service, client } = await setUp(t);
  const done = '{"success":true,"message":"","code":"OK","data":{"total":1}}';
  service.faults.push(breaks, says(done));
  /** @type {Array<{ workOrderId: string, operation: 'pause' }>} */
  const operations = [{ workOrderId: ORDER, operation: 'pause' }];
  const result = await client.batchOperateWorkOrders(operations);
  assert.equal(result.total, 1);
  const body = { operations, requestId: result.requestId };
  assert.deepEqual(service.bodies, [body, body]);
});

test('an operation that is refused says why, and one in doubt that it is', async (t) => {
  const { service, client } = await setUp(t);
  service.faults.push(answers(409, 'OPERATION_REFUSED'));
  const refused = await client.operateWorkOrder(ORDER, 'start', { requestId: 'k' });
  assert.equal(refused.code, 'OPERATION_REFUSED');
  assert.equal(refused.fallback, false);
  assert.equal(refused.requestId, 'k');
  service.faults.push(breaks);
  service.always = answers(503, 'SERVICE_UNAVAILABLE', { 'Retry-After': '60' });
  const doubtful = await client.operateWorkOrder(ORDER, 'start');
  assert.equal(doubtful.code, 'TIMEOUT');
});
