/** What is wrong, in plain words: the list, its short form, and what is said aloud. */

import { h } from './dom.js';
import { hashOf, orderHash } from './hash.js';
import { badge, trouble } from './parts.js';

/** Where an alarm leads to, and what the link is called. */
const PLACES = {
  node: ['toNodes', () => hashOf('nodes')],
  actors: ['toActors', () => hashOf('actors', '', { sort: 'oldest' })],
  jobs: ['toJobs', () => hashOf('jobs', '', { state: 'failed' })],
};

/** Alarms as the service tells them; the most severe first. */
export class Alarms {
  /** @param {object} app */
  constructor(app) {
    this.app = app;
    this.poll = app.poll('api/alarms', 3000);
    this.known = '';
    this.aloud = '';
  }

  /** The alarms that there are now. */
  get all() {
    return this.poll.data?.alarms ?? [];
  }

  /** Describe all of them. */
  list() {
    const { t } = this.app;
    const quiet = this.poll.data !== null && this.all.length === 0;
    return h(
      'section',
      { key: 'alarms', class: 'alarms', 'aria-label': t('alarms'), 'data-panel': 'alarms' },
      trouble(this.app, this.poll),
      quiet && h('p', { class: 'quiet-line' }, badge('ok', t('noAlarms'))),
      h(
        'ul',
        null,
        this.all.map((alarm) => this.#entry(alarm)),
      ),
    );
  }

  /** Describe the first of them and their number, for pages that show other things. */
  strip() {
    const { t } = this.app;
    const [first] = this.all;
    if (!first) return null;
    return h(
      'section',
      { key: 'strip', 'aria-label': t('alarms') },
      h(
        'a',
        {
          class: `strip ${first.severity}`,
          href: hashOf('overview'),
          'data-alarms': this.all.length,
        },
        badge(kindOf(first), t(first.severity)),
        h('span', null, first.message),
        this.all.length > 1 && h('b', null, `+${this.all.length - 1}`),
      ),
    );
  }

  /** Describe what is read out: only what is new, as the words of an alarm change each second. */
  announcement() {
    const known = this.all.map((each) => `${each.code} ${each.workOrderId ?? ''}`).join('\n');
    if (known !== this.known) {
      const before = new Set(this.known.split('\n'));
      const fresh = this.all.filter(
        (each) => !before.has(`${each.code} ${each.workOrderId ?? ''}`),
      );
      this.aloud =
        fresh.map((each) => each.message).join(' ') ||
        (this.all.length ? this.aloud : this.app.t('noAlarms'));
      this.known = known;
    }
    return h(
      'div',
      {
        key: 'aloud',
        class: 'unseen',
        role: 'status',
        'aria-live': 'assertive',
        'data-aloud': true,
      },
      this.aloud,
    );
  }

  #entry(alarm) {
    const { t } = this.app;
    const place = PLACES[alarm.show];
    return h(
      'li',
      {
        key: `${alarm.code} ${alarm.workOrderId ?? ''}`,
        class: `alarm ${alarm.severity}`,
        'data-alarm': alarm.code,
      },
      badge(kindOf(alarm), t(alarm.severity)),
      h(
        'div',
        null,
        h('p', { class: 'alarm-message' }, alarm.message),
        h('p', { class: 'soft' }, alarm.advice),
      ),
      alarm.workOrderId
        ? h('a', { class: 'button', href: orderHash(alarm.workOrderId) }, t('toOrder'))
        : place && h('a', { class: 'button', href: place[1]() }, t(place[0])),
    );
  }
}

const kindOf = (alarm) => (alarm.severity === 'critical' ? 'bad' : 'warn');
