/** Tables with a caption, sorting by their heads, and pages. */

import { h } from './dom.js';

/**
 * Describe a table in a box of its own, so that what is too wide scrolls there and not the page.
 * @param {object} table
 * @param {string} table.caption
 * @param {{name: string, title: unknown, number?: boolean, wide?: boolean, sort?: object}[]} table.columns
 *   `wide` ones are left out where there is little room
 * @param {{key: string, cells: Record<string, unknown>, attributes?: object}[]} table.rows the first cell heads its row
 * @param {string} table.empty said where there are no rows
 * @param {boolean} [table.showCaption] whether all see the caption
 * @param {boolean} [table.headless] whether the columns are of no use, as there are no rows
 */
export function table({
  caption,
  columns,
  rows,
  empty,
  showCaption = false,
  headless = false,
  name,
}) {
  return h(
    'div',
    { class: 'scroll', role: 'group', 'aria-label': caption, tabindex: '0' },
    h(
      'table',
      { 'data-table': name },
      h('caption', { class: showCaption ? null : 'unseen' }, caption),
      !headless &&
        h(
          'thead',
          { key: 'head' },
          h(
            'tr',
            null,
            columns.map((column) => head(column)),
          ),
        ),
      h(
        'tbody',
        { key: 'body' },
        rows.map((row) =>
          h(
            'tr',
            { key: row.key, 'data-row': row.key, ...row.attributes },
            columns.map((column, index) =>
              h(
                index === 0 ? 'th' : 'td',
                {
                  key: column.name,
                  class: classOf(column),
                  scope: index === 0 ? 'row' : null,
                  'data-cell': column.name,
                },
                row.cells[column.name],
              ),
            ),
          ),
        ),
        rows.length === 0 &&
          h('tr', { key: 'none' }, h('td', { class: 'soft', colspan: columns.length }, empty)),
      ),
    ),
  );
}

function head(column) {
  const { sort } = column;
  return h(
    'th',
    { key: column.name, scope: 'col', class: classOf(column), 'aria-sort': sort?.now ?? null },
    sort
      ? h(
          'button',
          { type: 'button', class: 'sort', onclick: sort.turn, 'data-sort': column.name },
          column.title,
          h('span', { class: 'arrow', 'aria-hidden': 'true' }, arrow(sort.now)),
        )
      : column.title,
  );
}

function arrow(now) {
  if (now === 'descending') return '▼';
  return now === 'ascending' ? '▲' : '';
}

function classOf(column) {
  return [column.number && 'number', column.wide && 'wide'].filter(Boolean).join(' ') || null;
}

/**
 * Describe the way through the pages.
 * @param {{t: Function, f: object}} app
 * @param {{page: number, totalPages: number, total: number}} data
 * @param {(page: number) => string} hash of a page
 * @param {string} name of what is paged
 */
export function pages({ t, f }, data, hash, name) {
  const last = Math.max(1, data.totalPages);
  const step = (title, page, there) =>
    there
      ? h('a', { class: 'button', href: hash(page) }, title)
      : h('span', { class: 'button off', 'aria-disabled': 'true' }, title);
  return h(
    'nav',
    { class: 'pages', 'aria-label': t('pagesOf', { name }) },
    h(
      'span',
      { class: 'soft' },
      t('page', { page: f.count(data.page), pages: f.count(last), total: f.count(data.total) }),
    ),
    last > 1 && [
      step(t('previous'), data.page - 1, data.page > 1),
      step(t('next'), data.page + 1, data.page < last),
    ],
  );
}
