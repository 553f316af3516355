/** One job: what it is, each of its tries that failed, what became of it, and its lines. */

import { hashOf, orderHash } from '../kit/hash.js';
import {
  badge,
  jobLink,
  moment,
  orderLink,
  panel,
  stateBadge,
  terms,
  trouble,
} from '../kit/parts.js';
import { table } from '../kit/table.js';
import { html } from '../vendor/htm-preact.js';
import { lastUpdates } from './timeline.js';

const JOBS = 'api/workorder/queue/jobs';
/** The names of states, for people. */
export const STATE_NAMES = {
  waiting: 'jobWaiting',
  active: 'jobActive',
  delayed: 'jobDelayed',
  failed: 'jobFailed',
  completed: 'jobCompleted',
};

/** The page of one job. */
export class Job {
  /** @param {import('../main.js').Console} app */
  constructor(app) {
    this.app = app;
    this.id = app.route.id;
    this.job = app.poll(`${JOBS}/${this.id}`, 2000);
    /** @type {import('../kit/poll.js').Poll | null} */
    this.order = null;
  }

  /** The heading of the page. */
  get title() {
    return this.app.t('jobTitle', { id: this.id });
  }

  /** Describe the page. */
  render() {
    const { app, job, title } = this;
    const { t } = app;
    const { data } = job;
    const back = html`<a href=${hashOf('jobs')}>${t('jobs')}</a>`;
    if (job.failure?.code === 'JOB_NOT_FOUND')
      return panel('job', title, {}, html`<p class="note">${t('unknownJob')}</p>`, back);
    if (!data) return panel('job', title, {}, trouble(app, job));
    this.order ??= app.poll(`api/actors/${data.workOrderId}`, 4000);
    return [
      html`<div class="sides">${this.#what(data)}${this.#outcome(data)}</div>`,
      panel('tries', t('triesFailed'), { about: t('triesAbout') }, this.#tries(data)),
      panel('lines', t('jobLines'), { about: t('jobLinesAbout') }, this.#lines(data)),
    ];
  }

  #what(data) {
    const { app, job } = this;
    const { t, f } = app;
    const beside = [
      stateBadge(data.state, t(STATE_NAMES[data.state])),
      data.deadLetter && badge('bad', t('deadLetter')),
      jobActions(app, data),
    ];
    const said = Object.entries(data.logContext).map(([name, value]) => [name, String(value)]);
    const change = `${t(data.type)} ${f.signed(data.quantity)}`;
    return panel(
      'job',
      t('job'),
      { beside },
      trouble(app, job),
      terms([
        [t('order'), orderLink(data.workOrderId, data.workOrderNo)],
        [t('change'), html`<span data-change>${change}</span>`],
        [t('requestKey'), html`<span class="mono">${data.requestId ?? '–'}</span>`],
        ...said,
        [t('received'), moment(f, data.receivedAt)],
        ['X-Request-Id', html`<span class="mono">${data.httpRequestId ?? '–'}</span>`],
      ]),
    );
  }

  #outcome({ state, attempts, finishedAt, error, result, workOrderId }) {
    const { t, f } = this.app;
    const to = (before, after) => `${before ?? '–'} → ${after ?? '–'}`;
    const done = (each) => [
      [t('quantity'), to(f.number(each.beforeQuantity), f.number(each.afterQuantity))],
      [t('orderStatus'), to(t(each.beforeStatus ?? '–'), t(each.afterStatus ?? '–'))],
      [t('progress'), to(f.percent(each.beforeProgress), f.percent(each.afterProgress))],
      [t('seq'), html`<a href=${orderHash(workOrderId)}>${f.number(each.seq)}</a>`],
      each.replayed && [t('firstJob'), jobLink(each.jobId)],
    ];
    const why = () => [
      t('errorCode'),
      html`<b>${error.code}</b><div class="soft detail">${error.message}</div>`,
    ];
    return panel(
      'outcome',
      t('outcome'),
      {},
      terms([
        [t('jobState'), t(STATE_NAMES[state])],
        [t('attempts'), html`<span data-attempts>${f.count(attempts)}</span>`],
        [t('finished'), moment(f, finishedAt)],
        error && why(),
        ...(result ? done(result) : []),
      ]),
    );
  }

  #tries({ attempts, failures }) {
    const { t, f } = this.app;
    return table({
      name: 'tries',
      caption: t('triesFailed'),
      empty: attempts > 0 ? t('noTryFailed') : t('notTried'),
      rows: failures,
      key: (row, index) => `${row.at} ${index}`,
      columns: [
        ['at', t('at'), '', (row) => moment(f, row.at)],
        ['code', t('errorCode'), '', (row) => html`<b>${row.code}</b>`],
        ['message', t('detail'), '', (row) => html`<span class="detail">${row.message}</span>`],
      ],
    });
  }

  #lines({ jobId, result }) {
    const { app, order } = this;
    const { data } = order;
    const ids = [jobId, result?.jobId];
    const shown = data && {
      ...data,
      updates: data.updates.filter((row) => ids.includes(row.jobId)),
    };
    const unknown = order.failure?.code === 'WORK_ORDER_NOT_FOUND';
    return [
      unknown ? html`<p class="soft">${app.t('unknownOrder')}</p>` : trouble(app, order),
      shown && lastUpdates(app, shown, true),
      html`<p class="soft">${app.t('inTheLog')} <code>job_id=${jobId}</code></p>`,
    ];
  }
}

/**
 * Describe what may be done with a job.
 * @param {import('../main.js').Console} app
 * @param {any} job
 */
export function jobActions({ t, f, acting }, job) {
  const { jobId, state, type, quantity, workOrderId, workOrderNo } = job;
  const path = `${JOBS}/${jobId}`;
  const lost = { type: t(type), quantity: f.signed(quantity), order: workOrderNo || workOrderId };
  const question = {
    title: t('removeTitle', { id: jobId }),
    text: state === 'waiting' ? t('removeText', lost) : t('removeDoneText'),
    yes: t('remove'),
    kind: 'danger',
  };
  const remove = async () => {
    if (await acting.ask(question)) await acting.run('DELETE', path);
  };
  const retry = () => acting.run('POST', `${path}/retry`);
  const button = (name, act) => acting.button(name, t(name), act, { about: `${t(name)} ${jobId}` });
  return html`<span class="buttons">
    ${state === 'failed' && button('retry', retry)}
    ${(state === 'waiting' || state === 'failed') && button('remove', remove)}
  </span>`;
}
