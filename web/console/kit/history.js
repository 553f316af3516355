/** The past for graphs: the last hour asked for once in full, and then only what is new. */

const ALL = 'api/history?range=1h';
const LATEST = 'api/history?range=5m';
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const EVERY_MS = 5000;

/** How far back graphs can go, in ms; more than an hour is asked for each minute. */
export const RANGES = {
  '5m': 5 * MINUTE_MS,
  '15m': 15 * MINUTE_MS,
  '1h': HOUR_MS,
  '24h': DAY_MS,
  '7d': 7 * DAY_MS,
};

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
  const columns = Object.entries(fresh).map(([name, column]) => [
    name,
    Array.isArray(column) ? [...known[name].slice(from), ...column.slice(news)] : column,
  ]);
  return { ...Object.fromEntries(columns), ...allMarks(known, fresh) };
}

/** Put the marks of both together, each once. */
function allMarks({ marks: known }, { marks: fresh }) {
  if (!known) return {};
  const lastKnown = known.at(-1)?.at ?? '';
  return { marks: [...known, ...fresh.filter((mark) => mark.at > lastKnown)] };
}

/** The past within a range, kept up to date. */
export class Past {
  /** @param {object} app */
  constructor(app) {
    this.range = '1h';
    this.poll = app.poll(ALL, EVERY_MS);
    this.taken = null;
    this.known = null;
  }

  /** How far back it goes, in ms. */
  get spanMs() {
    return RANGES[this.range];
  }

  /** Go as far back as `range` says from now on. */
  turnTo(range) {
    this.range = range;
    this.known = null;
    this.taken = this.poll.data;
    const long = this.spanMs > HOUR_MS;
    this.poll.everyMs = long ? MINUTE_MS : EVERY_MS;
    this.poll.turnTo(long ? `api/history?range=${range}` : ALL);
    if (!long && this.poll.path === ALL) this.poll.now();
  }

  /** The columns as they are known now, or null. */
  get data() {
    const fresh = this.poll.data;
    if (fresh === this.taken) return this.known;
    this.taken = fresh;
    if (this.spanMs > HOUR_MS) {
      this.known = fresh;
      return fresh;
    }
    const whole = merged(this.poll.shown === ALL ? null : this.known, fresh);
    this.poll.path = whole ? LATEST : ALL;
    if (whole) this.known = whole;
    else this.poll.now();
    return this.known;
  }
}
