'use strict';

/** As `tests/clients/outage_caller.py`, in Node; the times come in the environment. */

const fs = require('node:fs');

const { PlanServerClient } = require('../../../web/clients/node/planServerClient');

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const one = (list) => list[Math.floor(Math.random() * list.length)];

async function main(name, addresses, outbox, journal, orders) {
  let stopping = false;
  process.on('SIGTERM', () => {
    stopping = true;
  });
  process.stdin.on('end', () => process.exit(1)).resume();
  const { DEADLINE_MS, ATTEMPT_MS, BREAKER_OPEN_MS, PAUSE_MS } = process.env;
  const notes = fs.openSync(journal, 'a');
  const note = (fields) => fs.writeSync(notes, `${JSON.stringify(fields)}\n`);
  const client = new PlanServerClient(addresses.split(','), {
    outbox,
    deadlineMs: Number(DEADLINE_MS),
    attemptMs: Number(ATTEMPT_MS),
    breakerOpenMs: Number(BREAKER_OPEN_MS),
    replayPollMs: 200,
  });
  await client.open();
  for (let number = 1; !stopping; number += 1) {
    const key = `${name}-${number}`;
    const [order, type, quantity] = [
      one(orders.split(',')),
      one(['input', 'output']),
      one([1, 2, 3]),
    ];
    note({ asked: key, order, type, quantity });
    const start = performance.now();
    const context = { remark: name };
    const own = { requestId: key };
    const { success, code } = await client.updateWorkOrderQuantity(
      order,
      type,
      quantity,
      context,
      own,
    );
    note({ answered: key, success, code, took_s: (performance.now() - start) / 1000 });
    await pause(Math.random() * 2 * Number(PAUSE_MS));
  }
  while ((await client.outboxUsage()).entries) await pause(50);
  note({ drained: true, dead: (await client.deadLetters()).length });
  await client.close();
  process.exit(0);
}

main(...process.argv.slice(2));
