/** Ask again and again: one call at a time, none while nobody looks, fewer while nothing answers. */

const MOST_MS = 10_000;

/** One thing that is asked for repeatedly; `data` is the last answer, `failure` the last trouble. */
export class Poll {
  /**
   * @param {(path: string, signal: AbortSignal) => Promise<unknown>} ask
   * @param {string} path
   * @param {number} everyMs from one answer to the next call
   * @param {() => void} changed told of each answer and each failure
   * @param {() => boolean} [hidden] whether nobody looks
   */
  constructor(ask, path, everyMs, changed, hidden = () => document.hidden) {
    this.ask = ask;
    this.path = path;
    this.everyMs = everyMs;
    this.changed = changed;
    this.hidden = hidden;
    /** @type {any} */
    this.data = null;
    this.at = null;
    /** The path that `data` is of. */
    this.shown = null;
    this.failure = null;
    this.waitMs = everyMs;
    this.timer = null;
    this.calling = null;
    this.ended = false;
    this.now();
  }

  /** Ask at once, unless a call is under way: then again right after it. */
  now() {
    if (this.calling) this.again = true;
    else void this.#call();
  }

  /** Ask for something else from now on; what is known is of no use any more. */
  turnTo(path) {
    if (path === this.path) return;
    this.path = path;
    this.failure = null;
    this.calling?.abort();
    this.calling = null;
    void this.#call();
  }

  /** Ask no more. */
  stop() {
    this.ended = true;
    clearTimeout(this.timer);
    this.calling?.abort();
  }

  async #call() {
    clearTimeout(this.timer);
    if (this.ended || this.hidden()) return;
    const calling = new AbortController();
    this.calling = calling;
    const { path } = this;
    this.again = false;
    try {
      const data = await this.ask(path, calling.signal);
      if (calling !== this.calling) return;
      Object.assign(this, {
        data,
        shown: path,
        at: Date.now(),
        failure: null,
        waitMs: this.everyMs,
      });
    } catch (failure) {
      if (calling !== this.calling || calling.signal.aborted) return;
      this.failure = failure;
      this.waitMs = Math.min(Math.max(this.waitMs * 1.5, 1000), MOST_MS);
    }
    this.calling = null;
    if (this.ended) return;
    this.changed();
    this.timer = setTimeout(() => this.#call(), this.again ? 0 : this.waitMs);
  }
}
