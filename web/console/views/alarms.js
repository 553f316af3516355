/** What is wrong, in plain words: the list, its short form, and what is said aloud. */

import { hashOf, orderHash } from '../kit/hash.js';
import { badge, trouble } from '../kit/parts.js';
import { html } from '../vendor/htm-preact.js';

/** Where an alarm leads to, and what the link is called. */
const PLACES = {
  node: ['toNodes', hashOf('nodes')],
  actors: ['toActors', hashOf('actors', '', { sort: 'oldest' })],
  paused: ['toPaused', hashOf('operations')],
  jobs: ['toJobs', hashOf('jobs', '', { state: 'failed' })],
};

/** Alarms as the service tells them; the most severe first. */
export class Alarms {
  /** @param {import('../main.js').Console} app */
  constructor(app) {
    this.app = app;
    this.poll = app.poll('api/alarms', 3000);
    this.known = new Set();
    this.aloud = '';
  }

  /** The alarms that there are now. */
  get all() {
    return this.poll.data?.alarms ?? [];
  }

  /** Describe all of them. */
  list() {
    const { t } = this.app;
    const quiet = this.poll.data?.ok;
    return html`<section class="alarms" aria-label=${t('alarms')} data-panel="alarms">
      ${trouble(this.app, this.poll)}
      ${quiet && html`<p>${badge('ok', t('noAlarms'))}</p>`}
      <ul>${this.all.map((alarm) => this.#entry(alarm))}</ul>
    </section>`;
  }

  /** Describe the first of them and their number, for pages that show other things. */
  strip() {
    const { t } = this.app;
    const [first, ...others] = this.all.filter((each) => each.overS === null);
    if (!first) return null;
    return html`<section aria-label=${t('alarms')}>
      <a class="strip ${first.severity}" href=${hashOf('overview')} data-alarms=${others.length + 1}>
        ${mark(t, first)}<span>${first.message}</span>${others.length > 0 && html`<b>+${others.length}</b>`}
      </a>
    </section>`;
  }

  /** Describe what is read out: only what is new, as the words of an alarm change each second. */
  announcement() {
    const fresh = this.all.filter((each) => !this.known.has(nameOf(each)));
    if (fresh.length) this.aloud = fresh.map((each) => each.message).join(' ');
    else if (!this.all.length && this.known.size) this.aloud = this.app.t('noAlarms');
    this.known = new Set(this.all.map(nameOf));
    return html`<div class="unseen" role="status" aria-live="assertive" data-aloud>${this.aloud}</div>`;
  }

  #since({ sinceS, overS }) {
    const { t, f } = this.app;
    return overS === null
      ? t('alarmSince', { span: f.span(sinceS) })
      : t('overSince', { span: f.span(overS) });
  }

  #below(consequences) {
    const { t, f } = this.app;
    const line = (each) => html`<li data-consequence=${each.code}>${each.message}</li>`;
    return html`<details>
      <summary>${t('consequences', { count: f.count(consequences.length) })}</summary>
      <ul>${consequences.map(line)}</ul>
    </details>`;
  }

  #entry(alarm) {
    const { t } = this.app;
    const [name, hash] = alarm.workOrderId
      ? ['toOrder', orderHash(alarm.workOrderId)]
      : (PLACES[alarm.show] ?? []);
    return html`<li key=${nameOf(alarm)} class="alarm ${alarm.overS === null ? alarm.severity : 'over'}" data-alarm=${alarm.code}>
      ${mark(t, alarm)}
      <div>
        <p class="alarm-message">${alarm.message}</p>
        <p class="soft">${this.#since(alarm)}${alarm.itself && ` · ${alarm.itself}`}</p>
        <p class="soft">${alarm.advice}</p>
        ${alarm.consequences.length > 0 && this.#below(alarm.consequences)}
      </div>
      ${name && html`<a class="button" href=${hash}>${t(name)}</a>`}
    </li>`;
  }
}

const KINDS = { critical: 'bad', warning: 'warn' };
const nameOf = ({ code, workOrderId = '' }) => `${code} ${workOrderId}`;
const mark = (t, { severity, overS }) =>
  overS === null ? badge(KINDS[severity], t(severity)) : badge('quiet', t('over'));
