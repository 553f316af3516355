/** Operations of one whole order: what its status allows, asked for before it is done. */

import { html } from '../vendor/htm-preact.js';
import { whyField } from './pausing.js';

/** The statuses in which each may be asked for; the service decides. */
const ALLOWED = {
  start: ['PENDING'],
  pause: ['IN_PROGRESS'],
  resume: ['PAUSED'],
  complete: ['IN_PROGRESS', 'PAUSED'],
  'change-plan': ['PENDING', 'PAUSED'],
  scrap: ['IN_PROGRESS', 'PAUSED', 'COMPLETED'],
  supplement: ['PAUSED'],
  cancel: ['PENDING'],
};
/** What each needs besides a reason: name, label, kind, and whether it may be left out. */
const FIELDS = {
  'change-plan': [['planProductionQuantity', 'planProduction', 'number']],
  scrap: [
    ['relatedBarcode', 'barcode', 'text'],
    ['quantity', 'quantity', 'number', true],
  ],
  supplement: [['supplementQuantity', 'quantity', 'number', true]],
};
const DANGEROUS = ['cancel', 'complete', 'scrap'];

/**
 * Describe the buttons of what may be done with an order.
 * @param {import('../main.js').Console} app
 * @param {{id: string, workOrderNo: string, status: string}} order
 */
export function operating(app, order) {
  const { t, acting } = app;
  const names = Object.keys(ALLOWED).filter((name) => ALLOWED[name].includes(order.status));
  return (
    names.length > 0 &&
    html`<div class="buttons" data-operations>
      ${names.map((name) => acting.button(`op-${name}`, t(`op.${name}`), () => operate(app, order, name)))}
    </div>`
  );
}

async function operate({ t, acting }, order, name) {
  const values = await acting.ask({
    title: t('operateTitle', { what: t(`op.${name}`), no: order.workOrderNo || order.id }),
    text: t(`opText.${name}`),
    yes: t(`op.${name}`),
    kind: DANGEROUS.includes(name) ? 'danger' : 'main',
    fields: (given) => [
      (FIELDS[name] ?? []).map((each) => field(t, given, each)),
      whyField(t)(given),
    ],
  });
  if (values === null) return;
  const { reason, relatedBarcode, ...pieces } = values;
  const said = { ...(reason && { reason }), ...(relatedBarcode && { relatedBarcode }) };
  const numbers = Object.entries(pieces)
    .filter(([, value]) => value !== '')
    .map(([key, value]) => [key, Number(value)]);
  await acting.run('POST', `api/workorder/${order.id}/operations`, {
    operation: name,
    ...Object.fromEntries(numbers),
    logContext: { source: 'WEB', isAutomatic: false, ...said },
  });
}

function field(t, values, [name, label, type, optional = false]) {
  return html`<label class="field">
    <span>${t(label)}</span>
    <input type=${type} name=${name} required=${!optional} min=${type === 'number' ? 0 : undefined} step="any"
      value=${values[name] ?? ''} oninput=${(event) => (values[name] = event.target.value)} />
  </label>`;
}
