/**
 * Say what a part of the page looks like, and make it so: only what changed is touched, so that
 * focus, selection and open details stay. Text is only ever set as text, never read as HTML.
 */

const SVG = 'http://www.w3.org/2000/svg';
const SVG_TAGS = new Set(['svg', 'g', 'path', 'line', 'rect', 'text', 'circle']);
/** Set as properties, as the attribute says only how they began. */
const PROPERTIES = new Set(['value', 'checked']);
const made = new WeakMap();

/**
 * Describe an element. `key` tells it from its siblings, `made` is called with the new node.
 * @param {string} tag
 * @param {Record<string, unknown> | null} [attributes]
 * @param {...unknown} children strings, numbers, descriptions, arrays of these; null and false are nothing
 */
export function h(tag, attributes, ...children) {
  return { tag, attributes: attributes ?? {}, children };
}

/** Make the children of `parent` as described. */
export function patch(parent, ...children) {
  const { keyed, loose } = presentIn(parent);
  const used = new Set();
  let place = parent.firstChild;
  for (const wanted of flat(children)) {
    const node = taken(wanted, keyed, loose) ?? created(wanted, parent);
    used.add(node);
    while (place !== null && place !== node && isGone(place, used, keyed)) {
      const next = place.nextSibling;
      place.remove();
      place = next;
    }
    if (node === place) place = place.nextSibling;
    else parent.insertBefore(node, place);
    update(node, wanted);
  }
  for (const node of [...parent.childNodes]) if (!used.has(node)) node.remove();
}

/** Make `parent` as described, and give the focus back to what had it and was moved. */
export function render(parent, ...children) {
  const focused = document.activeElement;
  patch(parent, ...children);
  if (focused !== document.activeElement && focused?.isConnected)
    focused.focus({ preventScroll: true });
}

function flat(children) {
  return children
    .flat(Infinity)
    .filter((each) => each !== null && each !== undefined && each !== false)
    .map((each) => (typeof each === 'object' ? each : String(each)));
}

function presentIn(parent) {
  const keyed = new Map();
  const loose = [];
  for (const node of parent.childNodes) {
    const key = made.get(node)?.attributes.key;
    if (key === undefined) loose.push(node);
    else keyed.set(key, node);
  }
  return { keyed, loose };
}

function taken(wanted, keyed, loose) {
  if (typeof wanted === 'string') {
    return takeFrom(loose, (node) => node.nodeType === Node.TEXT_NODE);
  }
  const key = wanted.attributes.key;
  if (key === undefined) return takeFrom(loose, (node) => made.get(node)?.tag === wanted.tag);
  const node = keyed.get(key);
  return made.get(node)?.tag === wanted.tag ? node : undefined;
}

function takeFrom(loose, fits) {
  const at = loose.findIndex(fits);
  return at < 0 ? undefined : loose.splice(0, at + 1)[at];
}

/** Whether a node is in the way and will not be used: what moved stays where it is till its turn. */
function isGone(node, used, keyed) {
  const key = made.get(node)?.attributes.key;
  return !used.has(node) && (key === undefined || !keyed.has(key));
}

function created(wanted, parent) {
  if (typeof wanted === 'string') return document.createTextNode('');
  const { tag, attributes } = wanted;
  const inSvg = SVG_TAGS.has(tag) && (tag === 'svg' || parent.namespaceURI === SVG);
  const node = inSvg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  made.set(node, { tag, attributes: {} });
  attributes.made?.(node);
  return node;
}

function update(node, wanted) {
  if (typeof wanted === 'string') {
    if (node.data !== wanted) node.data = wanted;
    return;
  }
  const before = made.get(node).attributes;
  made.set(node, wanted);
  for (const name of Object.keys(before)) if (!(name in wanted.attributes)) set(node, name, null);
  for (const [name, value] of Object.entries(wanted.attributes)) {
    if (!PROPERTIES.has(name) && before[name] !== value) set(node, name, value);
  }
  patch(node, wanted.children);
  // Last, as a select has its options only now.
  for (const name of PROPERTIES) {
    const value = wanted.attributes[name];
    if (value !== undefined && node[name] !== value) node[name] = value;
  }
}

function set(node, name, value) {
  if (name === 'key' || name === 'made') return;
  if (name.startsWith('on')) node[name] = value;
  else if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? '' : String(value));
}
