'use strict';

/**
 * Fill an outbox while nobody listens, then say how long it takes until it is empty.
 *
 * node scripts/bench/replay.js <url> <outbox> <updates> <orders>; waits for a line in between.
 */

const { once } = require('node:events');

const { PlanServerClient } = require('../../web/clients/node/planServerClient');

const AT_ONCE = 500;

async function main(url, outbox, updates, orders) {
  const ids = orders.split(',');
  const client = new PlanServerClient(url, {
    outbox,
    deadlineMs: 60000,
    breakerFailures: 1,
    replayPollMs: 100,
  });
  /** @type {import('../../web/clients/node/planServerClient').Update[]} */
  const items = [...Array(Number(updates)).keys()].map((n) => ({
    workOrderId: ids[n % ids.length],
    type: 'input',
  }));
  let start = performance.now();
  while (items.length) {
    const { succeeded } = await client.batchUpdateWorkOrderQuantity(items.splice(0, AT_ONCE));
    if (!succeeded) throw new Error('the outbox did not take them');
  }
  console.log(JSON.stringify({ filled_s: (performance.now() - start) / 1000 }));
  await once(process.stdin, 'data');
  start = performance.now();
  while ((await client.outboxUsage()).entries)
    await new Promise((resolve) => setTimeout(resolve, 10));
  console.log(JSON.stringify({ drained_s: (performance.now() - start) / 1000 }));
  await client.close();
  process.exit(0);
}

main(...process.argv.slice(2));
