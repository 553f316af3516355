/** The console: what it knows, where it is, and when it is drawn anew. */

import { Api } from './kit/api.js';
import { formats } from './kit/format.js';
import { parseHash } from './kit/hash.js';
import { Poll } from './kit/poll.js';
import { showAlarm, showFault } from './kit/tab.js';
import { chosenLanguage, writer } from './kit/texts.js';
import { render } from './vendor/htm-preact.js';
import { Acting } from './views/acting.js';
import { Actors } from './views/actors.js';
import { Alarms } from './views/alarms.js';
import { Events } from './views/events.js';
import { Job } from './views/job.js';
import { Jobs } from './views/jobs.js';
import { Nodes } from './views/nodes.js';
import { Operations } from './views/operations.js';
import { Order } from './views/order.js';
import { Overview } from './views/overview.js';
import { shell } from './views/shell.js';
import { Statistics } from './views/statistics.js';

const LANGUAGE = 'work-order-console-language';
const LOST = [{ severity: 'critical' }];
const VIEWS = {
  overview: Overview,
  actors: Actors,
  orders: Order,
  jobs: Jobs,
  nodes: Nodes,
  operations: Operations,
  statistics: Statistics,
  events: Events,
};

/** The page as a whole; the views are given it, and ask it for all that they need. */
export class Console {
  constructor(root, place) {
    this.place = place;
    this.polls = new Set();
    this.broken = false;
    this.redraw = this.redraw.bind(this);
    this.go = this.go.bind(this);
    this.api = new Api(root, { language: () => this.language, changed: this.redraw });
    this.#speak(chosenLanguage(localStorage.getItem(LANGUAGE), navigator.languages));
    this.rights = this.#asking(
      'api/console',
      20_000,
      () => this.#told(),
      () => document.hidden,
    );
    this.acting = new Acting(this);
    this.alarms = new Alarms(this);
    this.lasting = new Set(this.polls);
    this.#arrive();
    addEventListener('hashchange', () => this.#arrive());
    document.addEventListener('visibilitychange', () => this.#seen());
  }

  /** Ask for `path` again and again, until the view is left. */
  poll(path, everyMs) {
    let failed = false;
    const changed = () => {
      // What one is answered again, the others may be as well: they need not wait their turn.
      if (failed && poll.failure === null) this.#askAgain();
      failed = poll.failure !== null;
      this.redraw();
    };
    const poll = this.#asking(path, everyMs, changed, () => document.hidden || this.waiting);
    return poll;
  }

  /** Whether it is not known yet that calls are let in, or known that they are not. */
  get waiting() {
    const { rights, api } = this;
    return api.needsToken || (rights.data === null && rights.failure === null);
  }

  /** Ask for it no more. */
  drop(poll) {
    poll.stop();
    this.polls.delete(poll);
  }

  /** Ask for everything now: something was done. */
  refresh() {
    for (const poll of this.polls) poll.now();
    this.redraw();
  }

  #askAgain() {
    for (const poll of this.polls) if (poll.failure !== null) poll.now();
  }

  /** Go to another state of the page; with `instead` it takes the place of this one. */
  go(hash, instead = false) {
    if (hash === location.hash) return;
    if (!instead) {
      location.hash = hash;
      return;
    }
    history.replaceState(null, '', hash);
    this.#arrive();
  }

  /** Speak the other language. */
  turnLanguage() {
    const other = this.language === 'zh' ? 'en' : 'zh';
    localStorage.setItem(LANGUAGE, other);
    this.#speak(other);
    this.refresh();
  }

  /** Draw it anew, soon and once. */
  redraw() {
    this.drawing ??= requestAnimationFrame(() => {
      this.drawing = null;
      this.#draw();
    });
  }

  #speak(language) {
    this.language = language;
    this.t = writer(language);
    this.f = formats(language);
    document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  }

  #arrive() {
    const before = this.route;
    this.route = parseHash(location.hash);
    const { view, id, query } = this.route;
    if (before?.view === view && before.id === id) {
      this.view.moved?.(query);
    } else {
      this.view?.stop?.();
      for (const poll of this.polls) if (!this.lasting.has(poll)) this.drop(poll);
      const View = view === 'jobs' && id ? Job : VIEWS[view];
      this.view = new View(this);
      this.fresh = before !== undefined;
    }
    this.redraw();
  }

  #asking(path, everyMs, changed, hidden) {
    const poll = new Poll(
      (asked, signal) => this.api.get(asked, signal),
      path,
      everyMs,
      changed,
      hidden,
    );
    this.polls.add(poll);
    return poll;
  }

  /** Take up what the service says of tokens; what waited for that goes on. */
  #told() {
    const { rights, api } = this;
    const waited = !this.begun || api.needsToken;
    if (rights.failure === null)
      api.needsToken = rights.data.tokens && rights.data.access === 'none';
    this.begun = true;
    this.view.follow?.();
    if (waited && !api.needsToken) for (const poll of this.polls) if (poll !== rights) poll.now();
    this.redraw();
  }

  #seen() {
    this.view.follow?.();
    if (!document.hidden) this.refresh();
  }

  #draw() {
    const { t, view } = this;
    if (this.broken) return;
    showAlarm(this.api.lostAt === null ? this.alarms.all : LOST, `${view.title} · ${t('product')}`);
    const focused = document.activeElement;
    try {
      render(shell(this, view.render()), this.place);
    } catch (error) {
      this.broken = true;
      showFault(this.place, t, error);
      return;
    }
    // What had the focus and was moved in the page keeps it.
    if (focused !== document.activeElement && focused instanceof HTMLElement && focused.isConnected)
      focused.focus({ preventScroll: true });
    this.acting.settle();
    if (!this.fresh) return;
    // Another page: reading, and the keyboard, begin at its start.
    this.fresh = false;
    scrollTo(0, 0);
    document.getElementById('main').focus({ preventScroll: true });
  }
}

new Console(new URL('..', import.meta.url), document.getElementById('console'));
