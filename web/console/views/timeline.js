/** What became of an order: its log by pages, and the last updates with those that were refused. */

import { choice, moment, stateBadge } from '../kit/parts.js';
import { pages, table } from '../kit/table.js';
import { html } from '../vendor/htm-preact.js';

/**
 * Describe the timeline of changes, as the log has them.
 * @param {import('../main.js').Console} app
 * @param {{data: any, type: string, hash: (changes: object) => string}} shown
 */
export function timeline(app, { data, type, hash }) {
  const { t, go } = app;
  const types = choice({
    name: 'type',
    label: t('changeType'),
    value: type,
    options: [
      ['', t('anyType')],
      ['input', t('input')],
      ['output', t('output')],
    ],
    onchange: (chosen) => go(hash({ type: chosen, page: 1 })),
  });
  return html`
    <div class="filters">${types}</div>
    ${data && log(app, merged(data))}
    ${data && pages(app, data, (page) => hash({ page }), t('timeline'))}`;
}

/** Put the operations between the changes that they stand behind, newest first. */
function merged({ logs, operations = [] }) {
  const left = [...operations];
  const rows = [];
  for (const row of logs) {
    while (row.seq !== null && left[0]?.seq >= row.seq) rows.push(left.shift());
    rows.push(row);
  }
  return [...rows, ...left];
}

function log({ t, f }, rows) {
  const progress = (row) =>
    row.afterProgress !== null && html`<span class="soft"> ${f.percent(row.afterProgress)}</span>`;
  const joined = (...parts) => parts.filter(Boolean).join(' · ') || '–';
  const changed = ({ operation, quantity, changeQuantity }) =>
    operation ? (quantity ? f.number(quantity) : '–') : f.signed(changeQuantity);
  return table({
    name: 'timeline',
    caption: t('timeline'),
    empty: t('noChanges'),
    rows,
    key: (row) => row._id,
    columns: [
      ['at', t('at'), '', (row) => moment(f, row.operateTime ?? row.operatedAt)],
      [
        'type',
        t('changeType'),
        '',
        (row) => (row.operation ? t(`op.${row.operation}`) : t(row.changeType)),
      ],
      ['change', t('change'), 'number', changed],
      ['after', t('after'), 'number', (row) => (row.operation ? '–' : f.number(row.afterQuantity))],
      ['status', t('orderStatus'), '', (row) => [t(row.afterStatus), progress(row)]],
      ['seq', t('seq'), 'number', (row) => (row.operation ? '–' : f.number(row.seq))],
      ['barcode', t('barcode'), '', (row) => row.relatedBarcode || '–'],
      ['operator', t('operator'), '', (row) => row.operatorName || row.operatorId || '–'],
      ['reason', t('reason'), '', (row) => joined(row.reason, row.remark)],
    ],
  });
}

/** Last updates that are shown until somebody wants all. */
export const SHOWN = 12;

/** Describe the last updates: what this owner answered, and before that the log. */
export function lastUpdates({ t, f }, { logRead, updates }, all) {
  const list = table({
    name: 'updates',
    caption: t('lastUpdates'),
    empty: t('noChanges'),
    rows: updates.slice(0, all ? undefined : SHOWN),
    key: (row, index) => `${row.jobId} ${row.event} ${row.at} ${index}`,
    columns: [
      ['at', t('at'), '', (row) => moment(f, row.at)],
      ['outcome', t('outcome'), '', (row) => stateBadge(row.event, t(`event.${row.event}`))],
      ['type', t('changeType'), '', (row) => t(row.type)],
      ['quantity', t('quantity'), 'number', (row) => f.signed(row.quantity)],
      ['after', t('after'), 'number', (row) => f.number(row.afterQuantity)],
      ['took', t('duration'), 'number', (row) => (row.tookMs ? f.ms(row.tookMs) : '–')],
      ['detail', t('detail'), '', reasonOf],
    ],
  });
  return [!logRead && html`<p class="note">${t('logNotRead')}</p>`, list];
}

/** Say why an update was refused or failed; nothing of one that was applied. */
export function reasonOf({ event, code, detail }) {
  if (event === 'applied' || event === 'replayed') return '–';
  return [code, detail].filter(Boolean).join(': ') || '–';
}
