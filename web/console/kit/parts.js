/** Small pieces that several views are made of. */

import { html } from '../vendor/htm-preact.js';
import { hashOf, orderHash } from './hash.js';

/** How states are coloured; all others are quiet. */
const KINDS = Object.entries({
  ok: ['COMPLETED', 'owner', 'applied'],
  busy: ['active', 'waiting', 'IN_PROGRESS'],
  warn: [
    'delayed',
    'paused',
    'PAUSED',
    'taking_over',
    'draining',
    'refused',
    'stepped_down',
    'missed',
  ],
  bad: ['failed'],
});

/**
 * Describe a part of a page with a heading of its own.
 * @param {string} name
 * @param {unknown} title
 * @param {{beside?: unknown, about?: unknown, kind?: string}} options
 * @param {...unknown} children
 */
export function panel(name, title, { beside, about, kind = '' }, ...children) {
  return html`<section class="panel ${kind}" aria-labelledby="${name}-title" data-panel=${name}>
    <div class="panel-head"><h2 id="${name}-title">${title}</h2>${beside}</div>
    ${about && html`<p class="soft about">${about}</p>`}
    ${children}
  </section>`;
}

/** Describe a short word on a ground: ok, busy, warn, bad or quiet. */
export const badge = (kind, text, attributes = {}) =>
  html`<span class="badge ${kind}" ...${attributes}>${text}</span>`;

/** Describe a state's badge; `text` is its name for people. */
export function stateBadge(state, text) {
  const [kind] = KINDS.find(([, states]) => states.includes(state)) ?? ['quiet'];
  return badge(kind, text, { 'data-state': state });
}

/** Describe names and their values; entries that are null are left out. */
export function terms(entries) {
  const entry = ([name, ...values]) =>
    html`<div key=${name}><dt>${name}</dt><dd>${values}</dd></div>`;
  return html`<dl class="terms">${entries.filter(Boolean).map(entry)}</dl>`;
}

/** Describe a link to an order's page: its number, or its id where that is not known. */
export const orderLink = (id, number) =>
  id
    ? html`<a href=${orderHash(id)} data-order=${id} title=${id}>${number || shortId(id)}</a>`
    : '–';

/** Describe a link to a job's page. */
export const jobLink = (id) =>
  html`<a class="mono" href=${hashOf('jobs', id)} data-job=${id}>${id}</a>`;

/** Describe an id. */
const shortId = (id) => html`<span class="mono">${id}</span>`;

/** Describe a moment. */
export function moment(f, at) {
  if (!at) return '–';
  const stamp = f.stamp(at);
  return html`<time datetime=${at} title=${stamp}>${stamp}</time>`;
}

/** Say why what is shown is old, or that nothing can be shown; nothing where all is well. */
export function trouble({ t, f, api }, { failure, data, at }) {
  if (failure === null)
    return data === null && html`<p class="soft" data-loading>${t('loading')}</p>`;
  const why = failure.lost ? t('noAnswer') : failure.message;
  // The line above all says it already.
  if (failure.lost && api.lostAt !== null && data !== null) return null;
  const text = data === null ? t('trouble', { why }) : t('stale', { time: f.time(at), why });
  return html`<p class="note" data-trouble=${failure.code}>${text}</p>`;
}

/**
 * Describe a number that stands out, with what it is and a line below; with `href` as a link.
 * @param {string} name
 * @param {string} title
 * @param {string} value
 * @param {string} below
 * @param {{unit?: string, kind?: string | false, href?: string}} [options]
 */
export function tile(name, title, value, below, { unit, kind, href } = {}) {
  return html`<${href ? 'a' : 'div'} class="tile ${kind || ''}" href=${href} data-tile=${name}>
    <span class="soft small">${title}</span>
    <span class="tile-value">${value}${unit && html`<small> ${unit}</small>`}</span>
    <span class="soft small">${below}</span>
  <//>`;
}

/** Describe a choice; `options` are pairs of value and text. */
export function choice({ name, label, value, options, onchange }) {
  return html`<label class="field">
    <span>${label}</span>
    <select name=${name} value=${value} onchange=${(event) => onchange(event.target.value)}>
      ${options.map(([key, text]) => html`<option key=${key} value=${key}>${text}</option>`)}
    </select>
  </label>`;
}

/** Return the text of a state of an actor: two of them have names of their own here. */
export const actorState = (t, state) => t(state === 'paused' ? 'actorPaused' : state);

/** Return the text of a node's role. */
export const roleText = (t, role) => t(role === 'owner' ? 'roleOwner' : (role ?? 'notHeard'));

/** Say how long the lease lasts unless it is renewed. */
export const leaseText = ({ t, f }, leftMs) =>
  leftMs === null ? t('leaseEndless') : t('leaseLeft', { ms: f.ms(Math.max(0, leftMs)) });
