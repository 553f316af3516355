/** Small pieces that several views are made of. */

import { h } from './dom.js';
import { orderHash } from './hash.js';

/** What goes with each state: how it is coloured. */
const KINDS = {
  active: 'busy',
  waiting: 'busy',
  delayed: 'warn',
  paused: 'warn',
  IN_PROGRESS: 'busy',
  COMPLETED: 'ok',
  PAUSED: 'warn',
  owner: 'ok',
  taking_over: 'warn',
  draining: 'warn',
  applied: 'ok',
  refused: 'warn',
  failed: 'bad',
  stepped_down: 'warn',
  missed: 'warn',
};

/** Describe a part of a page with a heading of its own. */
export function panel(
  name,
  title,
  { beside = null, about = null, ...attributes } = {},
  ...children
) {
  return h(
    'section',
    {
      key: name,
      'aria-labelledby': `${name}-title`,
      'data-panel': name,
      ...attributes,
      class: `panel ${attributes.class ?? ''}`.trim(),
    },
    h('div', { class: 'panel-head' }, h('h2', { id: `${name}-title` }, title), beside),
    about && h('p', { class: 'soft about' }, about),
    children,
  );
}

/** Describe a short word on a ground: ok, busy, warn, bad or quiet. */
export const badge = (kind, text, attributes = {}) =>
  h('span', { class: `badge ${kind}`, ...attributes }, text);

/** Describe a state's badge; `text` is its name for people. */
export const stateBadge = (state, text) =>
  badge(KINDS[state] ?? 'quiet', text, { 'data-state': state });

/** Describe names and their values; entries that are null are left out. */
export function terms(entries) {
  return h(
    'dl',
    { class: 'terms' },
    entries
      .filter(Boolean)
      .map(([name, ...values]) =>
        h('div', { key: name }, h('dt', null, name), h('dd', null, values)),
      ),
  );
}

/** Describe a link to an order's page: its number, or its id where that is not known. */
export function orderLink(id, number) {
  if (!id) return '–';
  return h('a', { href: orderHash(id), 'data-order': id, title: id }, number || shortId(id));
}

/** Describe an id; where there is little room, its end, by which ids differ. */
export function shortId(id) {
  return h(
    'span',
    { class: 'mono short-id', title: id },
    h('span', { class: 'wide' }, id.slice(0, -8)),
    id.slice(-8),
  );
}

/** Describe a moment; its year only where there is room. */
export function moment({ f }, at) {
  if (!at) return '–';
  const stamp = f.stamp(at);
  return h(
    'time',
    { datetime: at, title: stamp },
    h('span', { class: 'wide' }, stamp.slice(0, 5)),
    stamp.slice(5),
  );
}

/** Say why what is shown is old, or that nothing can be shown; nothing where all is well. */
export function trouble({ t, f, api }, poll) {
  if (poll.failure === null)
    return poll.data === null && h('p', { class: 'soft', key: 'trouble' }, t('loading'));
  const why = poll.failure.lost ? t('noAnswer') : poll.failure.message;
  // The line above all says it already.
  if (poll.failure.lost && api.lostAt !== null && poll.data !== null) return null;
  const text =
    poll.data === null ? t('trouble', { why }) : t('stale', { time: f.time(poll.at), why });
  return h('p', { class: 'note', key: 'trouble', 'data-trouble': poll.failure.code }, text);
}

/** Describe a number that stands out, with what it is and a line below. */
export function tile(name, title, value, below, { unit = null, kind = '', href = null } = {}) {
  const inside = [
    h('span', { class: 'tile-title' }, title),
    h('span', { class: 'tile-value' }, value, unit && h('small', null, ` ${unit}`)),
    h('span', { class: 'tile-below' }, below),
  ];
  return h(
    href ? 'a' : 'div',
    { key: name, class: `tile ${kind}`.trim(), href, 'data-tile': name },
    inside,
  );
}

/** Describe a choice; `options` are pairs of value and text. */
export function choice({ name, label, value, options, onchange }) {
  return h(
    'label',
    { class: 'field', key: name },
    h('span', null, label),
    h(
      'select',
      { name, value, onchange: (event) => onchange(event.target.value) },
      options.map(([key, text]) => h('option', { key, value: key }, text)),
    ),
  );
}

/** Give the text of a state of an actor: two of them have names of their own here. */
export const actorState = (t, state) => t(state === 'paused' ? 'actorPaused' : state);

/** Give the text of a node's role. */
export const roleText = (t, role) => t(role === 'owner' ? 'roleOwner' : (role ?? 'notHeard'));

/** Say how long the lease lasts unless it is renewed. */
export const leaseText = ({ t, f }, leftMs) =>
  leftMs === null ? t('leaseEndless') : t('leaseLeft', { ms: f.ms(Math.max(0, leftMs)) });

/** Give the text of an update's type. */
export const typeText = (t, type) =>
  t(type === 'input' || type === 'output' ? type : (type ?? '–'));
