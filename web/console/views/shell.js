/** The frame around every page: the way between them, what is wrong, and who may do what. */

import { hashOf } from '../kit/hash.js';
import { badge } from '../kit/parts.js';
import { html } from '../vendor/htm-preact.js';

const VIEWS = ['overview', 'actors', 'jobs', 'nodes', 'operations', 'statistics', 'events'];

/** Describe all of it around `inside`. */
export function shell(app, inside) {
  const { t, f, api, acting, alarms, route } = app;
  const stale = api.lostAt !== null && api.heardAt !== null;
  const at = route.view === 'orders' ? 'actors' : route.view;
  const link = (view) => html`<a key=${view} href=${hashOf(view)} data-view=${view}
    aria-current=${view === at ? 'page' : null}>${t(view)}</a>`;
  return html`
    <a class="skip" href="#main" onclick=${skip}>${t('skip')}</a>
    <header>
      <div class="brand">${t('product')} ${environment(app)}</div>
      <nav aria-label=${t('sections')}>${VIEWS.map(link)}</nav>
      <div class="tools">
        ${rights(app)}
        <button type="button" class="button plain" lang=${app.language === 'zh' ? 'en' : 'zh-CN'}
          data-act="language" onclick=${() => app.turnLanguage()}>${t('otherLanguage')}</button>
      </div>
    </header>
    <div role="alert" class="connection">${connection(app)}</div>
    ${route.view !== 'overview' && alarms.strip()}
    ${alarms.announcement()}
    <main key="${route.view} ${route.id}" id="main" tabindex="-1" class=${stale && 'stale'}>
      ${stale && html`<p class="as-of badge warn" data-as-of>${t('asOf', { time: f.time(api.heardAt) })}</p>`}
      <h1 class=${route.id ? '' : 'unseen'}>${app.view.title}</h1>
      ${inside}
    </main>
    ${acting.render()}`;
}

/** Name the installation, so that nobody takes one for the other. */
function environment({ t, rights: poll }) {
  const name = poll.data?.environment;
  if (!name) return null;
  const kind = /^(prod|生产)/i.test(name) ? 'bad' : 'quiet';
  return badge(kind, name, { 'data-environment': name, title: t('environment') });
}

/** Move to the content without a change of the address, which is the page's state. */
function skip(event) {
  event.preventDefault();
  document.getElementById('main').focus();
}

function rights(app) {
  const { t, acting, rights: poll, api } = app;
  const obstacle = poll.data ? acting.obstacle : '';
  return html`
    <span id="obstacle" hidden=${!obstacle} title=${obstacle && t(obstacle)} data-obstacle=${obstacle}>
      ${obstacle && [badge('quiet', t('readOnly')), html`<span class="unseen">${t(obstacle)}</span>`]}
    </span>
    ${
      poll.data?.tokens &&
      html`<button type="button" class="button ${api.token ? 'plain' : ''}"
      data-act="token" onclick=${() => askForToken(app)}>${t('token')}</button>`
    }`;
}

function connection(app) {
  const { t, f, api } = app;
  if (api.lostAt !== null) {
    const text =
      api.heardAt === null
        ? t('lostAtOnce')
        : t('lost', { time: f.time(api.lostAt), seen: f.time(api.heardAt) });
    return html`<p class="bad" data-connection="lost">${text}</p>`;
  }
  if (!api.needsToken) return null;
  return html`<p class="warn" data-connection="token">
    ${t(api.token ? 'tokenWrong' : 'tokenNeeded')}
    <button type="button" class="button main" data-act="enter-token" onclick=${() => askForToken(app)}>
      ${t('tokenTitle')}
    </button>
  </p>`;
}

/** Ask for a token, and use it from now on. */
async function askForToken({ t, acting, api, rights: poll }) {
  const fields = (values) => html`<label class="field">
    <span>${t('tokenField')}</span>
    <input type="password" name="token" autocomplete="off" value=${values.token ?? api.token}
      oninput=${(event) => (values.token = event.target.value)} />
  </label>`;
  const question = { title: t('tokenTitle'), text: t('tokenText'), yes: t('tokenUse'), fields };
  const values = await acting.ask(question);
  if (values === null) return;
  api.token = (values.token ?? api.token).trim();
  poll.now();
}
