/** What a graph is drawn by: round scales, paths with gaps, ranges, and means over minutes. */

/**
 * Give a round upper end at or above `most`, and the step of its grid lines.
 * @param {number} most
 * @param {boolean} [whole] whether only whole numbers mean something
 * @param {number} [lines] about how many
 */
export function roundTop(most, whole = false, lines = 3) {
  if (!(most > 0)) return { top: 1, step: 1 };
  const rough = Math.max(most / lines, whole ? 1 : 0);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough * 0.999);
  return { top: Math.ceil(most / step - 1e-9) * step, step };
}

/** Give the values of the grid lines, from 0 on. */
export function gridLines({ top, step }) {
  return Array.from({ length: Math.round(top / step) + 1 }, (_, n) =>
    Number((n * step).toPrecision(12)),
  );
}

/** Map a range of values to a range of pixels. */
export function linear(from, to, low, high) {
  const width = to - from || 1;
  return (value) => low + ((value - from) / width) * (high - low);
}

/**
 * Write the path of a line; where a value is null the line has a gap.
 * @param {number[]} xs
 * @param {(number | null)[]} ys
 */
export function linePath(xs, ys) {
  let path = '';
  let drawing = false;
  ys.forEach((y, index) => {
    if (y === null || y === undefined || Number.isNaN(y)) {
      drawing = false;
      return;
    }
    path += `${drawing ? 'L' : 'M'}${xs[index].toFixed(1)} ${y.toFixed(1)}`;
    // A value alone between two gaps is a cross, which dashes do not cut.
    if (!drawing && (ys[index + 1] ?? null) === null) path += 'm-2 0h4m-2-2v4';
    drawing = true;
  });
  return path;
}

/**
 * Put a row of nulls where nothing is known for longer than rows lie apart, so that lines end there.
 * @param {number[]} at moments in ms, ascending
 * @param {(any[])[]} columns of as many values
 * @param {number} mostMs
 */
export function gapped(at, columns, mostMs) {
  const rows = { at: [], columns: columns.map(() => []) };
  at.forEach((moment, index) => {
    if (index > 0 && moment - at[index - 1] > mostMs) {
      rows.at.push(at[index - 1] + 1);
      for (const column of rows.columns) column.push(null);
    }
    rows.at.push(moment);
    rows.columns.forEach((column, number) => {
      column.push(columns[number][index]);
    });
  });
  return rows;
}

/** Give the ranges [first, last] of indices in which `flags` is true. */
export function ranges(flags) {
  const found = [];
  flags.forEach((flag, index) => {
    if (!flag) return;
    const last = found.at(-1);
    if (last && last[1] === index - 1) last[1] = index;
    else found.push([index, index]);
  });
  return found;
}

/** Give the round moments (ms) between two moments, `minutes` apart. */
export function roundMoments(from, to, minutes) {
  const step = minutes * 60_000;
  const first = Math.ceil(from / step) * step;
  return Array.from(
    { length: Math.max(0, Math.floor((to - first) / step) + 1) },
    (_, n) => first + n * step,
  );
}

/** Give the index of the ascending value that is nearest to `wanted`; -1 where there is none. */
export function nearest(values, wanted) {
  let best = -1;
  values.forEach((value, index) => {
    if (best < 0 || Math.abs(value - wanted) < Math.abs(values[best] - wanted)) best = index;
  });
  return best;
}

/** Give the largest of what is known, with its index; null where nothing is. */
export function highest(values) {
  let found = null;
  values.forEach((value, index) => {
    if (value !== null && value !== undefined && (found === null || value > found.value))
      found = { value, index };
  });
  return found;
}

/** Give the last value that is known, or null. */
export const latest = (values) =>
  values.findLast((each) => each !== null && each !== undefined) ?? null;

/**
 * Give the mean of each column within steps of `minutes`, the newest first.
 * @param {number[]} at moments in ms, ascending
 * @param {(number | null)[][]} columns of as many values
 */
export function means(at, columns, minutes) {
  const steps = new Map();
  at.forEach((moment, index) => {
    const step = Math.floor(moment / (minutes * 60_000)) * minutes * 60_000;
    if (!steps.has(step)) steps.set(step, []);
    steps.get(step).push(index);
  });
  return [...steps].reverse().map(([from, indices]) => ({
    from,
    values: columns.map((column) => mean(indices.map((index) => column[index]))),
  }));
}

/** Give the mean of what is known, or null. */
export function mean(values) {
  const known = values.filter((each) => each !== null && each !== undefined);
  return known.length ? known.reduce((sum, each) => sum + each, 0) / known.length : null;
}
