/** What shows where the page itself can't: its title, its icon, and its last words. */

const COLOURS = { critical: '%23a3221b', warning: '%23b25c00', none: '%230b5cad' };

/**
 * Let title and icon tell how many alarms there are, and how bad the worst is.
 * @param {{severity: string}[]} alarms the most severe first
 * @param {string} title
 */
export function showAlarm(alarms, title) {
  document.title = alarms.length ? `(${alarms.length}) ${title}` : title;
  const icon = document.querySelector('link[rel="icon"]');
  const severity = alarms[0]?.severity ?? 'none';
  if (!(icon instanceof HTMLLinkElement) || icon.dataset.alarm === severity) return;
  icon.dataset.alarm = severity;
  icon.href = icon.href.replace(/fill='%23[0-9a-f]{6}'/, `fill='${COLOURS[severity]}'`);
}

/**
 * Say that the page can't be shown, and offer to load it anew.
 * @param {Element} place
 * @param {(name: string) => string} t
 * @param {unknown} error
 */
export function showFault(place, t, error) {
  console.error(error);
  const box = element('div', 'start', '');
  box.setAttribute('role', 'alert');
  const retry = element('button', 'button main', t('reload'));
  retry.addEventListener('click', () => location.reload());
  box.append(element('p', '', t('broken')), element('p', 'soft mono', String(error)), retry);
  place.replaceChildren(box);
}

function element(kind, style, text) {
  const made = document.createElement(kind);
  made.className = style;
  made.textContent = text;
  return made;
}
