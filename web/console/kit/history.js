/** The last hour for graphs: asked for once in full, and then only what is new. */

const ALL = 'api/history?minutes=60';
const LATEST = 'api/history?minutes=2';
const HOUR_MS = 3_600_000;

/**
 * Add new rows to what is known; null where they do not follow on it and all has to be asked for.
 * @param {object | null} known columns of equal length, with the node that keeps them
 * @param {object} fresh the same, of the last minutes
 */
export function merged(known, fresh) {
  if (known === null) return fresh;
  const last = known.at.at(-1);
  if (fresh.node !== known.node || last === undefined || !(fresh.at[0] <= last)) return null;
  const first = fresh.at.findIndex((at) => at > last);
  const news = first < 0 ? fresh.at.length : first;
  const oldest = Date.parse(fresh.at.at(-1)) - HOUR_MS;
  const from = known.at.findIndex((at) => Date.parse(at) >= oldest);
  return Object.fromEntries(
    Object.entries(fresh).map(([name, column]) => [
      name,
      Array.isArray(column) ? [...known[name].slice(from), ...column.slice(news)] : column,
    ]),
  );
}

/** The last hour, kept up to date. */
export class Hour {
  /** @param {object} app */
  constructor(app) {
    this.poll = app.poll(ALL, 5000);
    this.taken = null;
    this.known = null;
  }

  /** The columns as they are known now, or null. */
  get data() {
    const fresh = this.poll.data;
    if (fresh === this.taken) return this.known;
    this.taken = fresh;
    const whole = merged(this.poll.shown === ALL ? null : this.known, fresh);
    this.poll.path = whole ? LATEST : ALL;
    if (whole) this.known = whole;
    else this.poll.now();
    return this.known;
  }
}
