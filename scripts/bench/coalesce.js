'use strict';

/**
 * Callers that each ask for their next update when they have their answer; says what came of it.
 *
 * node scripts/bench/coalesce.js, with what it is to do as JSON on its standard input.
 */

const { text } = require('node:stream/consumers');

const { PlanServerClient } = require('../../web/clients/node/planServerClient');

async function main() {
  const given = JSON.parse(await text(process.stdin));
  const { orders, context } = given;
  const client = new PlanServerClient(given.url, given.options);
  const outcome = { answered: 0, failed: 0, measured: 0, cpu_s: 0 };
  const begin = performance.now() + given.warmupMs;
  const end = begin + given.measuredMs;

  async function call() {
    while (performance.now() < end) {
      const order = orders[Math.floor(Math.random() * orders.length)];
      const { code } = await client.updateWorkOrderQuantity(order, 'input', 1, context);
      const at = performance.now();
      outcome[code === 'UPDATED' ? 'answered' : 'failed'] += 1;
      if (code === 'UPDATED' && at >= begin && at < end) outcome.measured += 1;
    }
  }

  let used;
  setTimeout(() => {
    used = process.cpuUsage();
  }, given.warmupMs);
  await Promise.all(Array.from({ length: given.callers }, call));
  const { user, system } = process.cpuUsage(used);
  outcome.cpu_s = (user + system) / 1e6;
  await client.close();
  process.stdout.write(JSON.stringify(outcome));
}

main();
