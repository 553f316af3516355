/** Calls of the service: language and token go along, and whether it answers is kept. */

const READ_MS = 12_000;
const WRITE_MS = 32_000;
const TOKEN = 'work-order-console-token';
const VISIBLE = /^[!-~]+$/;

/** A call that failed. `lost` means that no answer of the service came. */
export class Failure extends Error {
  /** @param {{message: string, code?: string, status?: number, lost?: boolean}} what */
  constructor({ message, code = '', status = 0, lost = false }) {
    super(message);
    Object.assign(this, { code, status, lost });
  }
}

/** The service that this page came from. */
export class Api {
  /**
   * @param {URL} root the address under which all paths are
   * @param {{language: () => string, changed: () => void, storage?: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>}} about
   */
  constructor(root, { language, changed, storage = sessionStorage }) {
    this.root = root;
    this.language = language;
    this.changed = changed;
    this.storage = storage;
    /** When it answered last (ms), and since when it does not. */
    this.heardAt = null;
    this.lostAt = null;
    /** Whether it lets nobody in with the token that is known, or with none. */
    this.needsToken = false;
  }

  /** The token that calls show; kept until the tab is closed. */
  get token() {
    return this.storage.getItem(TOKEN) ?? '';
  }

  set token(text) {
    if (text) this.storage.setItem(TOKEN, text);
    else this.storage.removeItem(TOKEN);
  }

  /** Read; gives the reply's data, or throws a `Failure`. */
  get(path, signal) {
    return this.call('GET', path, undefined, signal);
  }

  /** Call; gives the data of a reply, or all of it with `whole`. */
  async call(method, path, body, signal, whole = false) {
    const limit = within(method === 'GET' ? READ_MS : WRITE_MS, signal);
    try {
      const response = await this.fetch(path, {
        method,
        body: body === undefined ? undefined : JSON.stringify(body),
        headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
        signal: limit.signal,
      });
      const reply = await this.#read(response, signal);
      if (!response.ok) throw this.#refused(response, reply);
      return whole ? reply : reply.data;
    } finally {
      limit.done();
    }
  }

  /** Save what a path gives as a file, once all of it is there; throws a `Failure`. */
  async save(path, name) {
    const response = await this.fetch(path, {});
    if (!response.ok) throw this.#refused(response, await this.#read(response));
    let whole;
    try {
      whole = await response.blob();
    } catch {
      // It was cut off, which says that it is not whole.
      throw new Failure({ message: '', code: 'NO_ANSWER', lost: true });
    }
    const link = document.createElement('a');
    link.href = URL.createObjectURL(whole);
    link.download = name;
    link.click();
    // Soon enough to free it, and when the browser has taken it.
    setTimeout(() => URL.revokeObjectURL(link.href), READ_MS);
  }

  /** Fetch with language and token; throws a `Failure` when nothing answers. */
  async fetch(path, options) {
    const headers = {
      'Accept-Language': this.language() === 'zh' ? 'zh-CN' : 'en',
      ...options.headers,
    };
    // What no header can carry is no token of the service either.
    if (VISIBLE.test(this.token)) headers.Authorization = `Bearer ${this.token}`;
    try {
      return await fetch(new URL(path, this.root), { ...options, headers, cache: 'no-store' });
    } catch (error) {
      throw this.#lost(error, options.signal);
    }
  }

  async #read(response, signal) {
    try {
      const reply = await response.json();
      if (typeof reply?.success !== 'boolean') throw new TypeError('not a reply of the service');
      this.#heard();
      return reply;
    } catch (error) {
      throw this.#lost(error, signal, response.status);
    }
  }

  #refused(response, reply) {
    if (response.status === 401 && !this.needsToken) {
      this.needsToken = true;
      this.changed();
    }
    return new Failure({ message: reply.message, code: reply.code, status: response.status });
  }

  #heard() {
    this.heardAt = Date.now();
    if (this.lostAt === null) return;
    this.lostAt = null;
    this.changed();
  }

  #lost(error, signal, status = 0) {
    // Whoever asked does not want it any more: that says nothing of the service.
    if (signal?.aborted && signal.reason?.name === 'AbortError') return error;
    if (this.lostAt === null) {
      this.lostAt = Date.now();
      this.changed();
    }
    return new Failure({ message: '', code: 'NO_ANSWER', status, lost: true });
  }
}

/** Give a signal that ends after a while, or with `signal`; older browsers can't join two. */
function within(ms, signal) {
  const limit = new AbortController();
  const end = () => limit.abort(signal.reason);
  const timer = setTimeout(() => limit.abort(new DOMException('no answer', 'TimeoutError')), ms);
  signal?.addEventListener('abort', end);
  const done = () => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', end);
  };
  return { signal: limit.signal, done };
}
