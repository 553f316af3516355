/** Server-sent events, read with fetch: the browser's own reader can show no token. */

const LEAST_MS = 1_000;
const MOST_MS = 15_000;

/**
 * Read what is whole of a text of server-sent events.
 * @param {string} text
 * @returns {{events: {id: string, event: string, data: string}[], rest: string}}
 */
export function parseEvents(text) {
  const blocks = text.replace(/\r\n?/g, '\n').split('\n\n');
  const rest = blocks.pop() ?? '';
  const events = blocks.map(parseBlock).filter((each) => each.data !== '');
  return { events, rest };
}

function parseBlock(block) {
  const found = { id: '', event: 'message', data: '' };
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') found.data += (found.data && '\n') + value;
    else if (name === 'id' || name === 'event') found[name] = value;
  }
  return found;
}

/** Follows the events, and comes back by itself where it left off. */
export class Stream {
  /**
   * @param {import('./api.js').Api} api
   * @param {string} path
   * @param {{onEvents: (events: object[]) => void, changed: () => void}} told
   */
  constructor(api, path, { onEvents, changed }) {
    this.api = api;
    this.path = path;
    this.onEvents = onEvents;
    this.changed = changed;
    this.open = false;
    this.lastId = '';
    this.waitMs = LEAST_MS;
    this.reading = null;
  }

  /** Follow, from where it left off. */
  start() {
    if (this.reading) return;
    this.reading = new AbortController();
    void this.#follow(this.reading);
  }

  /** Follow no more, until it is started again. */
  stop() {
    this.reading?.abort();
    this.reading = null;
    clearTimeout(this.timer);
    this.#turn(false);
  }

  async #follow(reading) {
    try {
      const headers = this.lastId ? { 'Last-Event-ID': this.lastId } : {};
      const response = await this.api.fetch(this.path, {
        method: 'GET',
        headers,
        signal: reading.signal,
      });
      if (!response.ok) throw new Error(`answered ${response.status}`);
      this.#turn(true);
      this.waitMs = LEAST_MS;
      await this.#read(response.body.pipeThrough(new TextDecoderStream()).getReader());
    } catch {
      this.waitMs = Math.min(this.waitMs * 2, MOST_MS);
    }
    if (reading !== this.reading) return;
    this.#turn(false);
    this.timer = setTimeout(() => this.#follow(reading), this.waitMs);
  }

  async #read(reader) {
    let rest = '';
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const found = parseEvents(rest + value);
      rest = found.rest;
      this.lastId = found.events.findLast((each) => each.id)?.id ?? this.lastId;
      if (found.events.length) this.onEvents(found.events);
    }
  }

  #turn(open) {
    if (open === this.open) return;
    this.open = open;
    this.changed();
  }
}
