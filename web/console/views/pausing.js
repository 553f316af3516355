/** Pause and resume: of all orders, and of one. */

/** Describe the button that pauses or resumes everything. */
export const pauseAll = ({ t, acting }, paused) =>
  button(acting, paused, 'all', 'api/workorder/queue', {
    title: t('pauseAllTitle'),
    text: t('pauseAllText'),
    yes: t('pauseAll'),
    resume: t('resumeAll'),
  });

/** Describe the button that pauses or resumes one order. */
export const pauseOne = ({ t, acting }, id, no, paused) =>
  button(acting, paused, 'order', `api/workorder/${id}`, {
    title: t('pauseOrderTitle', { no }),
    text: t('pauseOrderText'),
    yes: t('pauseOrder'),
    resume: t('resumeOrder'),
  });

function button(acting, paused, what, path, { resume, ...question }) {
  if (paused) {
    const goOn = () => acting.run('POST', `${path}/resume`);
    return acting.button(`resume-${what}`, resume, goOn, { kind: 'main' });
  }
  return acting.button(`pause-${what}`, question.yes, async () => {
    if (await acting.ask({ ...question, kind: 'danger' }))
      await acting.run('POST', `${path}/pause`);
  });
}
