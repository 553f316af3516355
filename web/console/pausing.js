/** Pause and resume: of all orders, and of one. */

/** Describe the button that pauses or resumes everything. */
export function pauseAll(app, paused) {
  const { t, acting } = app;
  if (paused) {
    return acting.button(
      'resume-all',
      t('resumeAll'),
      () => acting.run('POST', 'api/workorder/queue/resume'),
      { kind: 'main' },
    );
  }
  return acting.button('pause-all', t('pauseAll'), async () => {
    const sure = await acting.ask({
      title: t('pauseAllTitle'),
      text: t('pauseAllText'),
      yes: t('pauseAll'),
      kind: 'danger',
    });
    if (sure) await acting.run('POST', 'api/workorder/queue/pause');
  });
}

/** Describe the button that pauses or resumes one order. */
export function pauseOne(app, id, no, paused) {
  const { t, acting } = app;
  const path = `api/workorder/${id}`;
  if (paused)
    return acting.button(
      'resume-order',
      t('resumeOrder'),
      () => acting.run('POST', `${path}/resume`),
      { kind: 'main' },
    );
  return acting.button('pause-order', t('pauseOrder'), async () => {
    const sure = await acting.ask({
      title: t('pauseOrderTitle', { no }),
      text: t('pauseOrderText'),
      yes: t('pauseOrder'),
      kind: 'danger',
    });
    if (sure) await acting.run('POST', `${path}/pause`);
  });
}
