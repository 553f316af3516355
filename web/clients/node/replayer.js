'use strict';

/** The replayer: sends what waits in the outbox, in order, with its keys. */

const fs = require('node:fs/promises');
const path = require('node:path');

const { Unsettled, isOk, now } = require('./calls');
const { OF_THE_CALL, batchRequest, head, isUnsettled, resultsOf } = require('./updates');

/** How often the service may fail on an update (500) before it is a dead letter. */
const TRIES = 5;
const LIMIT_MS = 30000;
const WAIT_FIRST_MS = 200;
const WAIT_LONGEST_MS = 5000;

class Replayer {
  constructor(outbox, calls, lock, options) {
    this.outbox = outbox;
    this.calls = calls;
    this.lock = lock;
    this.options = options;
    this.size = options.replayBatch;
    /** Orders whose first entry was put off, and until when. */
    this.blocked = new Map();
    this.tries = new Map();
    this.failures = 0;
    this.stopped = false;
    this.wake = () => {};
  }

  start() {
    this.outbox.onFilled = () => {
      // After a failure new entries are no reason to try at once.
      if (!this.failures && !this.blocked.size) this.wake();
    };
    this.running = this.run();
  }

  async stop() {
    this.stopped = true;
    this.wake();
    await this.running;
  }

  async run() {
    while (!this.stopped) {
      let wait = this.options.replayPollMs;
      try {
        await this.outbox.refresh();
        if (await this.lock.acquire()) wait = await this.replay();
      } catch (error) {
        this.options.logger.error(`plan-server outbox: replaying failed: ${error.message}`);
      }
      await this.lock.release().catch(() => {});
      if (!this.stopped) await this.pause(wait);
    }
  }

  pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      // A process that has nothing else to do may end; what waits goes out with the next one.
      timer.unref();
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Send until nothing is left or the service is away; gives how long to wait then. */
  async replay() {
    await this.tell();
    while (!this.stopped) {
      await this.outbox.refresh();
      for (const [order, end] of this.blocked) if (end <= now()) this.blocked.delete(order);
      const entries = head(this.outbox.first(this.size, this.blocked), this.size);
      if (!entries.length) {
        await this.outbox.compact();
        const left = [...this.blocked.values()].map((end) => end - now());
        return Math.max(0, Math.min(this.options.replayPollMs, ...left));
      }
      try {
        await this.send(entries);
        this.failures = 0;
      } catch (error) {
        if (!(error instanceof Unsettled)) throw error;
        const wait = this.backOff(error);
        if (!this.putOff(entries, error, now() + wait)) return wait;
      }
    }
    return 0;
  }

  backOff(error) {
    // It may have been too much for the time there is.
    if (error.maybeApplied) this.size = Math.max(1, Math.floor(this.size / 2));
    this.failures += 1;
    let wait = Math.min(WAIT_LONGEST_MS, WAIT_FIRST_MS * 2 ** Math.min(this.failures, 10));
    if (error.retryAfterMs !== null) {
      wait = Math.max(WAIT_FIRST_MS, Math.min(error.retryAfterMs, WAIT_LONGEST_MS));
    }
    return wait * (0.75 + Math.random() / 2);
  }

  /** Let one order that the service puts off wait alone; tell whether that was it. */
  putOff(entries, error, until) {
    const orders = new Set(entries.map((each) => each.order));
    // With Retry-After the service itself said so; it may be about this order only.
    if (error.retryAfterMs === null || orders.size > 1) return false;
    this.blocked.set(entries[0].order, until);
    return true;
  }

  /** Send one batch and note what became of each; throws `Unsettled` for none of them. */
  async send(entries) {
    const reply = await this.calls.once(batchRequest(entries), now() + LIMIT_MS);
    if (isOk(reply.status)) {
      await this.settle(entries, resultsOf(reply, entries.length));
      this.size = Math.min(this.options.replayBatch, 2 * this.size);
      return;
    }
    if (!OF_THE_CALL.has(reply.code)) {
      throw new Unsettled(reply.code, `status ${reply.status}: ${reply.body.message}`);
    }
    // One update in it spoils the call: find it.
    if (entries.length > 1) {
      this.size = Math.floor(entries.length / 2);
    } else {
      this.size = this.options.replayBatch;
      await this.bury(entries[0], reply.code, String(reply.body.message));
      await this.outbox.settle(entries);
      await this.tell();
    }
  }

  async settle(entries, results) {
    const gone = [];
    let dead = false;
    for (const [index, entry] of entries.entries()) {
      const result = results[index];
      const name = `${entry.number} ${entry.place}`;
      const tries = this.tries.get(name) ?? 0;
      if (result.success === true) {
        gone.push(entry);
      } else if (isUnsettled(result)) {
        this.blocked.set(entry.order, now() + WAIT_FIRST_MS);
        continue;
      } else if (result.code === 'SYSTEM_ERROR' && tries + 1 < TRIES) {
        this.tries.set(name, tries + 1);
        this.blocked.set(entry.order, now() + WAIT_FIRST_MS * 2 ** tries);
        continue;
      } else {
        await this.bury(entry, String(result.code), String(result.message ?? ''));
        dead = true;
        gone.push(entry);
      }
      this.tries.delete(name);
    }
    if (gone.length) await this.outbox.settle(gone);
    if (dead) await this.tell();
  }

  // -- dead letters -----------------------------------------------------------------------------

  /** Keep a refused update for people, on the disk before it leaves the outbox. */
  async bury(entry, code, reason) {
    const { number, place, order, key, text, at } = entry;
    const id = `${number}.${place}`;
    // A kill may have come between this and the entry's end.
    if ((await this.read('dead-letters.jsonl')).some((each) => each.id === id)) return;
    const letter = {
      id,
      workOrderId: order,
      requestId: key,
      item: text,
      code,
      reason,
      queuedAt: at,
      diedAt: Date.now(),
    };
    const file = await fs.open(this.file('dead-letters.jsonl'), 'a', 0o600);
    try {
      await file.write(`\n${JSON.stringify(letter)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await this.outbox.syncFolder();
  }

  /** Give the dead letters, oldest first. */
  async letters() {
    const forgotten = new Set(await this.read('dead-letters.forgotten'));
    return (await this.read('dead-letters.jsonl')).filter(({ id }) => !forgotten.has(id));
  }

  /** Show a dead letter no more. */
  forget({ id }) {
    return fs.appendFile(this.file('dead-letters.forgotten'), `\n${JSON.stringify(id)}\n`);
  }

  /** Tell of dead letters, at least once each; a callback that fails is asked again later. */
  async tell() {
    const { onDeadLetter } = this.options;
    if (onDeadLetter === undefined) return;
    const told = new Set(await this.read('dead-letters.told'));
    for (const letter of await this.letters()) {
      if (told.has(letter.id)) continue;
      try {
        await onDeadLetter(letter);
      } catch (error) {
        this.options.logger.error(`plan-server outbox: onDeadLetter failed: ${error.message}`);
        return;
      }
      await fs.appendFile(this.file('dead-letters.told'), `\n${JSON.stringify(letter.id)}\n`);
    }
  }

  async read(name) {
    return parsedLines(await textOf(this.file(name)));
  }

  file(name) {
    return path.join(this.outbox.folder, name);
  }
}

async function textOf(file) {
  try {
    return await fs.readFile(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return '';
    throw error;
  }
}

/** Read what is whole; a kill may have left half a line. */
function parsedLines(text) {
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line)];
    } catch {
      return [];
    }
  });
}

module.exports = { Replayer };
