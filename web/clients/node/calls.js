'use strict';

/**
 * Calls to the service: one address after the other, again after a while, until the deadline.
 *
 * Only what may be sent again is: 429, 503, 504, broken connections, answers that can't be read.
 * Every update has its key, so sending it again can't count it twice.
 */

const http = require('node:http');
const https = require('node:https');

const CONNECT_MS = 1000;
const WAIT_FIRST_MS = 100;
const WAIT_LONGEST_MS = 2000;
const JITTER_MS = 200;
/** Of answers that are not the service's own, such as a proxy's, those that may pass by. */
const AGAIN = new Set([429, 502, 503, 504]);

const now = () => performance.now();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const isOk = (status) => status >= 200 && status < 300;

/** @typedef {{method: string, path: string, body?: string, headers?: Object}} Request */

/** An attempt, or a whole call, left open what the service makes of it, or was put off. */
class Unsettled extends Error {
  constructor(code, reason, { maybeApplied = false, retryAfterMs = null, again = true } = {}) {
    super(reason);
    this.code = code;
    this.maybeApplied = maybeApplied;
    this.retryAfterMs = retryAfterMs;
    this.again = again;
  }
}

/** Opens after some failures in a row; after a while one call at a time may try again. */
class Breaker {
  constructor(limit, openMs) {
    this.limit = limit;
    this.openMs = openMs;
    this.failures = 0;
    this.openUntil = 0;
    this.probing = false;
  }

  get state() {
    if (this.failures < this.limit) return 'closed';
    return now() < this.openUntil ? 'open' : 'half-open';
  }

  admit() {
    if (this.state === 'half-open' && !this.probing) {
      this.probing = true;
      return true;
    }
    return this.state === 'closed';
  }

  succeed() {
    this.failures = 0;
    this.probing = false;
  }

  fail() {
    this.probing = false;
    this.failures += 1;
    if (this.failures >= this.limit) this.openUntil = now() + this.openMs;
  }
}

/** Sends calls to the first address that takes them. Times are of `performance.now()`. */
class Calls {
  constructor(addresses, options) {
    if (!addresses.length) throw new TypeError('at least one address is needed');
    this.options = options;
    this.preferred = 0;
    this.agents = {
      'http:': new http.Agent({ keepAlive: true, maxSockets: options.connections }),
      'https:': new https.Agent({ keepAlive: true, maxSockets: options.connections }),
    };
    this.breakers = new Map(
      addresses.map((address) => [
        new URL(address).href.replace(/\/$/, ''),
        new Breaker(options.breakerFailures, options.breakerOpenMs),
      ]),
    );
  }

  close() {
    for (const agent of Object.values(this.agents)) agent.destroy();
  }

  /**
   * Send until the service settles it or `end` is there; throws `Unsettled`.
   * @param {Request} request
   * @param {number} end
   * @param {() => Promise<any>} [once] makes an attempt in place of the method of that name
   */
  async call(request, end, once = () => this.once(request, end)) {
    let maybeApplied = false;
    for (let turn = 0; ; turn += 1) {
      try {
        return await once();
      } catch (error) {
        if (!(error instanceof Unsettled)) throw error;
        maybeApplied ||= error.maybeApplied;
        const backOff = Math.min(WAIT_LONGEST_MS, WAIT_FIRST_MS * 2 ** turn);
        const wait = (error.retryAfterMs ?? backOff) + Math.random() * JITTER_MS;
        if (!error.again || now() + wait >= end) {
          error.maybeApplied = maybeApplied;
          if (maybeApplied) error.code = 'TIMEOUT';
          throw error;
        }
        await pause(wait);
      }
    }
  }

  /** Send it once to each address that is not left alone, until one settles it. */
  async once(request, end) {
    const none = 'all addresses are left alone';
    let last = new Unsettled('SERVICE_UNAVAILABLE', none, { again: false });
    let maybeApplied = false;
    const addresses = [...this.breakers];
    for (let turn = 0; turn < addresses.length; turn += 1) {
      const number = (this.preferred + turn) % addresses.length;
      const [address, breaker] = addresses[number];
      if (now() >= end || !breaker.admit()) continue;
      try {
        const reply = read(await this.exchange(address, request, end));
        breaker.succeed();
        this.preferred = number;
        return reply;
      } catch (error) {
        if (!(error instanceof Unsettled)) {
          breaker.fail();
          throw error;
        }
        // Its own word: the node serves, and another one would ask it.
        const full = error.code === 'MAILBOX_FULL';
        if (full) breaker.succeed();
        else breaker.fail();
        maybeApplied ||= error.maybeApplied;
        error.maybeApplied = maybeApplied;
        last = error;
        if (full) break;
      }
    }
    throw last;
  }

  /**
   * Send one request to one address; gives `{status, body, retryAfterMs}`, body as JSON or null.
   * @param {string} address
   * @param {Request} request
   * @param {number} end
   */
  exchange(address, { method, path, body, headers }, end) {
    const url = new URL(address + path);
    const left = Math.max(1, Math.min(this.options.attemptMs, end - now()));
    return new Promise((resolve, reject) => {
      let connected = false;
      let connecting;
      const fail = (error) => {
        clearTimeout(timer);
        clearTimeout(connecting);
        const code = connected ? 'TIMEOUT' : 'SERVICE_UNAVAILABLE';
        reject(new Unsettled(code, error.message, { maybeApplied: connected }));
      };
      const call = (url.protocol === 'https:' ? https : http).request(url, {
        method,
        agent: this.agents[url.protocol],
        headers: {
          'Accept-Language': this.options.language,
          ...(this.options.token ? { Authorization: `Bearer ${this.options.token}` } : {}),
          'Content-Type': 'application/json',
          ...(body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) }),
          ...headers,
        },
      });
      const timer = setTimeout(() => call.destroy(new Error('no answer in time')), left);
      call.once('socket', (socket) => {
        if (!socket.connecting) {
          connected = true;
          return;
        }
        connecting = setTimeout(() => call.destroy(new Error('no connection')), CONNECT_MS);
        socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
          connected = true;
          clearTimeout(connecting);
        });
      });
      call.on('error', fail);
      call.once('response', (response) => {
        const pieces = [];
        response.on('data', (piece) => pieces.push(piece));
        response.on('error', fail);
        response.on('aborted', () => fail(new Error('the answer broke off')));
        response.on('end', () => {
          clearTimeout(timer);
          const after = response.headers['retry-after'];
          resolve({
            status: response.statusCode,
            body: parsed(Buffer.concat(pieces).toString()),
            retryAfterMs: /^\d+$/.test(after ?? '') ? Number(after) * 1000 : null,
          });
        });
      });
      call.end(body);
    });
  }
}

/** Tell an answer that settles the call, be it a refusal, from one that leaves it open. */
function read({ status, body, retryAfterMs }) {
  if (body === null || typeof body.code !== 'string') {
    throw new Unsettled('TIMEOUT', `an answer that is not the service's, status ${status}`, {
      maybeApplied: true,
      again: AGAIN.has(status) || isOk(status),
    });
  }
  const reason = String(body.message ?? body.code);
  if (status === 429 || status === 503) throw new Unsettled(body.code, reason, { retryAfterMs });
  if (status === 504) throw new Unsettled('TIMEOUT', reason, { maybeApplied: true });
  if (isOk(status) && (body.success !== true || body.data === undefined)) {
    throw new Unsettled('TIMEOUT', 'an answer without its data', { maybeApplied: true });
  }
  return { status, body, data: isObject(body.data) ? body.data : {}, code: body.code };
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parsed(text) {
  try {
    const value = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

module.exports = { Calls, Unsettled, isObject, isOk, now, read };
