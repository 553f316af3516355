/** A graph of the last hour: lines with a legend that tells the values, and the same in words. */

import { h } from './dom.js';
import {
  gridLines,
  highest,
  latest,
  linePath,
  linear,
  mean,
  means,
  nearest,
  ranges,
  roundMoments,
  roundTop,
} from './scale.js';

const HEIGHT = 148;
const LEFT = 60;
const RIGHT = 10;
const TOP = 8;
const BOTTOM = 20;
const NARROW = 420;

/** One graph; it keeps how wide it is and where the pointer is. */
export class Chart {
  /** @param {string} name of its title in the texts @param {() => void} changed */
  constructor(name, changed) {
    Object.assign(this, { name, changed, width: 320, pointed: null });
    this.observer = new ResizeObserver(([entry]) => {
      const width = Math.round(entry.contentRect.width);
      if (width > 0 && width !== this.width) {
        this.width = width;
        changed();
      }
    });
  }

  /** Let go of what it watches. */
  stop() {
    this.observer.disconnect();
  }

  /**
   * Describe it.
   * @param {{t: Function, f: object}} app
   * @param {number[]} at moments in ms, ascending
   * @param {{name: string, values: (number | null)[]}[]} lines
   * @param {(value: number) => string} write a value
   * @param {boolean[]} paused
   */
  render({ t, f }, at, lines, write, paused) {
    const index = this.pointed === null ? at.length - 1 : nearest(at, this.pointed);
    const pointed = this.pointed !== null && index >= 0;
    return h(
      'figure',
      { class: 'chart', key: this.name, 'data-chart': this.name },
      h(
        'figcaption',
        null,
        h('span', { class: 'chart-title' }, t(this.name)),
        paused.includes(true) &&
          entry('soft', h('rect', { class: 'shade', width: 18, height: 10 }), t('paused'), null),
        h('span', { class: 'soft chart-time' }, pointed ? f.time(at[index]) : t('lastHour')),
        h(
          'span',
          { class: 'legend' },
          lines.map((line, number) =>
            entry(
              `line-${number}`,
              h('path', { d: 'M0 5H18' }),
              t(line.name),
              write(pointed ? line.values[index] : latest(line.values)),
            ),
          ),
        ),
      ),
      h(
        'div',
        { class: 'plot', made: (node) => this.observer.observe(node) },
        this.#drawing(
          { f },
          at,
          lines,
          write,
          paused,
          pointed ? index : -1,
          inWords({ t, f }, at, lines, write, `${t(this.name)}, ${t('lastHour')}`),
        ),
      ),
      inFigures({ t, f }, at, lines, write, t(this.name)),
    );
  }

  #drawing({ f }, at, lines, write, paused, index, words) {
    const to = at.at(-1) ?? Date.now();
    const from = to - 3_600_000;
    const x = linear(from, to, LEFT, this.width - RIGHT);
    const scale = roundTop(
      highest(lines.flatMap((line) => line.values))?.value ?? 0,
      write === f.count,
    );
    const y = linear(0, scale.top, HEIGHT - BOTTOM, TOP);
    const xs = at.map(x);
    return h(
      'svg',
      {
        role: 'img',
        'aria-label': words,
        width: this.width,
        height: HEIGHT,
        viewBox: `0 0 ${this.width} ${HEIGHT}`,
        onpointermove: (event) =>
          this.#point(linear(LEFT, this.width - RIGHT, from, to)(event.offsetX)),
        onpointerleave: () => this.#point(null),
      },
      ranges(paused).map(([first, last]) =>
        h('rect', {
          class: 'shade',
          x: xs[first],
          y: TOP,
          width: Math.max(2, xs[last] - xs[first]),
          height: HEIGHT - TOP - BOTTOM,
        }),
      ),
      gridLines(scale).map((value) =>
        h(
          'g',
          null,
          h('line', {
            class: 'grid',
            x1: LEFT,
            x2: this.width - RIGHT,
            y1: y(value),
            y2: y(value),
          }),
          h(
            'text',
            { class: 'tick', x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' },
            write(value),
          ),
        ),
      ),
      roundMoments(from, to, this.width < NARROW ? 20 : 10).map((moment) =>
        h(
          'text',
          {
            class: 'tick',
            x: x(moment),
            y: HEIGHT - 4,
            'text-anchor': 'middle',
          },
          x(moment) > LEFT + 12 && x(moment) < this.width - 16 && f.minute(moment),
        ),
      ),
      lines.map((line, number) =>
        h('path', {
          class: `line line-${number}`,
          d: linePath(
            xs,
            line.values.map((value) => (value === null ? null : y(value))),
          ),
        }),
      ),
      index >= 0 &&
        h('line', { class: 'pointer', x1: xs[index], x2: xs[index], y1: TOP, y2: HEIGHT - BOTTOM }),
    );
  }

  #point(moment) {
    this.pointed = moment;
    this.changed();
  }
}

function entry(kind, sample, name, value) {
  return h(
    'span',
    { class: 'legend-entry' },
    h('svg', { class: `swatch ${kind}`, width: 18, height: 10, 'aria-hidden': 'true' }, sample),
    ` ${name} `,
    value !== null && h('b', null, value),
  );
}

/** What the graph shows, for who does not see it. */
function inWords({ t, f }, at, lines, write, title) {
  return (
    `${title}. ` +
    lines
      .map(({ name, values }) => {
        const most = highest(values);
        if (most === null) return t('nothingKnown', { name: t(name) });
        const told = {
          name: t(name),
          now: write(latest(values)),
          most: write(most.value),
          at: f.time(at[most.index]),
          mean: write(mean(values)),
        };
        return t('nowIs', told);
      })
      .join('')
  );
}

function inFigures({ t, f }, at, lines, write, title) {
  return h(
    'details',
    { class: 'figures' },
    h('summary', null, t('asTable')),
    h(
      'table',
      null,
      h('caption', null, `${title}: ${t('meansOf')}`),
      h(
        'thead',
        null,
        h(
          'tr',
          null,
          h('th', { scope: 'col' }, t('fromTime')),
          lines.map((line) => h('th', { scope: 'col', class: 'number' }, t(line.name))),
        ),
      ),
      h(
        'tbody',
        null,
        means(
          at,
          lines.map((line) => line.values),
          5,
        ).map(({ from, values }) =>
          h(
            'tr',
            { key: from },
            h('th', { scope: 'row' }, f.minute(from)),
            values.map((value) => h('td', { class: 'number' }, write(value))),
          ),
        ),
      ),
    ),
  );
}
