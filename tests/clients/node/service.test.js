'use strict';

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { test } = require('node:test');

const { PlanServerClient } = require('../../../web/clients/node/planServerClient');
const { drained, folder, until } = require('./cases');
const { RealService } = require('./realService');

const DEMO = '000000000000000000000001';
const UNKNOWN = 'ffffffffffffffffffffffff';
const SCAN = {
  relatedBarcode: 'SN-1',
  processStepId: '6560a00000000000000000a1',
  barcodeOperation: 'SCAN_PROCESS',
};

test('the methods against the service, through a kill and back', async (t) => {
  const service = await new RealService(t).start();
  const outbox = folder(t);
  const told = [];
  const client = new PlanServerClient(service.url, {
    outbox,
    deadlineMs: 60000,
    attemptMs: 20000,
    breakerFailures: 1,
    breakerOpenMs: 1000,
    replayPollMs: 100,
    onDeadLetter: (letter) => told.push(letter.code),
  });
  t.after(() => client.close());

  const first = await client.updateWorkOrderQuantity(DEMO, 'input', 2, SCAN, { requestId: 'k-1' });
  assert.deepEqual([first.success, first.code, first.afterQuantity], [true, 'UPDATED', 2]);
  assert.match(first.jobId, /^[0-9a-f]{24}$/);
  assert.equal(typeof first.queueLength, 'number');
  assert.equal(typeof first.estimatedDelay, 'number');
  const again = await client.updateWorkOrderQuantity(DEMO, 'input', 2, SCAN, { requestId: 'k-1' });
  assert.deepEqual([again.replayed, again.jobId], [true, first.jobId]);
  const twice = await client.updateWorkOrderQuantity(DEMO, 'input', 1, SCAN);
  assert.deepEqual([twice.success, twice.code, twice.status], [false, 'DUPLICATE_OPERATION', 409]);
  const unknown = await client.updateWorkOrderQuantity(UNKNOWN, 'input');
  assert.deepEqual([unknown.code, unknown.status], ['WORK_ORDER_NOT_FOUND', 404]);
  const batch = await client.batchUpdateWorkOrderQuantity([
    { workOrderId: DEMO, type: 'output', quantity: 1 },
    { workOrderId: UNKNOWN, type: 'input' },
  ]);
  assert.deepEqual([batch.success, batch.succeeded, batch.failed], [true, 1, 1]);

  assert.equal((await client.getWorkOrderDetail(DEMO)).inputQuantity, 2);
  const logs = await client.getQuantityLogs(DEMO, { page: 1, pageSize: 1, changeType: 'input' });
  assert.deepEqual([logs.total, logs.logs[0].relatedBarcode], [1, 'SN-1']);
  assert.ok(Number((await client.getQueueStats()).completed) >= 2);
  assert.equal((await client.healthCheck()).status, 'ok');

  await service.kill();
  assert.equal(await client.isServiceAvailable(), false);
  const kept = [];
  for (let number = 0; number < 10; number += 1)
    kept.push(await client.updateWorkOrderQuantity(DEMO, 'input'));
  kept.push(await client.updateWorkOrderQuantity(UNKNOWN, 'input'));
  assert.deepEqual(new Set(kept.map((each) => each.code)), new Set(['QUEUED_FALLBACK']));

  await service.start();
  await drained(client);
  assert.equal((await client.getWorkOrderDetail(DEMO)).inputQuantity, 12);
  // It is told of once it has left the outbox.
  await until(() => told.length > 0, 'word of the dead letter');
  assert.deepEqual(told, ['WORK_ORDER_NOT_FOUND']);
});

test('killed between the durable write and the sending, by another process it counts once', async (t) => {
  const service = await new RealService(t).start();
  await service.kill();
  const outbox = folder(t);
  const program = `
    const { PlanServerClient } = require(${JSON.stringify(require.resolve('../../../web/clients/node/planServerClient'))});
    const client = new PlanServerClient('${service.url}', { outbox: process.argv[1], deadlineMs: 60000, breakerFailures: 2 });
    (async () => {
      for (let number = 0; ; number += 1) {
        const result = await client.updateWorkOrderQuantity('${DEMO}', 'input');
        if (result.success) console.log(result.requestId);
      }
    })();
  `;
  const said = [];
  const callers = [0, 1].map(() =>
    spawn(process.execPath, ['-e', program, outbox], { stdio: ['ignore', 'pipe', 'inherit'] }),
  );
  for (const caller of callers)
    caller.stdout.on('data', (data) => said.push(...data.toString().split('\n').filter(Boolean)));
  t.after(() => {
    for (const each of callers) each.kill('SIGKILL');
  });
  await until(() => said.length >= 40);
  for (const caller of callers) caller.kill('SIGKILL');
  await Promise.all(callers.map((each) => once(each, 'exit')));

  await service.start();
  const client = new PlanServerClient(service.url, { outbox, replayPollMs: 100 });
  t.after(() => client.close());
  await client.open();
  await drained(client);
  // Whoever was killed before it was answered may have kept one more.
  const inputQuantity = Number((await client.getWorkOrderDetail(DEMO)).inputQuantity);
  assert.ok(
    inputQuantity >= said.length && inputQuantity <= said.length + 2,
    `${inputQuantity} of ${said.length}`,
  );
});

test('a token is shown where one is asked for; what waits outlives a wrong one', async (t) => {
  const service = await new RealService(t, { API_TOKENS: 'line:of-the-line-0123456789' }).start();
  const outbox = folder(t);
  const told = [];
  const opened = (token) => {
    const client = new PlanServerClient(service.url, {
      outbox,
      token,
      deadlineMs: 60000,
      breakerFailures: 2,
      replayPollMs: 100,
      onDeadLetter: (letter) => told.push(letter),
    });
    t.after(() => client.close());
    return client;
  };
  const turnedAway = async () => {
    const headers = { Authorization: 'Bearer of-the-line-0123456789' };
    const metrics = await (await fetch(`${service.url}/metrics`, { headers })).text();
    return Number(/^\w+\{[^}]*batch-update[^}]*"401"\} (\S+)$/m.exec(metrics)?.[1] ?? 0);
  };

  const line = opened('of-the-line-0123456789');
  assert.equal((await line.updateWorkOrderQuantity(DEMO, 'input', 2)).code, 'UPDATED');
  assert.equal((await line.getWorkOrderDetail(DEMO)).inputQuantity, 2);
  await line.close();

  const stranger = opened('of-nobody');
  for (const client of [stranger, new PlanServerClient(service.url, { fallback: false })]) {
    const refused = await client.updateWorkOrderQuantity(DEMO, 'input');
    assert.deepEqual([refused.success, refused.code, refused.status], [false, 'UNAUTHORIZED', 401]);
    assert.equal((await client.getQueueStats()).code, 'UNAUTHORIZED');
    assert.equal(await client.isServiceAvailable(), true);
    if (client !== stranger) await client.close();
  }
  assert.equal((await stranger.outboxUsage()).entries, 0);

  await service.kill();
  assert.equal((await stranger.updateWorkOrderQuantity(DEMO, 'input', 3)).code, 'QUEUED_FALLBACK');
  await service.start();
  await until(async () => (await turnedAway()) >= 2, 'a replay that is turned away');
  const { entries, deadLetters } = await stranger.outboxUsage();
  assert.deepEqual([entries, deadLetters], [1, 0]);
  await stranger.close();

  const again = opened('of-the-line-0123456789');
  await again.open();
  await drained(again);
  assert.equal((await again.getWorkOrderDetail(DEMO)).inputQuantity, 5);
  assert.deepEqual(told, []);
  await again.close();
});
