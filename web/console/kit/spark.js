/** A small line of the past, below the value that it leads to. */

import { html } from '../vendor/htm-preact.js';
import { highest, linear, linePath } from './scale.js';

const WIDTH = 92;
const HEIGHT = 22;
const INSET = 2;

/**
 * Give what all small lines of a column share, so that they can be held against each other.
 * @param {{at: number[], values: (number | null)[]}[]} lines moments in ms, ascending, and values
 * @param {number} spanMs how far back they go at most
 */
export function sharedScale(lines, spanMs) {
  const to = Math.max(0, ...lines.map(({ at }) => at.at(-1) ?? 0));
  const most = highest(lines.map(({ values }) => highest(values)?.value))?.value;
  return {
    x: linear(to - spanMs, to, INSET, WIDTH - INSET),
    y: linear(0, most || 1, HEIGHT - INSET, INSET),
  };
}

/**
 * Describe one; `words` tell who does not see it what it shows.
 * @param {{at: number[], values: (number | null)[]}} line
 * @param {{x: (at: number) => number, y: (value: number) => number}} shared
 * @param {string} words
 */
export function spark({ at, values }, { x, y }, words) {
  const ys = values.map((value) => (value === null ? null : y(value)));
  return html`<svg class="spark" role="img" aria-label=${words} width=${WIDTH} height=${HEIGHT}
    viewBox="0 0 ${WIDTH} ${HEIGHT}"><path class="line line-0" d=${linePath(at.map(x), ys)} /></svg>`;
}
