/** A graph of the last hour: lines with a legend that tells the values, and the same in words. */

import { html } from '../vendor/htm-preact.js';
import * as scale from './scale.js';

const HEIGHT = 148;
const LETTER = 6.6;
const LEAST_LEFT = 34;
const RIGHT = 10;
const TOP = 8;
const FOOT = HEIGHT - 20;
const NARROW = 420;
const HOUR_MS = 3_600_000;

/** One graph; it keeps how wide it is and where the pointer is. */
export class Chart {
  /**
   * @param {string} name of its title in the texts
   * @param {() => void} changed
   */
  constructor(name, changed) {
    this.name = name;
    this.changed = changed;
    this.width = 320;
    /** The moment that the pointer is at, in ms. */
    this.pointed = null;
    this.observer = new ResizeObserver(([entry]) => {
      const width = Math.round(entry.contentRect.width);
      if (width === 0 || width === this.width) return;
      this.width = width;
      changed();
    });
    this.watch = (node) => (node ? this.observer.observe(node) : this.observer.disconnect());
  }

  /**
   * Describe it.
   * @param {{t: Function, f: any}} app
   * @param {number[]} at moments in ms, ascending
   * @param {[string, (number | null)[]][]} lines names in the texts, and values
   * @param {(value: number | null) => string} write a value
   * @param {boolean[]} paused
   */
  render({ t, f }, at, lines, write, paused) {
    const pointed = this.pointed === null ? -1 : scale.nearest(at, this.pointed);
    const shown = (values) => write(pointed < 0 ? scale.latest(values) : values[pointed]);
    const shade = html`<rect class="shade" width="18" height="10" />`;
    const dash = html`<path d="M0 5H18" />`;
    const title = t(this.name);
    return html`<figure class="chart" data-chart=${this.name}>
      <figcaption>
        <span class="chart-title">${title}</span>
        ${paused.includes(true) && legend('soft', shade, t('paused'))}
        <span class="soft small">${pointed < 0 ? t('lastHour') : f.time(at[pointed])}</span>
        <span class="legend">
          ${lines.map(([name, values], n) => legend(`line-${n}`, dash, t(name), html`<b>${shown(values)}</b>`))}
        </span>
      </figcaption>
      <div class="plot" ref=${this.watch}>
        ${this.#drawing(f, at, lines, write, paused, pointed, inWords({ t, f }, at, lines, write, title))}
      </div>
      ${inFigures({ t, f }, at, lines, write, title)}
    </figure>`;
  }

  #drawing(f, at, lines, write, paused, pointed, words) {
    const right = this.width - RIGHT;
    const to = at.at(-1) ?? Date.now();
    const most = scale.highest(lines.flatMap(([, values]) => values))?.value ?? 0;
    const rounded = scale.roundTop(most, write === f.count);
    // As much room as the longest label of the axis needs.
    const letters = Math.max(...scale.gridLines(rounded).map((value) => breadth(write(value))));
    const left = Math.max(LEAST_LEFT, Math.ceil(letters * LETTER) + 10);
    const x = scale.linear(to - HOUR_MS, to, left, right);
    const y = scale.linear(0, rounded.top, FOOT, TOP);
    const xs = at.map(x);
    const point = (moment) => {
      this.pointed = moment;
      this.changed();
    };
    const moments = scale
      .roundMoments(to - HOUR_MS, to, this.width < NARROW ? 20 : 10)
      .filter((moment) => x(moment) > left + 12 && x(moment) < this.width - 16);
    const shade = ([first, last]) => html`<rect class="shade" x=${xs[first]} y=${TOP}
      width=${Math.max(2, xs[last] - xs[first])} height=${FOOT - TOP} />`;
    const line = ([, values], n) => html`<path class="line line-${n}"
      d=${scale.linePath(
        xs,
        values.map((value) => (value === null ? null : y(value))),
      )} />`;
    return html`<svg role="img" aria-label=${words} width=${this.width} height=${HEIGHT}
      viewBox="0 0 ${this.width} ${HEIGHT}" onpointerleave=${() => point(null)}
      onpointermove=${(event) => point(scale.linear(left, right, to - HOUR_MS, to)(event.offsetX))}>
      ${scale.ranges(paused).map(shade)}
      ${scale.gridLines(rounded).map(
        (value) => html`<g>
        <line class="grid" x1=${left} x2=${right} y1=${y(value)} y2=${y(value)} />
        <text class="tick" x=${left - 6} y=${y(value) + 4} text-anchor="end">${write(value)}</text>
      </g>`,
      )}
      ${moments.map(
        (moment) => html`<text class="tick" x=${x(moment)} y=${HEIGHT - 4} text-anchor="middle">
        ${f.minute(moment)}
      </text>`,
      )}
      ${lines.map(line)}
      ${pointed >= 0 && html`<line class="pointer" x1=${xs[pointed]} x2=${xs[pointed]} y1=${TOP} y2=${FOOT} />`}
    </svg>`;
  }
}

/** Count a label's letters; a Chinese one is as broad as two. */
const breadth = (text) => [...text].reduce((sum, each) => sum + (each > '\u2e80' ? 2 : 1), 0);

const legend = (kind, sample, name, value) => html`<span class="legend-entry">
  <svg class="swatch ${kind}" width="18" height="10" aria-hidden="true">${sample}</svg>${` ${name} `}${value}
</span>`;

/** Tell what the graph shows, for who does not see it. */
function inWords({ t, f }, at, lines, write, title) {
  const told = ([name, values]) => {
    const most = scale.highest(values);
    if (most === null) return t('nothingKnown', { name: t(name) });
    const now = write(scale.latest(values));
    const mean = write(scale.mean(values));
    return t('nowIs', {
      name: t(name),
      now,
      most: write(most.value),
      at: f.time(at[most.index]),
      mean,
    });
  };
  return `${title}, ${t('lastHour')}. ${lines.map(told).join('')}`;
}

function inFigures({ t, f }, at, lines, write, title) {
  const columns = lines.map(([, values]) => values);
  return html`<details class="figures">
    <summary>${t('asTable')}</summary>
    <table>
      <caption>${title}: ${t('meansOf')}</caption>
      <thead><tr>
        <th scope="col">${t('fromTime')}</th>
        ${lines.map(([name]) => html`<th scope="col" class="number">${t(name)}</th>`)}
      </tr></thead>
      <tbody>
        ${scale.means(at, columns, 5).map(
          ({ from, values }) => html`<tr key=${from}>
          <th scope="row">${f.minute(from)}</th>
          ${values.map((value) => html`<td class="number">${write(value)}</td>`)}
        </tr>`,
        )}
      </tbody>
    </table>
  </details>`;
}
