/** The orders that stand out: what waits most, what is slow, what is busy. */

import { actorState, orderLink, stateBadge } from '../kit/parts.js';
import { table } from '../kit/table.js';
import { html } from '../vendor/htm-preact.js';

/** Describe the three lists side by side. */
export function hotOrders({ t, f }, { deepest, slowest, busiest }) {
  const list = (name, rows, ...figures) =>
    table({
      name,
      caption: t(name),
      hot: true,
      empty: t('nothingHot'),
      rows,
      key: (row) => row.workOrderId,
      columns: [
        ['order', t('order'), '', (row) => orderLink(row.workOrderId, row.workOrderNo)],
        ...figures,
        ['state', t('actorState'), '', (row) => stateBadge(row.state, actorState(t, row.state))],
      ],
    });
  const deep = deepest.filter((row) => row.depth > 0);
  const slow = slowest.filter((row) => row.slowMs > 0);
  const busy = busiest.filter((row) => row.ratePerSecond > 0);
  const depth = ['depth', t('depth'), 'number', (row) => f.count(row.depth)];
  const oldest = ['oldest', t('oldestWait'), 'number', (row) => f.ms(row.oldestWaitMs)];
  return html`<div class="hot">
    ${list('hotDeepest', deep, depth, oldest)}
    ${list('hotSlowest', slow, ['slow', t('slow'), 'number', (row) => f.ms(row.slowMs)])}
    ${list('hotBusiest', busy, ['rate', t('rate'), 'number', (row) => f.rate(row.ratePerSecond)])}
  </div>`;
}
