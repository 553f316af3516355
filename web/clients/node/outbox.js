'use strict';

/**
 * The outbox: a folder of append-only files, shared by the processes of one host.
 *
 * `<number>.log` holds updates, one a line with a checksum; `<number>.done` the places in it of
 * those that are settled. All append to the log with the highest number. A log is sealed by
 * making the next one: who has appended looks afterwards whether that has happened, and if so
 * appends to the next one, too, before answering. So once a log is sealed and read to its end,
 * nothing in it is still to come that anybody was told of, and it may go when all is settled.
 */

const { createHash } = require('node:crypto');
const { O_APPEND, O_WRONLY } = require('node:fs').constants;
const fs = require('node:fs/promises');
const path = require('node:path');

const CHUNK = 1024 * 1024;
/** A log of this size is sealed even while something in it waits. */
const SEAL_BYTES = 4 * 1024 * 1024;
const LOG = /^(\d{8})\.log$/;

class OutboxError extends Error {
  constructor(code, reason) {
    super(reason);
    this.code = code;
  }
}

class Outbox {
  constructor(folder, { maxEntries, maxBytes }) {
    this.folder = folder;
    this.maxEntries = maxEntries;
    this.maxBytes = maxBytes;
    this.logs = new Map();
    /** How many entries of each order wait. */
    this.byOrder = new Map();
    /** Content and number of the entries of each order and key that wait. */
    this.byKey = new Map();
    this.entries = 0;
    this.bytes = 0;
    /** The log that is appended to. */
    this.out = null;
    this.queue = [];
    this.flushing = null;
    this.running = null;
    this.next = null;
    /** The next look at what waits, which all who ask by then share. */
    this.look = null;
    this.isOpen = false;
    this.onFilled = () => {};
  }

  /** Open the folder, and make it where it is missing; throws `OutboxError`. */
  async open() {
    try {
      await fs.mkdir(this.folder, { recursive: true, mode: 0o700 });
      this.isOpen = true;
      if (!(await this.numbers()).length) await this.create(1);
      await this.refresh();
    } catch (error) {
      await this.close();
      throw new OutboxError(
        'OUTBOX_FAILED',
        `the outbox ${this.folder} can't be used: ${error.message}`,
      );
    }
  }

  /** Close all files, after what is under way. */
  async close() {
    this.isOpen = false;
    await this.flushing;
    await this.next?.catch(() => {});
    await this.running?.catch(() => {});
    await this.out?.handle.close();
    this.out = null;
    for (const log of this.logs.values()) await forget(log);
    this.logs.clear();
    this.byOrder.clear();
    this.byKey.clear();
    this.entries = 0;
    this.bytes = 0;
  }

  /**
   * Give the orders of which updates wait, of whichever process. Those who ask in one turn of the
   * loop share one look.
   */
  waiting() {
    this.look ??= new Promise((resolve) => setImmediate(resolve)).then(async () => {
      this.look = null;
      await this.refresh();
      return this.byOrder;
    });
    return this.look;
  }

  /** Keep an update; gives the number that waits once it is on the disk. Throws `OutboxError`. */
  put(update) {
    return new Promise((resolve, reject) => {
      this.queue.push({ update, resolve, reject });
      this.flushing ??= this.flush();
    });
  }

  /** Write, with one sync, all that came while the last sync was under way. */
  async flush() {
    while (this.queue.length) await this.write(this.queue.splice(0, 1000));
    // In the same turn as the look at the queue: who comes later must find nobody at work.
    this.flushing = null;
  }

  async write(batch) {
    try {
      await this.refresh();
      const fresh = this.admit(batch);
      if (fresh.length) await this.append(fresh.map(({ update }) => update));
      await this.refresh();
      for (const { resolve, refused } of batch) if (!refused) resolve(this.entries);
      this.onFilled();
    } catch (error) {
      const failed = new OutboxError('OUTBOX_FAILED', `the outbox can't be used: ${error.message}`);
      for (const { reject } of batch) reject(failed);
    }
  }

  /** Turn away what finds no room, or a key with another content; give what is new. */
  admit(batch) {
    const fresh = [];
    const texts = new Map();
    let { bytes } = this;
    for (const each of batch) {
      const { update } = each;
      const name = nameOf(update);
      const there = texts.get(name) ?? this.byKey.get(name)?.text;
      const size = Buffer.byteLength(update.text);
      if (there !== undefined) {
        if (there !== update.text) refuse(each, 'REQUEST_ID_CONFLICT', 'the key waits already');
      } else if (this.entries + fresh.length >= this.maxEntries || bytes + size > this.maxBytes) {
        refuse(each, 'OUTBOX_FULL', `${this.entries} updates of ${this.bytes} bytes wait`);
      } else {
        texts.set(name, update.text);
        bytes += size;
        fresh.push(each);
      }
    }
    return fresh;
  }

  async append(updates) {
    const at = Date.now();
    const lines = updates.map(({ order, key, text }) => line({ order, key, text, at }));
    const data = Buffer.from(lines.join(''));
    for (;;) {
      const number = Math.max(...(await this.numbers()));
      if (this.out?.number !== number && !(await this.turnTo(number))) continue;
      const { handle } = this.out;
      const { bytesWritten } = await handle.write(data);
      if (bytesWritten !== data.length) throw new Error('the disk took a part only');
      await handle.datasync();
      // In this order: a next log that is gone again has taken this one with it before.
      const sealed = await exists(this.file(number + 1, 'log'));
      if (!sealed && (await handle.stat()).nlink > 0) return;
    }
  }

  async turnTo(number) {
    await this.out?.handle.close();
    this.out = null;
    // Not made where it is missing: it would be empty, and behind its successor.
    const handle = await openOr(this.file(number, 'log'), O_WRONLY | O_APPEND, null);
    if (handle === null) return false;
    this.out = { number, handle };
    await this.syncFolder();
    return true;
  }

  // -- what the replayer does, under the lock ---------------------------------------------------

  /** Give the entries that have waited longest, leaving out those of some orders. */
  first(count, without) {
    const found = [];
    for (const [, log] of [...this.logs].sort(([a], [b]) => a - b)) {
      for (const entry of log.waiting.values()) {
        if (found.length >= count) return found;
        if (!without.has(entry.order)) found.push(entry);
      }
    }
    return found;
  }

  /** Note that entries are settled, and remove the logs that are of no more use. */
  async settle(entries) {
    const byLog = new Map();
    for (const { number, place } of entries) {
      byLog.set(number, [...(byLog.get(number) ?? []), place]);
    }
    // Not synced: what is forgotten is sent once more with its key, and changes nothing.
    for (const [number, places] of byLog) {
      await fs.appendFile(
        this.file(number, 'done'),
        `\n${places.map((place) => `p${place};\n`).join('')}`,
      );
    }
    await this.refresh();
  }

  /** Seal the log where it is empty or long, and remove those before it that are settled. */
  async compact() {
    const highest = Math.max(...this.logs.keys());
    const log = this.logs.get(highest);
    if (log.offset > SEAL_BYTES || (log.offset > 0 && !log.waiting.size)) {
      await this.create(highest + 1);
      await this.refresh();
    }
    for (const number of [...this.logs.keys()].sort((a, b) => a - b)) {
      if (number === Math.max(...this.logs.keys()) || this.logs.get(number).waiting.size) break;
      // First the log: without it the other file means nothing.
      await fs.rm(this.file(number, 'log'), { force: true });
      await fs.rm(this.file(number, 'done'), { force: true });
      await this.refresh();
    }
  }

  // -- reading ----------------------------------------------------------------------------------

  /** Read what has been added; a call sees all that was there when it began. */
  refresh() {
    if (!this.isOpen)
      return Promise.reject(new OutboxError('OUTBOX_FAILED', 'the outbox is not open'));
    if (this.running === null && this.next === null) return this.begin();
    this.next ??= this.running
      .catch(() => {})
      .then(() => {
        this.next = null;
        return this.begin();
      });
    return this.next;
  }

  begin() {
    this.running = this.read().finally(() => {
      this.running = null;
    });
    return this.running;
  }

  async read() {
    const numbers = await this.numbers();
    for (const [number, log] of this.logs) {
      if (!numbers.includes(number)) {
        for (const entry of [...log.waiting.values()]) this.remove(log, entry);
        this.logs.delete(number);
        await forget(log);
      }
    }
    for (const number of numbers) {
      const log = await this.log(number);
      if (log === null) continue;
      log.offset = await lines(log.handle, log.offset, (text, place) => this.add(log, text, place));
      log.done ??= await openOr(this.file(number, 'done'), 'r', null);
      if (log.done === null) continue;
      log.doneOffset = await lines(log.done, log.doneOffset, (text) => {
        // Half of a place would be another place.
        const place = Number(/^p(\d+);$/.exec(text)?.[1] ?? -1);
        log.settled.add(place);
        const entry = log.waiting.get(place);
        if (entry !== undefined) this.remove(log, entry);
      });
    }
  }

  add(log, text, place) {
    const body = text.slice(17);
    // What a kill or a full disk left half written; nobody was told that it is kept.
    if (text.slice(0, 16) !== checksum(body) || log.settled.has(place)) return;
    const entry = { ...JSON.parse(body), number: log.number, place };
    // One that was written twice, as its log was sealed meanwhile, is here twice, and sent twice.
    log.waiting.set(place, entry);
    this.byOrder.set(entry.order, (this.byOrder.get(entry.order) ?? 0) + 1);
    const { count = 0 } = this.byKey.get(nameOf(entry)) ?? {};
    this.byKey.set(nameOf(entry), { text: entry.text, count: count + 1 });
    this.entries += 1;
    this.bytes += Buffer.byteLength(entry.text);
  }

  remove(log, entry) {
    log.waiting.delete(entry.place);
    const left = this.byOrder.get(entry.order) - 1;
    if (left) this.byOrder.set(entry.order, left);
    else this.byOrder.delete(entry.order);
    const same = this.byKey.get(nameOf(entry));
    same.count -= 1;
    if (!same.count) this.byKey.delete(nameOf(entry));
    this.entries -= 1;
    this.bytes -= Buffer.byteLength(entry.text);
  }

  async log(number) {
    let log = this.logs.get(number);
    if (log === undefined) {
      const handle = await openOr(this.file(number, 'log'), 'r', null);
      if (handle === null) return null;
      log = { number, handle, offset: 0, done: null, doneOffset: 0 };
      log.waiting = new Map();
      log.settled = new Set();
      this.logs.set(number, log);
    }
    return log;
  }

  async create(number) {
    const handle = await fs.open(this.file(number, 'log'), 'a', 0o600);
    await handle.close();
    await this.syncFolder();
  }

  async syncFolder() {
    const folder = await fs.open(this.folder, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  async numbers() {
    const names = await fs.readdir(this.folder);
    const found = names.map((each) => LOG.exec(each)).filter(Boolean);
    return found.map((each) => Number(each[1])).sort((a, b) => a - b);
  }

  file(number, kind) {
    return path.join(this.folder, `${String(number).padStart(8, '0')}.${kind}`);
  }
}

const nameOf = ({ order, key }) => `${order} ${key}`;

function refuse(each, code, reason) {
  each.refused = true;
  each.reject(new OutboxError(code, reason));
}

const checksum = (text) => createHash('sha256').update(text).digest('hex').slice(0, 16);

/** Begin with the end of a line: what a kill left half written must not spoil this one. */
function line(entry) {
  const body = JSON.stringify(entry);
  return `\n${checksum(body)} ${body}\n`;
}

/** Read whole lines from `offset` on; gives the place behind the last one. */
async function lines(handle, offset, take) {
  if ((await handle.stat()).size <= offset) return offset;
  let rest = Buffer.alloc(0);
  let place = offset;
  for (;;) {
    const chunk = Buffer.alloc(CHUNK);
    const { bytesRead } = await handle.read(chunk, 0, CHUNK, place + rest.length);
    rest = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      if (end > 0) take(rest.toString('utf8', 0, end), place);
      rest = rest.subarray(end + 1);
      place += end + 1;
    }
    if (bytesRead < CHUNK) return place;
  }
}

async function openOr(file, flags, missing) {
  try {
    return await fs.open(file, flags);
  } catch (error) {
    if (error.code === 'ENOENT') return missing;
    throw error;
  }
}

async function exists(file) {
  return fs.access(file).then(
    () => true,
    () => false,
  );
}

async function forget(log) {
  await log.handle.close();
  await log.done?.close();
}

module.exports = { Outbox, OutboxError };
