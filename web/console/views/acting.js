/** What people may do here: questions before it is done, the call, and what came of it. */

import { html } from '../vendor/htm-preact.js';

const SHOWN_MS = 8_000;

/** Asks, does, and says how it went: one thing at a time. */
export class Acting {
  /** @param {import('../main.js').Console} app */
  constructor(app) {
    this.app = app;
    this.busy = false;
    /** @type {any} */
    this.asked = null;
    this.shown = null;
    this.said = null;
    this.dialog = null;
    this.take = (node) => (this.dialog = node);
  }

  /** Why nothing may be done here, as a name in the texts; '' when it may. */
  get obstacle() {
    const rights = this.app.rights.data;
    if (rights === null) return 'whyUnknown';
    if (!rights.write) return 'whyReadOnly';
    return rights.access === 'operator' ? '' : 'whyToken';
  }

  /**
   * Describe a button that does something; one that may not be used says why.
   * @param {string} name
   * @param {string} label
   * @param {() => unknown} act
   * @param {{kind?: string, about?: string}} [options]
   */
  button(name, label, act, { kind = '', about } = {}) {
    const { obstacle } = this;
    const why = obstacle && { title: this.app.t(obstacle), 'aria-describedby': 'obstacle' };
    return html`<button key=${name} type="button" class="button ${kind}" data-act=${name} aria-label=${about}
      disabled=${obstacle !== '' || this.busy} ...${why || {}} onclick=${act}>${label}</button>`;
  }

  /**
   * Ask before something is done; resolves to what was entered, or null where it was called off.
   * @param {{title: string, text: string, yes: string, kind?: string, fields?: Function}} question
   * @returns {Promise<Record<string, any> | null>}
   */
  ask(question) {
    this.asked?.answer(null);
    return new Promise((answer) => {
      this.asked = { ...question, values: {}, answer };
      this.app.redraw();
    });
  }

  /** Call the service, and say what came of it. */
  async run(method, path, body) {
    const { api, t } = this.app;
    this.busy = true;
    this.app.redraw();
    try {
      this.say('ok', (await api.call(method, path, body, undefined, true)).message);
    } catch (failure) {
      const unknown = failure.lost || failure.code === 'TIMEOUT';
      this.say('bad', unknown ? t('unknownOutcome') : t('failed', { why: failure.message }));
    } finally {
      this.busy = false;
      this.app.refresh();
    }
  }

  /** Look at what would be done, before it is asked whether to; says why where it can't be read. */
  async look(path) {
    const { api, t } = this.app;
    try {
      return await api.get(path);
    } catch (failure) {
      this.say('bad', t('trouble', { why: failure.lost ? t('noAnswer') : failure.message }));
      return null;
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
    const { said, asked } = this;
    const message = () => html`<p class=${said.kind} data-said=${said.kind}>
      <span>${said.text}</span>
      <button type="button" class="button plain" onclick=${() => this.hush()}>${this.app.t('close')}</button>
    </p>`;
    return html`
      <div class="said" role="status" aria-live="polite">${said && message()}</div>
      <dialog aria-labelledby="dialog-title" ref=${this.take} onclose=${() => this.#closed()}>
        ${asked && this.#question(asked)}
      </dialog>`;
  }

  /** Open the dialog where something is asked, once it is on the page. */
  settle() {
    if (this.asked && !this.dialog.open) this.dialog.showModal();
    this.shown = this.asked;
    if (!this.asked && this.dialog.open) this.dialog.close();
  }

  #question({ title, text, yes, kind = 'main', fields, values }) {
    const submit = (event) => {
      event.preventDefault();
      this.#answered(values);
    };
    return html`<form onsubmit=${submit}>
      <h2 id="dialog-title">${title}</h2>
      <p>${text}</p>
      ${fields?.(values)}
      <div class="buttons">
        <button type="button" class="button" data-answer="no" onclick=${() => this.#answered(null)}>
          ${this.app.t('cancel')}
        </button>
        <button type="submit" class="button ${kind}" data-answer="yes">${yes}</button>
      </div>
    </form>`;
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
}
