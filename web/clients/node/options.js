'use strict';

/** What a client can be told, what holds where it is not, and what is not taken. */

/** @type {import('./planServerClient').Options} */
const DEFAULTS = {
  /** The folder of the outbox, on a local disk; processes of one host may share it. */
  outbox: null,
  /** Whether what can't be delivered goes to the outbox; without it the caller is told. */
  fallback: true,
  /** A call is answered by then. The main service's own callers wait 30 s. */
  deadlineMs: 10000,
  /** One attempt at one address is given up by then, and tried again with the same key. */
  attemptMs: 5000,
  /** Failures in a row after which an address is left alone, and for how long. */
  breakerFailures: 5,
  breakerOpenMs: 2000,
  /** To each address; further calls wait for one. */
  connections: 100,
  /** Whether updates that are asked for in one turn of the loop share a call, 100 at most. */
  coalesce: true,
  /** What the outbox holds at most: updates, and bytes of their JSON. */
  maxEntries: 100000,
  maxBytes: 64 * 1024 * 1024,
  /** Updates that one replay call carries at most; the service takes 1,000. */
  replayBatch: 500,
  /** How often the outbox is looked at for what other processes left. */
  replayPollMs: 250,
  /** Of messages, the service's and the client's own: zh-CN or en. */
  language: 'zh-CN',
  token: null, // what a service with API_TOKENS asks for
  /** Called with each update that the service refused for good when it was replayed. */
  onDeadLetter: undefined,
  logger: console,
};

/** Fill in what is not given; throws `TypeError` or `RangeError` for what can't be. */
function withDefaults(given) {
  const options = { ...DEFAULTS, ...given };
  if (options.fallback && !options.outbox) {
    throw new TypeError('fallback needs `outbox`, a folder; without one say fallback: false');
  }
  for (const [name, standard] of Object.entries(DEFAULTS)) {
    const value = options[name];
    if (typeof standard === 'number' && !(typeof value === 'number' && value > 0)) {
      throw new RangeError(`${name} must be positive, not ${value}`);
    }
  }
  return options;
}

module.exports = { withDefaults };
