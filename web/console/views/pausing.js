/** Pause and resume: of all orders, and of one. */

import { html } from '../vendor/htm-preact.js';

/** Describe the button that pauses or resumes everything. */
export const pauseAll = (app, paused) =>
  button(app, paused, 'all', 'api/workorder/queue', {
    title: app.t('pauseAllTitle'),
    text: app.t('pauseAllText'),
    yes: app.t('pauseAll'),
    resume: app.t('resumeAll'),
  });

/** Describe the button that pauses or resumes one order. */
export const pauseOne = (app, id, no, paused) =>
  button(app, paused, 'order', `api/workorder/${id}`, {
    title: app.t('pauseOrderTitle', { no }),
    text: app.t('pauseOrderText'),
    yes: app.t('pauseOrder'),
    resume: app.t('resumeOrder'),
  });

function button({ t, acting }, paused, what, path, { resume, ...question }) {
  if (paused) {
    const goOn = () => acting.run('POST', `${path}/resume`);
    return acting.button(`resume-${what}`, resume, goOn, { kind: 'main' });
  }
  return acting.button(`pause-${what}`, question.yes, async () => {
    const values = await acting.ask({ ...question, kind: 'danger', fields: whyField(t) });
    if (values !== null) await acting.run('POST', withReason(`${path}/pause`, values.reason));
  });
}

/** Describe the field for a reason, in a question before something is done. */
export const whyField = (t) => (values) =>
  html`<label class="field">
  <span>${t('whyAsked')}</span>
  <input type="text" name="reason" maxlength="500" value=${values.reason ?? ''}
    oninput=${(event) => (values.reason = event.target.value)} />
</label>`;

/** Return the path of an action with the reason that was entered. */
const withReason = (path, reason) => (reason ? `${path}?${new URLSearchParams({ reason })}` : path);
