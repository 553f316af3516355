/** The frame around every page: the way between them, what is wrong, and who may do what. */

import { h } from './dom.js';
import { hashOf } from './hash.js';
import { badge } from './parts.js';

const VIEWS = ['overview', 'actors', 'jobs', 'nodes', 'events'];

/** Describe all of it around `inside`. */
export function shell(app, inside) {
  const { t, acting, alarms, route } = app;
  return [
    h('a', { key: 'skip', class: 'skip', href: '#main', onclick: skip }, t('skip')),
    h(
      'header',
      { key: 'header' },
      h('div', { class: 'brand' }, t('product')),
      h(
        'nav',
        { 'aria-label': t('sections') },
        VIEWS.map((view) =>
          h(
            'a',
            {
              key: view,
              href: hashOf(view),
              'aria-current': isAt(route, view) ? 'page' : null,
              'data-view': view,
            },
            t(view),
          ),
        ),
      ),
      h(
        'div',
        { class: 'tools' },
        rights(app),
        h(
          'button',
          {
            key: 'language',
            type: 'button',
            class: 'button plain',
            lang: app.language === 'zh' ? 'en' : 'zh-CN',
            'data-act': 'language',
            onclick: () => app.turnLanguage(),
          },
          t('otherLanguage'),
        ),
      ),
    ),
    connection(app),
    route.view !== 'overview' && alarms.strip(),
    alarms.announcement(),
    h(
      'main',
      { key: 'main', id: 'main', tabindex: '-1' },
      h('h1', { class: route.view === 'orders' ? null : 'unseen', key: 'title' }, app.view.title),
      inside,
    ),
    acting.render(),
  ];
}

/** Move to the content without a change of the address, which is the page's state. */
function skip(event) {
  event.preventDefault();
  document.getElementById('main').focus();
}

function isAt(route, view) {
  return route.view === view || (view === 'actors' && route.view === 'orders');
}

function rights(app) {
  const { t, acting, rights: poll, api } = app;
  const obstacle = poll.data ? acting.obstacle : '';
  return [
    h(
      'span',
      {
        id: 'obstacle',
        key: 'obstacle',
        hidden: !obstacle,
        title: obstacle && t(obstacle),
        'data-obstacle': obstacle,
      },
      obstacle && [badge('quiet', t('readOnly')), h('span', { class: 'unseen' }, t(obstacle))],
    ),
    poll.data?.tokens &&
      h(
        'button',
        {
          key: 'token',
          type: 'button',
          class: `button ${api.token ? 'plain' : ''}`,
          'data-act': 'token',
          onclick: () => askForToken(app),
        },
        t('token'),
      ),
  ];
}

function connection(app) {
  const { t, f, api } = app;
  const text =
    api.lostAt === null
      ? null
      : api.heardAt === null
        ? t('lostAtOnce')
        : t('lost', { time: f.time(api.lostAt), seen: f.time(api.heardAt) });
  return h(
    'div',
    { key: 'connection', role: 'alert', class: 'connection' },
    text && h('p', { class: 'bad', 'data-connection': 'lost' }, text),
    !text &&
      api.needsToken &&
      h(
        'p',
        { class: 'warn', 'data-connection': 'token' },
        t(api.token ? 'tokenWrong' : 'tokenNeeded'),
        ' ',
        h(
          'button',
          {
            type: 'button',
            class: 'button main',
            'data-act': 'enter-token',
            onclick: () => askForToken(app),
          },
          t('tokenTitle'),
        ),
      ),
  );
}

/** Ask for a token, and use it from now on. */
export async function askForToken(app) {
  const { t, acting, api } = app;
  const fields = (values) =>
    h(
      'label',
      { class: 'field' },
      h('span', null, t('tokenField')),
      h('input', {
        type: 'password',
        name: 'token',
        autocomplete: 'off',
        value: values.token ?? api.token,
        oninput: (event) => (values.token = event.target.value),
      }),
    );
  const values = await acting.ask({
    title: t('tokenTitle'),
    text: t('tokenText'),
    yes: t('tokenUse'),
    fields,
  });
  if (values === null) return;
  api.token = (values.token ?? api.token).trim();
  app.rights.now();
}
