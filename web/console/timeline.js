/** What became of an order: its log by pages, and the last updates with those that were refused. */

import { h } from './dom.js';
import { choice, moment, stateBadge, typeText } from './parts.js';
import { pages, table } from './table.js';

/**
 * Describe the timeline of changes, as the log has them.
 * @param {object} app
 * @param {{data: object | null, type: string, hash: (changes: object) => string}} shown
 */
export function timeline(app, { data, type, hash }) {
  const { t, f, go } = app;
  const options = [
    ['', t('anyType')],
    ['input', t('input')],
    ['output', t('output')],
  ];
  return [
    h(
      'div',
      { key: 'filters', class: 'filters' },
      choice({
        name: 'type',
        label: t('changeType'),
        value: type,
        options,
        onchange: (chosen) => go(hash({ type: chosen, page: 1 })),
      }),
    ),
    data &&
      table({
        name: 'timeline',
        caption: t('timeline'),
        empty: t('noChanges'),
        columns: [
          { name: 'at', title: t('at') },
          { name: 'type', title: t('changeType') },
          { name: 'change', title: t('change'), number: true },
          { name: 'after', title: t('after'), number: true },
          { name: 'status', title: t('orderStatus') },
          { name: 'seq', title: t('seq'), number: true, wide: true },
          { name: 'barcode', title: t('barcode'), wide: true },
          { name: 'operator', title: t('operator'), wide: true },
          { name: 'reason', title: t('reason'), wide: true },
        ],
        rows: data.logs.map((entry) => ({ key: entry._id, cells: logCells(app, entry) })),
      }),
    data && pages(app, data, (page) => hash({ page }), t('timeline')),
  ];
}

function logCells({ t, f }, entry) {
  return {
    at: moment({ f }, entry.operateTime),
    type: typeText(t, entry.changeType),
    change: f.signed(entry.changeQuantity),
    after: f.number(entry.afterQuantity),
    status: [
      t(entry.afterStatus),
      entry.afterProgress !== null &&
        h('span', { class: 'soft' }, ` ${f.percent(entry.afterProgress)}`),
    ],
    seq: f.number(entry.seq),
    barcode: entry.relatedBarcode || '–',
    operator: entry.operatorName || entry.operatorId || '–',
    reason: [entry.reason, entry.remark].filter(Boolean).join(' · ') || '–',
  };
}

/** Last updates that are shown until somebody wants all. */
export const SHOWN = 12;

/** Describe the last updates: what this owner answered, and before that the log. */
export function lastUpdates({ t, f }, data, all) {
  return [
    !data.logRead && h('p', { class: 'note', key: 'unread' }, t('logNotRead')),
    table({
      name: 'updates',
      caption: t('lastUpdates'),
      empty: t('noChanges'),
      columns: [
        { name: 'at', title: t('at') },
        { name: 'outcome', title: t('outcome') },
        { name: 'type', title: t('changeType') },
        { name: 'quantity', title: t('quantity'), number: true },
        { name: 'after', title: t('after'), number: true },
        { name: 'took', title: t('duration'), number: true, wide: true },
        { name: 'detail', title: t('detail'), wide: true },
      ],
      rows: data.updates.slice(0, all ? undefined : SHOWN).map((each, number) => ({
        key: `${each.jobId} ${each.event} ${each.at} ${number}`,
        cells: {
          at: moment({ f }, each.at),
          outcome: stateBadge(each.event, t(`event.${each.event}`)),
          type: typeText(t, each.type),
          quantity: f.signed(each.quantity),
          after: f.number(each.afterQuantity),
          took: each.tookMs ? f.ms(each.tookMs) : '–',
          detail: reasonOf(each),
        },
      })),
    }),
  ];
}

/** Say why an update was refused or failed; nothing of one that was applied. */
export function reasonOf({ event, code, detail }) {
  if (event === 'applied' || event === 'replayed') return '–';
  return [code, detail].filter(Boolean).join(': ') || '–';
}
