/** The state of the page in its address: `#/orders/<id>`, `#/actors?sort=oldest&search=…`. */

const VIEWS = new Set([
  'overview',
  'actors',
  'orders',
  'jobs',
  'nodes',
  'operations',
  'statistics',
  'events',
]);
const ID = /^[0-9a-f]{24}$/i;
/** Pages that have one of their own for each thing that they are about. */
const WITH_IDS = new Set(['orders', 'jobs']);

/**
 * Read an address's hash; what can't be read leads to the overview.
 * @param {string} hash
 * @returns {{view: string, id: string, query: Record<string, string>}}
 */
export function parseHash(hash) {
  const [path, search = ''] = hash.replace(/^#?\/?/, '').split('?', 2);
  const [view, id = ''] = path.split('/');
  const query = Object.fromEntries(new URLSearchParams(search));
  if (WITH_IDS.has(view) && ID.test(id)) return { view, id: id.toLowerCase(), query };
  if (view === 'orders' || !VIEWS.has(view)) return { view: 'overview', id: '', query: {} };
  return { view, id: '', query };
}

/**
 * Write a hash; empty values are left out, and the first page.
 * @param {string} view
 * @param {string} [id]
 * @param {Record<string, string | number | null | undefined>} [query]
 */
export function hashOf(view, id = '', query = {}) {
  const kept = Object.entries(query).filter(
    ([name, value]) => value !== '' && value != null && !(name === 'page' && value === 1),
  );
  const search = new URLSearchParams(kept.map(([name, value]) => [name, String(value)])).toString();
  const path = view === 'overview' ? '' : `${view}${id && `/${id}`}`;
  return `#/${path}${search && `?${search}`}`;
}

/** Write the hash of an order's page. */
export const orderHash = (id) => hashOf('orders', id);

/** Read a page's number; 1 where there is none. */
export function pageOf(query) {
  const number = Number(query.page);
  return Number.isInteger(number) && number >= 1 && number <= 1_000_000 ? number : 1;
}

/** Give `wanted` where it is one of `allowed`, else the first of these. */
export const oneOf = (allowed, wanted) => (allowed.includes(wanted) ? wanted : allowed[0]);
