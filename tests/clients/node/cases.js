'use strict';

/** What the tests share: quick options, orders, folders, and waiting for events. */

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const ORDER = '6560a0000000000000000001';
const OTHER = '6560a0000000000000000002';

const quick = (options) => ({
  deadlineMs: 1000,
  attemptMs: 250,
  breakerFailures: 1000,
  breakerOpenMs: 100,
  replayPollMs: 50,
  language: 'en',
  logger: { error() {} },
  ...options,
});

/** Return options of a call that only a hang keeps from being settled. */
const patient = (options) => quick({ deadlineMs: 60000, attemptMs: 20000, ...options });

/** Make a folder that is gone after the test. */
function folder(test) {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), 'plan-server-client-'));
  test.after(() => fs.rmSync(made, { recursive: true, force: true }));
  return path.join(made, 'outbox');
}

/** Wait until something is so. */
async function until(condition, what = 'the condition', limitMs = 100000) {
  const end = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`${what} was not so in ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const drained = (client) =>
  until(async () => (await client.outboxUsage()).entries === 0, 'an empty outbox');

module.exports = { ORDER, OTHER, drained, folder, patient, quick, until };
