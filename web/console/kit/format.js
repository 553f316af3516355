/** Numbers, times and spans as people read them, in one language. */

const LOCALES = { zh: 'zh-CN', en: 'en-GB' };
const UNITS = {
  zh: { ms: '毫秒', s: '秒', min: '分', h: '小时', d: '天' },
  en: { ms: 'ms', s: 's', min: 'min', h: 'h', d: 'd' },
};
const NOTHING = '–';
const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

/**
 * Give the formats of a language; every one of them writes a dash for what is not known.
 * @param {'zh' | 'en'} language
 * @param {string} [timeZone] of the reader, unless it is told
 */
export function formats(language, timeZone) {
  const locale = LOCALES[language];
  const unit = UNITS[language];
  const digits = (most) => new Intl.NumberFormat(locale, { maximumFractionDigits: most });
  const whole = digits(0);
  const tenths = digits(1);
  const fine = digits(3);
  /** @type {Intl.DateTimeFormatOptions} */
  const clock = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone };
  const ofDay = new Intl.DateTimeFormat(locale, { ...clock, second: '2-digit' });
  const ofHour = new Intl.DateTimeFormat(locale, clock);
  // Sorts as it reads, and says the same to readers of either language.
  const day = new Intl.DateTimeFormat('sv-SE', {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    timeZone,
  });

  /** A number as it is, to three decimals. */
  const number = known((value) => fine.format(value));
  /** A number of things. */
  const count = known((value) => whole.format(value));
  /** Something per second: the smaller, the finer. */
  const rate = known((value) =>
    (value >= 100 ? whole : value >= 1 || value === 0 ? tenths : digits(2)).format(value),
  );
  /** A span of seconds, in its two largest units. */
  const span = known((seconds) => {
    const s = Math.max(0, Math.floor(seconds));
    if (s < MINUTE) return `${s} ${unit.s}`;
    if (s < HOUR) return two(s, MINUTE, unit.min, 1, unit.s);
    if (s < DAY) return two(s, HOUR, unit.h, MINUTE, unit.min);
    return two(s, DAY, unit.d, HOUR, unit.h);
  });
  /** A span of milliseconds: exact while it is short. */
  const ms = known((value) => {
    if (value < 10) return `${tenths.format(value)} ${unit.ms}`;
    if (value < 1000) return `${whole.format(value)} ${unit.ms}`;
    if (value < MINUTE * 1000) return `${tenths.format(value / 1000)} ${unit.s}`;
    return span(value / 1000);
  });
  /** The time of day. */
  const time = known((at) => ofDay.format(new Date(at)));
  /** Hours and minutes. */
  const minute = known((at) => ofHour.format(new Date(at)));
  /** The time, with its day. */
  const stamp = known((at) => `${day.format(new Date(at))} ${time(at)}`);
  /** A change, with its sign. */
  const signed = known((value) =>
    value > 0 ? `+${fine.format(value)}` : fine.format(value).replace('-', '−'),
  );
  /** A share of 100. */
  const percent = known((value) => `${tenths.format(value)} %`);
  return { number, count, rate, span, ms, time, minute, stamp, signed, percent };
}

/** Seconds since `at`, an ISO time of the server or a number; never below 0. */
export const since = (at, now) => Math.max(0, (now - new Date(at).getTime()) / 1000);

function known(write) {
  return (value) =>
    value === null || value === undefined || value === '' ? NOTHING : write(value);
}

function two(seconds, large, largeUnit, small, smallUnit) {
  const rest = Math.floor((seconds % large) / small);
  const first = `${Math.floor(seconds / large)} ${largeUnit}`;
  return rest === 0 ? first : `${first} ${rest} ${smallUnit}`;
}
