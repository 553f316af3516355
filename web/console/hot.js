/** The orders that stand out: what waits most, what is slow, what is busy. */

import { h } from './dom.js';
import { actorState, orderLink, stateBadge } from './parts.js';
import { table } from './table.js';

/** Describe the three lists side by side. */
export function hotOrders(app, { deepest, slowest, busiest }) {
  const { t, f } = app;
  return h(
    'div',
    { class: 'hot' },
    hotTable(
      app,
      'hotDeepest',
      deepest.filter((row) => row.depth > 0),
      [
        ['depth', t('depth'), (row) => f.count(row.depth)],
        ['oldest', t('oldestWait'), (row) => f.ms(row.oldestWaitMs)],
      ],
    ),
    hotTable(
      app,
      'hotSlowest',
      slowest.filter((row) => row.tookMs > 0),
      [['took', t('took'), (row) => f.ms(row.tookMs)]],
    ),
    hotTable(
      app,
      'hotBusiest',
      busiest.filter((row) => row.ratePerSecond > 0),
      [['rate', t('rate'), (row) => f.rate(row.ratePerSecond)]],
    ),
  );
}

function hotTable({ t }, name, rows, figures) {
  return table({
    name,
    caption: t(name),
    showCaption: true,
    headless: rows.length === 0,
    empty: t('nothingHot'),
    columns: [
      { name: 'order', title: t('order') },
      ...figures.map(([column, title]) => ({ name: column, title, number: true })),
      { name: 'state', title: t('actorState') },
    ],
    rows: rows.map((row) => ({
      key: row.workOrderId,
      cells: {
        order: orderLink(row.workOrderId, row.workOrderNo),
        state: stateBadge(row.state, actorState(t, row.state)),
        ...Object.fromEntries(figures.map(([column, , write]) => [column, write(row)])),
      },
    })),
  });
}
