/** Tables with a caption, sorting by their heads, and pages. */

import { html } from '../vendor/htm-preact.js';

/**
 * A column: its name, its title, `number` where it fits, what it shows of a row, and how it is
 * sorted by. Where there is little room each row is a card, with the titles beside what they name.
 * @typedef {[string, unknown, string, (row: any) => unknown, Sort?]} Column
 * @typedef {{now: 'ascending' | 'descending' | null, turn: () => void}} Sort
 */

const ARROWS = { ascending: '▲', descending: '▼' };

/**
 * Describe a table in a box of its own, so that what is too wide scrolls there and not the page.
 * @param {object} table
 * @param {string} table.name
 * @param {string} table.caption
 * @param {boolean} [table.hot] whether all see the caption, and heads only where there are rows
 * @param {(Column | false)[]} table.columns the first heads its rows
 * @param {any[]} table.rows
 * @param {(row: any, index: number) => unknown} table.key of a row
 * @param {string} table.empty said where there are no rows
 */
export function table({ name, caption, hot = false, columns, rows, key, empty }) {
  const [first, ...others] = columns.filter((each) => each !== false);
  const line = (row, index) => {
    const id = key(row, index);
    return html`<tr key=${id} data-row=${id}>
      <th scope="row" class=${first[2]} data-cell=${first[0]}>${first[3](row)}</th>
      ${others.map(([cell, title, kind, show]) => html`<td key=${cell} class=${kind} data-cell=${cell} data-title=${title}>${show(row)}</td>`)}
    </tr>`;
  };
  return html`<div class="scroll" role="group" aria-label=${caption} tabindex="0">
    <table data-table=${name}>
      <caption class=${hot ? '' : 'unseen'}>${caption}</caption>
      ${!(hot && rows.length === 0) && html`<thead><tr>${[first, ...others].map(head)}</tr></thead>`}
      <tbody>
        ${rows.map(line)}
        ${rows.length === 0 && html`<tr><td class="soft" colspan=${columns.length}>${empty}</td></tr>`}
      </tbody>
    </table>
  </div>`;
}

/** @param {Column} column */
function head([name, title, kind, , sort]) {
  const inside = sort
    ? html`<button type="button" class="sort" data-sort=${name} onclick=${sort.turn}>
        ${title}<span class="arrow" aria-hidden="true">${ARROWS[sort.now]}</span>
      </button>`
    : title;
  return html`<th key=${name} scope="col" class=${kind} aria-sort=${sort?.now}>${inside}</th>`;
}

/**
 * Describe the way through the pages.
 * @param {{t: Function, f: any}} app
 * @param {{page: number, totalPages: number, total: number}} data
 * @param {(page: number) => string} hash of a page
 * @param {string} name of what is paged
 */
export function pages({ t, f }, { page, totalPages, total }, hash, name) {
  const last = Math.max(1, totalPages);
  const step = (title, to) =>
    to >= 1 && to <= last
      ? html`<a class="button" href=${hash(to)}>${title}</a>`
      : html`<span class="button off" aria-disabled="true">${title}</span>`;
  return html`<nav class="pages" aria-label=${t('pagesOf', { name })}>
    <span class="soft">${t('page', { page: f.count(page), pages: f.count(last), total: f.count(total) })}</span>
    ${last > 1 && [step(t('previous'), page - 1), step(t('next'), page + 1)]}
  </nav>`;
}
