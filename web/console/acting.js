/** What people may do here: questions before it is done, the call, and what came of it. */

import { h } from './dom.js';

const SHOWN_MS = 8_000;

/** Asks, does, and says how it went: one thing at a time. */
export class Acting {
  /** @param {object} app */
  constructor(app) {
    this.app = app;
    this.busy = false;
    this.asked = null;
    this.shown = null;
    this.said = null;
    this.dialog = null;
  }

  /** Give why nothing may be done here, as a name in the texts; '' when it may. */
  get obstacle() {
    const rights = this.app.rights.data;
    if (rights === null) return 'whyUnknown';
    if (!rights.write) return 'whyReadOnly';
    return rights.access === 'operator' ? '' : 'whyToken';
  }

  /** Describe a button that does something; one that may not be used says why. */
  button(name, label, act, { kind = '', about = null } = {}) {
    const { t } = this.app;
    const obstacle = this.obstacle;
    return h(
      'button',
      {
        key: name,
        type: 'button',
        class: `button ${kind}`.trim(),
        'data-act': name,
        'aria-label': about,
        disabled: obstacle !== '' || this.busy,
        title: obstacle ? t(obstacle) : null,
        'aria-describedby': obstacle ? 'obstacle' : null,
        onclick: act,
      },
      label,
    );
  }

  /**
   * Ask before something is done; give what was entered, or null where it was called off.
   * @param {{title: string, text: string, yes: string, kind?: string, fields?: Function}} question
   */
  ask(question) {
    this.asked?.answer(null);
    return new Promise((answer) => {
      this.asked = { ...question, values: {}, answer };
      this.app.redraw();
    });
  }

  /** Call the service, and say what came of it; give whether it was done. */
  async run(method, path, body) {
    const { api, t } = this.app;
    this.busy = true;
    this.app.redraw();
    try {
      const reply = await api.call(method, path, body, undefined, true);
      this.say('ok', reply.message);
      return true;
    } catch (failure) {
      this.say(
        'bad',
        failure.lost || failure.code === 'TIMEOUT'
          ? t('unknownOutcome')
          : t('failed', { why: failure.message }),
      );
      return false;
    } finally {
      this.busy = false;
      this.app.refresh();
    }
  }

  /** Say something: good news goes by itself, bad news stays. */
  say(kind, text) {
    clearTimeout(this.forget);
    this.said = { kind, text };
    if (kind === 'ok') this.forget = setTimeout(() => this.hush(), SHOWN_MS);
    this.app.redraw();
  }

  /** Show what was said no more. */
  hush() {
    this.said = null;
    this.app.redraw();
  }

  /** Describe the dialog and the line that says how it went. */
  render() {
    return [
      this.#message(),
      h(
        'dialog',
        {
          key: 'dialog',
          'aria-labelledby': 'dialog-title',
          made: (node) => (this.dialog = node),
          onclose: () => this.#closed(),
        },
        this.asked && this.#question(this.asked),
      ),
    ];
  }

  /** Open the dialog where something is asked, once it is on the page. */
  settle() {
    if (this.asked && !this.dialog.open) this.dialog.showModal();
    this.shown = this.asked;
    if (!this.asked && this.dialog.open) this.dialog.close();
  }

  #question({ title, text, yes, kind = '', fields, values }) {
    const { t } = this.app;
    return h(
      'form',
      {
        onsubmit: (event) => {
          event.preventDefault();
          this.#answered(values);
        },
      },
      h('h2', { id: 'dialog-title' }, title),
      h('p', null, text),
      fields?.(values),
      h(
        'div',
        { class: 'buttons' },
        h(
          'button',
          {
            type: 'button',
            class: 'button',
            'data-answer': 'no',
            onclick: () => this.#answered(null),
          },
          t('cancel'),
        ),
        h(
          'button',
          { type: 'submit', class: `button ${kind || 'main'}`, 'data-answer': 'yes' },
          yes,
        ),
      ),
    );
  }

  /** Take a closed dialog for a no; its event may come when the next question is asked already. */
  #closed() {
    if (this.asked === this.shown && !this.dialog.open) this.#answered(null);
  }

  #answered(values) {
    const asked = this.asked;
    this.asked = null;
    asked?.answer(values);
    this.app.redraw();
  }

  #message() {
    const { t } = this.app;
    return h(
      'div',
      { key: 'said', class: 'said', role: 'status', 'aria-live': 'polite' },
      this.said &&
        h(
          'p',
          { class: this.said.kind, 'data-said': this.said.kind },
          h('span', null, this.said.text),
          h(
            'button',
            { type: 'button', class: 'button plain', onclick: () => this.hush() },
            t('close'),
          ),
        ),
    );
  }
}
