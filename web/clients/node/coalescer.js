'use strict';

/**
 * Updates that are asked for together go out together; each is answered as if it went alone.
 *
 * What is asked for in one turn of the event loop is one batch call. An update that this call
 * does not settle is sent alone from then on, with the pauses and limits of any call; those of its
 * order wait behind it, so that they keep their order and a stuck order holds up no others.
 */

const { Unsettled, isOk, now, read } = require('./calls');
const { batchRequest, head, resultsOf, updateRequest } = require('./updates');

/** Updates of one batch. */
const MOST = 100;
/** What one order may hold up the others of its batch: the service answers by then. */
const LONGEST_S = 2;
/** How long all go alone after a batch that was refused for being one. */
const ALONE_MS = 60000;
/** Of a batch as a whole: each of its updates alone may be fine. */
const REFUSED = new Set([400, 404, 405, 408, 413]);
const IN_DOUBT = new Set(['TIMEOUT', 'SYSTEM_ERROR', undefined]);

/** An update whose caller waits. */
class Waiting {
  constructor(update, end) {
    this.update = update;
    this.request = updateRequest(update);
    this.end = end;
    this.maybeApplied = false;
    /** Whether a batch that is not answered yet carries it. */
    this.underWay = false;
    this.isOpen = false;
  }

  /** Wait for what an attempt comes to; null: it is to be sent alone, now. */
  answer() {
    return new Promise((resolve, reject) => {
      this.isOpen = true;
      this.resolve = resolve;
      this.reject = reject;
      this.timer = setTimeout(() => this.giveUp(), Math.max(0, this.end - now()));
    });
  }

  giveUp() {
    const maybeApplied = this.maybeApplied || this.underWay;
    const code = maybeApplied ? 'TIMEOUT' : 'SERVICE_UNAVAILABLE';
    this.fail(new Unsettled(code, 'no answer by the deadline', { maybeApplied, again: false }));
  }

  /** Tell the caller, if it still waits. */
  settle(reply) {
    if (this.close()) this.resolve(reply);
  }

  /** Let the caller's attempt fail, if it still waits. */
  fail(error) {
    if (this.close()) this.reject(error);
  }

  close() {
    const { isOpen } = this;
    this.isOpen = false;
    clearTimeout(this.timer);
    return isOpen;
  }
}

/** Sends updates, several in one call where that comes about. */
class Coalescer {
  /** `keeps`: what is not settled is kept, so that later ones of its order go behind it. */
  constructor(calls, keeps) {
    this.calls = calls;
    this.keeps = keeps;
    this.collected = [];
    /** By order: updates that go alone, the first at present, the others behind it. */
    this.lines = new Map();
    this.underWay = new Set();
    this.aloneUntil = 0;
  }

  /** Send until the service settles it or `end` is there; throws `Unsettled`. */
  async send(update, end) {
    const waiting = new Waiting(update, end);
    let settled = false;
    try {
      const reply = await this.calls.call(waiting.request, end, () => this.attempt(waiting));
      settled = true;
      return reply;
    } finally {
      this.leave(waiting, settled);
    }
  }

  /** Send at once what is collected, and wait for the batches that are under way. */
  async close() {
    this.flush();
    await Promise.all(this.underWay);
  }

  async attempt(waiting) {
    try {
      for (;;) {
        const reply = await this.answer(waiting);
        if (reply !== null) return reply;
        try {
          return await this.calls.once(waiting.request, waiting.end);
        } catch (error) {
          if (!(error instanceof Unsettled)) throw error;
          waiting.maybeApplied ||= error.maybeApplied;
          if (this.standInLine(waiting)) throw error;
        }
      }
    } catch (error) {
      if (error instanceof Unsettled) error.maybeApplied ||= waiting.maybeApplied;
      throw error;
    }
  }

  /** Wait for what a batch makes of an update, or for its turn to be sent alone. */
  async answer(waiting) {
    if (!this.lines.has(waiting.update.order)) {
      const answer = waiting.answer();
      this.collect(waiting);
      return answer;
    }
    return this.standInLine(waiting) ? null : waiting.answer();
  }

  // -- the batch --------------------------------------------------------------------------------

  collect(waiting) {
    if (!this.collected.length) setImmediate(() => this.flush());
    this.collected.push(waiting);
    if (this.collected.length === MOST) this.flush();
  }

  flush() {
    let left = this.collected.filter(({ isOpen }) => isOpen);
    this.collected = [];
    if (left.length === 1) {
      left[0].settle(null);
      return;
    }
    if (now() < this.aloneUntil) {
      this.part(left);
      return;
    }
    while (left.length) {
      const { length } = head(updatesOf(left), MOST);
      const sending = this.sendTogether(left.slice(0, length));
      this.underWay.add(sending);
      sending.finally(() => this.underWay.delete(sending));
      left = left.slice(length);
    }
  }

  async sendTogether(sent) {
    const request = { ...batchRequest(updatesOf(sent)), headers: { Prefer: `wait=${LONGEST_S}` } };
    for (const each of sent) each.underWay = true;
    let reply;
    let results = null;
    try {
      reply = await this.calls.once(request, Math.max(...sent.map(({ end }) => end)));
      if (isOk(reply.status)) results = resultsOf(reply, sent.length);
    } catch (error) {
      const told = error instanceof Unsettled ? error : brokenOff(error);
      for (const each of sent) this.open(each, told);
      return;
    }
    for (const each of sent) each.underWay = false;
    if (results !== null) {
      for (const [index, each] of sent.entries()) this.take(each, results[index]);
    } else if (REFUSED.has(reply.status)) {
      this.aloneUntil = now() + ALONE_MS;
      this.part(sent);
    } else {
      for (const each of sent) each.settle(reply);
    }
  }

  /** Read an item's result as the answer that the update alone would have got. */
  take(waiting, { index, code, message, ...rest }) {
    const { success, status, retryAfter, data } = rest;
    try {
      if (success === true) {
        const body = { code, message, success, data: rest };
        waiting.settle(read({ status: 200, body, retryAfterMs: null }));
      } else if (typeof status === 'number') {
        const retryAfterMs = typeof retryAfter === 'number' ? retryAfter * 1000 : null;
        waiting.settle(read({ status, body: { code, message, success, data }, retryAfterMs }));
      } else {
        // A service of before says too little of it: an attempt of its own says all.
        waiting.maybeApplied ||= IN_DOUBT.has(code);
        this.part([waiting]);
      }
    } catch (error) {
      this.open(waiting, error);
    }
  }

  // -- the lines --------------------------------------------------------------------------------

  /** Note that a batch did not settle an update; its next attempt is one of its own. */
  open(waiting, error) {
    waiting.underWay = false;
    waiting.maybeApplied ||= error.maybeApplied;
    if (waiting.isOpen && this.standInLine(waiting)) waiting.fail(copyOf(error));
  }

  /** Have updates sent alone now, those of one order one after the other. */
  part(sent) {
    for (const each of sent) if (each.isOpen && this.standInLine(each)) each.settle(null);
  }

  /** Put an update behind those of its order that go alone; tell whether it is the first. */
  standInLine(waiting) {
    const { order } = waiting.update;
    const line = this.lines.get(order) ?? [];
    this.lines.set(order, line);
    if (!line.includes(waiting)) line.push(waiting);
    return line[0] === waiting;
  }

  /** Take an update out of its line; see to those behind it, where it was the first. */
  leave(waiting, settled) {
    const { order } = waiting.update;
    const line = this.lines.get(order) ?? [];
    const place = line.indexOf(waiting);
    if (place < 0) return;
    line.splice(place, 1);
    if (!line.length) {
      this.lines.delete(order);
    } else if (place > 0) {
      return;
    } else if (settled && now() >= this.aloneUntil) {
      this.lines.delete(order);
      for (const each of line) this.collect(each);
    } else if (!settled && this.keeps) {
      this.lines.delete(order);
      const reason = 'an earlier update of its order is kept';
      for (const each of line) {
        each.fail(new Unsettled('SERVICE_UNAVAILABLE', reason, { again: false }));
      }
    } else {
      line[0].settle(null);
    }
  }
}

const updatesOf = (waiting) => waiting.map(({ update }) => update);

/** Give each update an error of its own: what is in doubt is noted in it. */
function copyOf(error) {
  const { code, message, maybeApplied, retryAfterMs, again } = error;
  return new Unsettled(code, message, { maybeApplied, retryAfterMs, again });
}

const brokenOff = (error) => new Unsettled('TIMEOUT', error.message, { maybeApplied: true });

module.exports = { Coalescer };
