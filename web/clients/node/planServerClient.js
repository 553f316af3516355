'use strict';

/**
 * For callers of the service in Node (18 or newer, no dependencies): an update that was answered
 * "success" counts once, whatever happens. Copy this folder as it is.
 *
 *     const client = PlanServerClient.fromEnvironment({ outbox: '/var/lib/mes/plan-server-outbox' });
 *     const result = await client.updateWorkOrderQuantity(workOrderId, 'input', 1, { ... });
 *
 * No method throws for what the service or the network does. Results are flat: on success
 * `success: true`, `code`, `message` and the fields of the service's `data` (`jobId`,
 * `queueLength`, ...); on failure `success: false`, `code`, `error` and `fallback`, which is true
 * only where the update was surely not applied and will not be.
 */

const { randomUUID } = require('node:crypto');

const { Calls, Unsettled, isOk, now } = require('./calls');
const { Coalescer } = require('./coalescer');
const { Lock } = require('./lock');
const { withDefaults } = require('./options');
const { Outbox, OutboxError } = require('./outbox');
const { Replayer } = require('./replayer');
const { isResult, note, summed } = require('./results');
const updates = require('./updates');

const API = '/api/workorder';
/** Of a call's time, what is kept for the outbox. */
const FOR_THE_DISK = 0.2;
const MOST_FOR_THE_DISK_MS = 1000;

/** @typedef {import('./planServerClient').PlanServerClient} Client */

/** @implements {Client} */
class PlanServerClient {
  constructor(addresses, options = {}) {
    this.options = withDefaults(options);
    this.calls = new Calls([addresses].flat(), this.options);
    this.coalescer = null;
    if (this.options.coalesce) this.coalescer = new Coalescer(this.calls, this.options.fallback);
    this.outbox = null;
    this.opening = null;
    if (this.options.fallback) {
      this.outbox = new Outbox(this.options.outbox, this.options);
      const lock = new Lock(this.options.outbox);
      this.replayer = new Replayer(this.outbox, this.calls, lock, this.options);
    }
  }

  /** Take the addresses from PLAN_SERVER_HOST (several with commas) and PLAN_SERVER_PORT. */
  static fromEnvironment(options = {}) {
    const port = (process.env.PLAN_SERVER_PORT ?? '').trim() || '3001';
    const hosts = (process.env.PLAN_SERVER_HOST ?? '').trim() || '127.0.0.1';
    const names = hosts
      .split(',')
      .map((each) => each.trim())
      .filter(Boolean);
    return new PlanServerClient(
      names.map((each) => `http://${each}:${port}`),
      options,
    );
  }

  /** Open the outbox and begin to replay it; the first update does so, too. Throws. */
  open() {
    this.opening ??= this.start().catch((error) => {
      this.opening = null;
      throw error;
    });
    return this.opening;
  }

  async start() {
    if (this.outbox === null) return;
    await this.outbox.open();
    this.replayer.start();
  }

  /**
   * Stop replaying and close all; what is in the outbox stays there. Updates that are being
   * collected are sent, and the batches under way answered, before.
   */
  async close() {
    await this.coalescer?.close();
    if (this.opening !== null && this.outbox !== null) {
      if (
        await this.opening.then(
          () => true,
          () => false,
        )
      )
        await this.replayer.stop();
      await this.outbox.close();
    }
    this.calls.close();
  }

  // -- updates ----------------------------------------------------------------------------------

  /** Apply one change once. Without `requestId` it gets a key of its own. */
  async updateWorkOrderQuantity(workOrderId, type, quantity = 1, logContext = null, options = {}) {
    const start = now();
    let update;
    try {
      update = updates.makeUpdate(workOrderId, type, quantity, logContext, options.requestId);
    } catch (error) {
      if (error instanceof updates.Invalid) return this.failed(error.code, { status: 400 });
      throw error;
    }
    const [result] = await this.deliver([update], start, (some, end) => this.sendOne(some, end));
    return result;
  }

  /**
   * Apply many changes; each has the fields of a single one, and may have `requestId`.
   * `results` has each one's result, in the order given. One that is wrong fails alone.
   */
  async batchUpdateWorkOrderQuantity(items) {
    const start = now();
    if (!Array.isArray(items) || !items.length)
      return this.failed('INVALID_UPDATES', { status: 400 });
    /** @type {any[]} */
    const slots = items.map((item) => {
      try {
        return { update: updates.makeItem(item) };
      } catch (error) {
        if (error instanceof updates.Invalid) return this.failed(error.code, { status: 400 });
        throw error;
      }
    });
    const sent = slots.filter((slot) => slot.update).map((slot) => slot.update);
    const given = sent.length
      ? await this.deliver(sent, start, (some, end) => this.sendMany(some, end))
      : [];
    return summed(slots.map((slot, index) => ({ index, ...(slot.update ? given.shift() : slot) })));
  }

  /** Send what may be sent now, keep the rest; always answered by the deadline. */
  async deliver(all, start, send) {
    const end = start + this.options.deadlineMs;
    const sent = new Map();
    if (this.outbox === null) {
      await this.collect(all, sent, send, end);
      return all.map((update) => this.answered(update, sent.get(update), null));
    }
    const spare = Math.min(MOST_FOR_THE_DISK_MS, FOR_THE_DISK * this.options.deadlineMs);
    const kept = new Map();
    try {
      await by(end, this.open());
      // An update must not overtake one of its order that waits.
      const waiting = await by(end, this.outbox.waiting());
      const direct = all.filter(({ order }) => !waiting.has(order));
      if (direct.length) await this.collect(direct, sent, send, end - spare);
      const left = all.filter((update) => !isResult(sent.get(update)));
      const puts = left.map((update) => this.outbox.put(update));
      const outcomes = await by(end, Promise.allSettled(puts));
      for (const [index, update] of left.entries()) kept.set(update, outcomes[index]);
    } catch (error) {
      if (!(error instanceof OutboxError)) throw error;
      for (const each of all) if (!kept.has(each)) kept.set(each, { reason: error });
    }
    return all.map((update) => this.answered(update, sent.get(update), kept.get(update)));
  }

  async collect(some, sent, send, end) {
    const outcomes = await send(some, end);
    for (const [index, update] of some.entries()) sent.set(update, outcomes[index]);
  }

  /** Tell what became of an update that was `sent`, or not, and `kept`, or not. */
  answered(update, sent, kept) {
    const { order, type, quantity, key } = update;
    const about = { workOrderId: order, type, quantity, requestId: key };
    if (isResult(sent)) return { ...about, ...sent };
    if (kept?.status === 'fulfilled') {
      const code = 'QUEUED_FALLBACK';
      const message = updates.textOf(code, this.options.language);
      const more = { fallback: true, jobId: key, queueLength: kept.value };
      return { ...about, success: true, code, message, ...more };
    }
    if (sent?.maybeApplied) return { ...about, ...this.failed('TIMEOUT') };
    if (!kept)
      return { ...about, ...this.failed(sent.code, { error: sent.message, fallback: true }) };
    const { code, message } = kept.reason;
    if (code === 'OUTBOX_FULL') return { ...about, ...this.failed(code, { fallback: true }) };
    if (code === 'REQUEST_ID_CONFLICT') return { ...about, ...this.failed(code, { status: 422 }) };
    // The disk may only be late, and have it yet.
    return { ...about, ...this.failed('OUTBOX_FAILED', { error: message }) };
  }

  async sendOne([update], end) {
    try {
      const reply = this.coalescer
        ? this.coalescer.send(update, end)
        : this.calls.call(updates.updateRequest(update), end);
      return [this.told(await reply)];
    } catch (error) {
      if (error instanceof Unsettled) return [error];
      throw error;
    }
  }

  /** Send updates until each is settled or the time is over; those of one order in order. */
  async sendMany(all, end) {
    const results = new Map();
    let pending = all;
    let count = this.options.replayBatch;
    let wait = 100;
    while (pending.length) {
      const chunk = updates.head(pending, count);
      let open = [];
      try {
        const reply = await this.calls.call(updates.batchRequest(chunk), end);
        if (isOk(reply.status)) {
          const given = updates.resultsOf(reply, chunk.length);
          open = chunk.filter((update, index) => !this.take(results, update, given[index]));
        } else if (updates.OF_THE_CALL.has(reply.code) && chunk.length > 1) {
          count = Math.floor(chunk.length / 2);
          continue;
        } else {
          for (const update of chunk) results.set(update, this.told(reply));
        }
      } catch (error) {
        if (!(error instanceof Unsettled)) throw error;
        for (const update of chunk) note(results, update, error);
        break;
      }
      // What is unsettled goes first: a later update of its order must not overtake it.
      pending = [...open, ...pending.slice(chunk.length)];
      if (open.length) {
        wait = Math.min(2 * wait, 2000);
        if (now() + wait >= end) break;
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
    return all.map((each) => results.get(each) ?? new Unsettled('SERVICE_UNAVAILABLE', 'not sent'));
  }

  /** Take an item's result; false where it is to be sent again. */
  take(results, update, result) {
    if (updates.isUnsettled(result)) {
      const code = String(result.code ?? 'TIMEOUT');
      note(results, update, new Unsettled(code, String(result.message ?? code)));
      return false;
    }
    const failed = result.success === true ? {} : { error: String(result.message ?? '') };
    results.set(update, { ...result, ...failed, fallback: false });
    return true;
  }

  // -- operations -------------------------------------------------------------------------------

  /**
   * Do an operation of a whole order: start, pause, resume, cancel, complete, change-plan, scrap.
   * It is sent again, with one key, until it is known what became of it; it never waits in the
   * outbox, as its rules hold for now.
   */
  operateWorkOrder(workOrderId, operation, options = {}) {
    const path = `${encodeURIComponent(String(workOrderId))}/operations`;
    return this.operate(path, { ...options, operation });
  }

  /**
   * Do many operations, each with workOrderId, operation and what it needs; `results` has each
   * one's answer. Sent again by one key for all: what is done is not done twice.
   */
  batchOperateWorkOrders(operations, options = {}) {
    return this.operate('batch-operations', { ...options, operations });
  }

  async operate(path, asked) {
    const requestId = asked.requestId ?? randomUUID();
    const body = JSON.stringify({ ...asked, requestId });
    try {
      const request = { method: 'POST', path: `${API}/${path}`, body };
      const done = await this.calls.call(request, now() + this.options.deadlineMs);
      return { ...this.told(done), requestId };
    } catch (error) {
      if (!(error instanceof Unsettled)) throw error;
      const failed = error.maybeApplied
        ? this.failed('TIMEOUT')
        : this.failed('SERVICE_UNAVAILABLE', { error: error.message, fallback: true });
      return { ...failed, requestId };
    }
  }

  // -- reads ------------------------------------------------------------------------------------

  /** Show an order. */
  getWorkOrderDetail(workOrderId) {
    return this.read(`/detail/${encodeURIComponent(String(workOrderId))}`);
  }

  /** Show a page of an order's log, newest first: page, pageSize, changeType, startDate, endDate. */
  getQuantityLogs(workOrderId, options = {}) {
    const given = Object.entries(options).filter(
      ([, value]) => value !== undefined && value !== null,
    );
    const query = given.length ? `?${new URLSearchParams(given)}` : '';
    return this.read(`/quantity-logs/${encodeURIComponent(String(workOrderId))}${query}`);
  }

  /** Count the service's updates: waiting, active, completed, failed, delayed. */
  getQueueStats() {
    return this.read('/queue/stats');
  }

  async read(path) {
    try {
      const request = { method: 'GET', path: API + path };
      return this.told(await this.calls.call(request, now() + this.options.deadlineMs));
    } catch (error) {
      if (!(error instanceof Unsettled)) throw error;
      return this.failed('SERVICE_UNAVAILABLE', { error: error.message, fallback: true });
    }
  }

  /** Ask each address in turn until one says that updates can be served. */
  async healthCheck() {
    const end = now() + this.options.attemptMs;
    let result;
    for (const address of this.calls.breakers.keys()) {
      try {
        const { status, body } = await this.calls.exchange(
          address,
          { method: 'GET', path: '/health' },
          end,
        );
        if (isOk(status) && body?.status === 'ok') return { ...body, success: true, code: 'OK' };
        result = { ...body, ...this.failed('SERVICE_UNAVAILABLE', { fallback: true }) };
      } catch (error) {
        if (!(error instanceof Unsettled)) throw error;
        result ??= this.failed('SERVICE_UNAVAILABLE', { error: error.message, fallback: true });
      }
    }
    return result;
  }

  /** Tell whether updates would be served now. */
  async isServiceAvailable() {
    return (await this.healthCheck()).success;
  }

  /** Show where calls go and how; asks nobody. */
  getConfig() {
    const { breakers } = this.calls;
    return {
      baseURL: [...breakers.keys()][0],
      addresses: [...breakers.keys()],
      timeout: this.options.deadlineMs,
      fallback: this.options.fallback,
      coalesce: this.options.coalesce,
      outbox: this.options.outbox,
      breakers: Object.fromEntries([...breakers].map(([name, { state }]) => [name, state])),
    };
  }

  // -- the outbox -------------------------------------------------------------------------------

  /** Count what waits: `{entries, bytes, deadLetters}`. Throws where there is no outbox. */
  async outboxUsage() {
    const deadLetters = (await this.deadLetters()).length;
    await this.outbox.refresh();
    return { entries: this.outbox.entries, bytes: this.outbox.bytes, deadLetters };
  }

  /** Give what the service refused when it was replayed, oldest first. */
  async deadLetters() {
    if (this.outbox === null) throw new OutboxError('OUTBOX_FAILED', 'this client has no outbox');
    await this.open();
    return this.replayer.letters();
  }

  /** Show a dead letter no more, once somebody has seen to it. */
  async forgetDeadLetter(letter) {
    await this.deadLetters();
    await this.replayer.forget(letter);
  }

  // -- results ----------------------------------------------------------------------------------

  told({ status, body, data, code }) {
    const message = String(body.message ?? '');
    if (isOk(status)) return { ...data, success: true, code, message };
    const more = Object.keys(data).length ? { data } : {};
    return { ...this.failed(code, { error: message, status }), ...more };
  }

  /**
   * @param {string} code
   * @param {{error?: string, status?: number, fallback?: boolean}} [more]
   * @returns {import('./planServerClient').Result}
   */
  failed(code, { error, status, fallback = false } = {}) {
    const about = status === undefined ? {} : { status };
    const text = error || updates.textOf(code, this.options.language);
    return { success: false, code, error: text, fallback, ...about };
  }
}

/** Wait for something of the disk, but not beyond `end`. */
async function by(end, promise) {
  let timer;
  const late = new Promise((_resolve, reject) => {
    const tooLate = () =>
      reject(new OutboxError('OUTBOX_FAILED', 'the disk did not answer in time'));
    timer = setTimeout(tooLate, Math.max(0, end - now()));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

module.exports = { OutboxError, PlanServerClient };
