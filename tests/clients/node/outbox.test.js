'use strict';

const assert = require('node:assert');
const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const { once } = require('node:events');
const path = require('node:path');
const { test } = require('node:test');

const { Lock } = require('../../../web/clients/node/lock');
const { Outbox } = require('../../../web/clients/node/outbox');
const { PlanServerClient } = require('../../../web/clients/node/planServerClient');
const { ORDER, OTHER, drained, folder, quick, until } = require('./cases');
const { FakeService, answers, breaks, drips, hangs, reply, says } = require('./fakeService');

const LIMITS = { maxEntries: 1000, maxBytes: 1000000 };
/** An address is left alone after one failure, so that a slow disk has nearly all of the time. */
const ALONE = { breakerFailures: 1, breakerOpenMs: 500 };

async function setUp(t, options) {
  const service = await new FakeService().up();
  const outbox = folder(t);
  const given = quick({ outbox, deadlineMs: 30000, ...ALONE, ...options });
  const client = new PlanServerClient(service.url, given);
  t.after(async () => {
    await client.close();
    await service.down();
  });
  const input = (order, key, quantity = 1) =>
    client.updateWorkOrderQuantity(order, 'input', quantity, null, { requestId: key });
  return { service, client, outbox, input };
}

async function opened(t, where, limits = LIMITS) {
  const outbox = new Outbox(where, limits);
  await outbox.open();
  t.after(() => outbox.close());
  return outbox;
}

const update = (key, order = ORDER) => ({ order, key, text: JSON.stringify({ key }) });

test('an update that finds nobody is kept, and sent when the service is back', async (t) => {
  const { service, client, input } = await setUp(t);
  await service.down();

  const result = await input(ORDER, 'scan-1', 3);

  assert.equal(result.success, true);
  assert.deepEqual([result.code, result.fallback], ['QUEUED_FALLBACK', true]);
  assert.deepEqual([result.jobId, result.queueLength], ['scan-1', 1]);
  await service.up();
  await drained(client);
  assert.equal(service.applied.get(`${ORDER} scan-1`).quantity, 3);
});

const faults = {
  'a server that hangs': hangs,
  'a body that drips': drips,
  'broken connections': breaks,
  504: answers(504, 'TIMEOUT'),
  503: answers(503, 'SERVICE_UNAVAILABLE', { 'Retry-After': '60' }),
  429: answers(429, 'MAILBOX_FULL', { 'Retry-After': '60' }),
  garbage: says('garbage'),
  'another server': says('<html></html>', 404),
};
for (const [what, fault] of Object.entries(faults)) {
  for (const late of [false, true]) {
    test(`after ${what} the update counts once in the end (applied before: ${late})`, async (t) => {
      const { service, client } = await setUp(t);
      service.always = fault;
      service.late = late;
      const result = await client.updateWorkOrderQuantity(ORDER, 'input');
      assert.deepEqual([result.success, result.code], [true, 'QUEUED_FALLBACK']);
      service.always = null;
      await drained(client);
      assert.deepEqual(service.keys, [result.requestId]);
    });
  }
}

test('while updates of an order wait, later ones go behind them', async (t) => {
  const { service, client, input } = await setUp(t);
  service.always = answers(503, 'SERVICE_UNAVAILABLE', { 'Retry-After': '60' });
  await input(ORDER, '1');
  const single = () => service.bodies.filter((body) => !body.updates).length;
  const before = single();

  assert.equal((await input(ORDER, '2')).code, 'QUEUED_FALLBACK');
  await client.batchUpdateWorkOrderQuantity(
    ['3', '4'].map((requestId) => ({
      workOrderId: ORDER.toUpperCase(),
      type: 'output',
      requestId,
    })),
  );

  assert.equal(single(), before);
  service.always = null;
  await drained(client);
  assert.deepEqual(service.keys, ['1', '2', '3', '4']);
});

test('an order that is put off waits alone', async (t) => {
  const { service, client, input } = await setUp(t);
  await service.down();
  for (const [order, key] of [
    [ORDER, '1'],
    [OTHER, '2'],
    [ORDER, '3'],
    [OTHER, '4'],
  ])
    await input(order, key);
  service.always = (response) => {
    const { updates } = service.bodies.at(-1);
    const putOff = { success: false, code: 'MAILBOX_FULL', retryable: true };
    const results = updates.map((item) =>
      item.workOrderId === ORDER ? putOff : service.apply([item])[0],
    );
    reply(response, 200, 'PARTIALLY_UPDATED', { results });
  };
  await service.up();
  await until(() => service.keys.join() === '2,4');
  service.always = null;
  await drained(client);
  assert.deepEqual(service.keys, ['2', '4', '1', '3']);
});

test('the same key waits once, and is not another content', async (t) => {
  const { service, client, input } = await setUp(t);
  await service.down();
  const results = [await input(ORDER, '1'), await input(ORDER, '1'), await input(ORDER, '1', 2)];
  assert.deepEqual(
    results.map((each) => each.code),
    ['QUEUED_FALLBACK', 'QUEUED_FALLBACK', 'REQUEST_ID_CONFLICT'],
  );
  assert.equal((await client.outboxUsage()).entries, 1);
});

for (const limit of [{ maxEntries: 2 }, { maxBytes: 300 }]) {
  test(`a full outbox takes no more and says so: ${JSON.stringify(limit)}`, async (t) => {
    const { service, client, input } = await setUp(t, limit);
    await service.down();
    const results = [
      await input(ORDER, 'first'),
      await input(ORDER, 'second'),
      await input(ORDER, 'x'.repeat(60)),
    ];
    assert.deepEqual(
      results.map((each) => each.success),
      [true, true, false],
    );
    assert.deepEqual([results[2].code, results[2].fallback], ['OUTBOX_FULL', true]);
    await service.up();
    await drained(client);
    assert.deepEqual(service.keys, ['first', 'second']);
  });
}

test('a refusal on replay is a dead letter that the callback is told of', async (t) => {
  const told = [];
  const onDeadLetter = async (letter) => {
    told.push(letter);
    if (told.length === 1) throw new Error('a callback that fails is asked again');
  };
  const { service, client, input } = await setUp(t, { onDeadLetter });
  service.refused[OTHER] = 'DUPLICATE_OPERATION';
  await service.down();
  await input(OTHER, '1');
  await input(ORDER, '2');
  await service.up();
  await until(() => told.length === 2);
  await drained(client);
  const [letter] = await client.deadLetters();
  assert.deepEqual(told, [letter, letter]);
  assert.deepEqual(
    [letter.workOrderId, letter.requestId, letter.code],
    [OTHER, '1', 'DUPLICATE_OPERATION'],
  );
  assert.equal(letter.reason, 'about DUPLICATE_OPERATION');
  assert.deepEqual(service.keys, ['2']);
  await client.forgetDeadLetter(letter);
  assert.deepEqual(await client.deadLetters(), []);
  assert.equal((await client.outboxUsage()).deadLetters, 0);
});

test('an update on which the service fails is tried again before it is given up', async (t) => {
  const { service, client, input } = await setUp(t);
  service.refused[OTHER] = 'SYSTEM_ERROR';
  await service.down();
  await input(OTHER, '1');
  await service.up();
  await until(() => service.sizes.length >= 2);
  delete service.refused[OTHER];
  await drained(client);
  assert.deepEqual(await client.deadLetters(), []);
  assert.deepEqual(service.keys, ['1']);
});

test('one update that spoils a whole call is found, and the others go on', async (t) => {
  const { service, client, input } = await setUp(t);
  await service.down();
  for (let number = 0; number < 20; number += 1) await input(ORDER, `${number}`);
  service.poison = '7';
  await service.up();
  await drained(client);
  assert.deepEqual(
    (await client.deadLetters()).map((each) => each.requestId),
    ['7'],
  );
  assert.deepEqual(
    service.keys,
    [...Array(20).keys()].map(String).filter((each) => each !== '7'),
  );
});

test('an address of something else does not make dead letters', async (t) => {
  const { service, client, input } = await setUp(t);
  await service.down();
  await input(ORDER, '1');
  service.always = answers(404, 'NOT_FOUND');
  await service.up();
  await until(() => service.sizes.length >= 2);
  assert.equal((await client.outboxUsage()).entries, 1);
  service.always = null;
  await drained(client);
  assert.deepEqual(await client.deadLetters(), []);
});

test('a line that a kill left half written is passed over', async (t) => {
  const where = folder(t);
  const first = await opened(t, where);
  await first.put(update('1'));
  const log = path.join(where, '00000001.log');
  fs.appendFileSync(log, '\n0123456789abcdef {"order":"half');
  const second = await opened(t, where);
  await second.put(update('2'));
  fs.appendFileSync(log, `\n${'0'.repeat(16)} {"order":"wrong sum"}\n`);
  await second.refresh();
  assert.deepEqual(
    second.first(10, new Map()).map((each) => each.key),
    ['1', '2'],
  );
});

test('half of a settled place settles nothing', async (t) => {
  const where = folder(t);
  const outbox = await opened(t, where);
  await outbox.put(update('1'));
  const { place } = outbox.first(1, new Map())[0];
  fs.appendFileSync(path.join(where, '00000001.done'), `\np${place}`);
  await outbox.settle([]);
  fs.appendFileSync(path.join(where, '00000001.done'), '\n\n');
  await outbox.refresh();
  assert.equal(outbox.entries, 1);
  await outbox.settle(outbox.first(1, new Map()));
  assert.equal(outbox.entries, 0);
});

test('files do not grow for ever, and what is settled stays so for others', async (t) => {
  const where = folder(t);
  const [one, two] = [await opened(t, where), await opened(t, where)];
  for (let round = 0; round < 3; round += 1) {
    await one.put(update(`a${round}`));
    await two.put(update(`b${round}`));
    await one.refresh();
    const entries = one.first(10, new Map());
    assert.deepEqual(
      entries.map((each) => each.key),
      [`a${round}`, `b${round}`],
    );
    await one.settle(entries);
    await one.compact();
    await two.refresh();
    assert.equal(two.entries, 0);
  }
  assert.deepEqual(fs.readdirSync(where), ['00000004.log']);
});

for (const logsGone of [1, 2]) {
  test(`what is appended to a log that is gone by then is not lost (logs gone: ${logsGone})`, async (t) => {
    const where = folder(t);
    const [writer, replayer] = [await opened(t, where), await opened(t, where)];
    const removeALog = async (key) => {
      await replayer.put(update(key));
      await replayer.refresh();
      await replayer.settle(replayer.first(10, new Map()));
      await replayer.compact();
    };
    await writer.put(update('first'));
    const { handle } = writer.out;
    const write = handle.write.bind(handle);
    handle.write = async (data) => {
      handle.write = write;
      for (let number = 0; number < logsGone; number += 1) await removeALog(`other ${number}`);
      return write(data);
    };

    await writer.put(update('second'));

    assert.equal(fs.existsSync(path.join(where, '00000001.log')), false);
    await replayer.refresh();
    assert.deepEqual(
      replayer.first(10, new Map()).map((each) => each.key),
      ['second'],
    );
  });
}

test('a folder that can not be used is told, and nothing is called success', async (t) => {
  const where = folder(t);
  fs.mkdirSync(path.dirname(where), { recursive: true });
  fs.writeFileSync(where, 'a file');
  const client = new PlanServerClient('http://127.0.0.1:9', quick({ outbox: where }));
  await assert.rejects(client.open(), /can't be used/);
  const result = await client.updateWorkOrderQuantity(ORDER, 'input');
  assert.deepEqual([result.success, result.code, result.fallback], [false, 'OUTBOX_FAILED', false]);
  await client.close();
});

test('one of many has the lock, and a dead holder does not keep it', async (t) => {
  const where = folder(t);
  fs.mkdirSync(where, { recursive: true });
  const program = `
    const { Lock } = require(${JSON.stringify(require.resolve('../../../web/clients/node/lock'))});
    new Lock(process.argv[1]).acquire().then((has) => { console.log(has); setInterval(() => {}, 1000); });
  `;
  const holder = spawn(process.execPath, ['-e', program, where], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => holder.kill('SIGKILL'));
  const [said] = await once(holder.stdout, 'data');
  assert.equal(said.toString().trim(), 'true');

  const locks = [...Array(8)].map(() => new Lock(where));
  const acquire = () => Promise.all(locks.map((each) => each.acquire()));
  assert.deepEqual((await acquire()).filter(Boolean), []);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  assert.equal((await acquire()).filter(Boolean).length, 1);

  await Promise.all(locks.map((each) => each.release()));
  assert.equal((await acquire()).filter(Boolean).length, 1);
  assert.equal(fs.readdirSync(where).length, 1);
});

test('a process whose number another one has by now does not hold the lock', async (t) => {
  const where = folder(t);
  fs.mkdirSync(where, { recursive: true });
  fs.writeFileSync(
    path.join(where, 'lock.7'),
    JSON.stringify({ pid: process.pid, birth: 'long ago' }),
  );
  assert.equal(await new Lock(where).acquire(), true);
  assert.deepEqual(fs.readdirSync(where), ['lock.8']);
});

test('who looked at the lock long ago does not take it from who has it by now', async (t) => {
  const where = folder(t);
  fs.mkdirSync(where, { recursive: true });
  fs.writeFileSync(path.join(where, 'lock.1'), JSON.stringify({ pid: 0 }));
  const slow = new Lock(where);
  const make = slow.make.bind(slow);
  slow.make = async (number) => {
    const first = new Lock(where);
    assert.equal(await first.acquire(), true);
    await first.release();
    assert.equal(await new Lock(where).acquire(), true);
    return make(number);
  };
  assert.equal(await slow.acquire(), false);
  assert.deepEqual(fs.readdirSync(where), ['lock.3']);
});

test('what waits does not keep a process alive, and goes out with the next one', async (t) => {
  const { service, client, outbox } = await setUp(t);
  const program = `
    const { PlanServerClient } = require(${JSON.stringify(require.resolve('../../../web/clients/node/planServerClient'))});
    // Left alone after one failure, so that the disk has nearly all of the time.
    const options = { outbox: process.argv[1], deadlineMs: 30000, breakerFailures: 1 };
    const client = new PlanServerClient('http://127.0.0.1:9', options);
    client.updateWorkOrderQuantity('${ORDER}', 'input', 1, null, { requestId: 'left' })
      .then((result) => console.log(result.code));
  `;
  const said = execFileSync(process.execPath, ['-e', program, outbox], {
    encoding: 'utf8',
    timeout: 60000,
  });
  assert.equal(said.trim(), 'QUEUED_FALLBACK');
  await client.open();
  await drained(client);
  assert.deepEqual(service.keys, ['left']);
});
