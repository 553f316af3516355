/** What the log adds up to: over time, by line, operator and more, and how far the plans are. */

import { Chart } from '../kit/chart.js';
import { hashOf, oneOf } from '../kit/hash.js';
import { badge, choice, moment, orderLink, panel, trouble } from '../kit/parts.js';
import { gapped } from '../kit/scale.js';
import { table } from '../kit/table.js';
import { html } from '../vendor/htm-preact.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const EVERY_MS = 30_000;
const ROWS = 100;
/** Up to the most shifts that a year has, eight a day. */
const POINTS = 3000;
/** How far back, what that is called, and in what steps, the usual one first. */
const PERIODS = {
  '7d': [7 * DAY_MS, 'lastWeek', ['shift', 'hour', 'day']],
  '24h': [DAY_MS, 'lastDay', ['hour', 'shift']],
  '30d': [30 * DAY_MS, 'lastMonth', ['day', 'shift', 'hour']],
  '365d': [365 * DAY_MS, 'lastYear', ['day', 'shift']],
};
/** How far apart steps may begin, a little more: where it is longer, nothing was counted. */
const APART = { hour: HOUR_MS, shift: DAY_MS, day: 25 * HOUR_MS };
const GROUPS = ['line', 'operator', 'order', 'material', 'process'];

/** The page of statistics. */
export class Statistics {
  /** @param {import('../main.js').Console} app */
  constructor(app) {
    this.app = app;
    this.chosen = chosenIn(app.route.query);
    const paths = pathsOf(this.chosen);
    this.times = app.poll(paths.times, EVERY_MS);
    this.groups = app.poll(paths.groups, EVERY_MS);
    this.plans = app.poll(paths.plans, EVERY_MS);
    this.chart = new Chart('quantitiesGraph', app.redraw);
    this.fetched = null;
  }

  /** The heading of the page. */
  get title() {
    return this.app.t('statistics');
  }

  /** Show what the address says now. */
  moved(query) {
    this.chosen = chosenIn(query);
    this.#ask();
  }

  /** Ask for what is chosen, up to now: a page that is left open goes on with the time. */
  #ask() {
    const paths = pathsOf(this.chosen);
    this.times.turnTo(paths.times);
    this.groups.turnTo(paths.groups);
  }

  /** Describe the page. */
  render() {
    this.#ask();
    return [this.#overTime(), this.#byGroup(), this.#plans()];
  }

  #choice(name, label, options) {
    const { app, chosen } = this;
    // Another period has a usual step of its own.
    const kept = { ...chosen, step: name === 'period' ? '' : chosen.step };
    const onchange = (value) => app.go(hashOf('statistics', '', { ...kept, [name]: value }));
    return choice({ name, label, value: chosen[name], options, onchange });
  }

  #overTime() {
    const { app, times, chosen } = this;
    const { t, f } = app;
    const [spanMs, spanText, steps] = PERIODS[chosen.period];
    const chooser = html`<div class="actions">
      ${this.#choice(
        'period',
        t('range'),
        Object.entries(PERIODS).map(([key, [, text]]) => [key, t(text)]),
      )}
      ${this.#choice('step', t('step'), steps.map(named(t)))}
    </div>`;
    const drawn = () => {
      const rows = times.data.rows;
      const { at, columns } = gapped(
        rows.map((row) => Date.parse(startOf(row.keys[chosen.step]))),
        [rows.map((row) => row.input.net), rows.map((row) => row.output.net)],
        APART[chosen.step] * 1.05,
      );
      const frame = { spanMs, spanText: t(spanText), marks: [] };
      /** @type {[string, (number | null)[]][]} */
      const lines = [
        ['input', columns[0]],
        ['output', columns[1]],
      ];
      return this.chart.render(app, at, lines, f.number, [], frame);
    };
    return panel(
      'over-time',
      t('statistics'),
      { beside: chooser, about: t('statisticsAbout') },
      trouble(app, times),
      times.data && totals(app, times.data.total),
      times.data && times.shown === times.path && drawn(),
      times.data?.truncated && html`<p class="soft">${t('onlyFirst', { count: POINTS })}</p>`,
    );
  }

  #byGroup() {
    const { app, groups, chosen } = this;
    const { t } = app;
    const { data } = groups;
    const beside = html`<div class="actions">
      ${this.#choice('by', t('groupedBy'), GROUPS.map(named(t)))}
      ${['csv', 'xlsx'].map((form) => this.#export(form))}
    </div>`;
    return panel(
      'by-group',
      t('groupedBy'),
      { beside },
      trouble(app, groups),
      data && data.group[0] === chosen.by && this.#rows(data.rows),
      data?.truncated && html`<p class="soft">${t('onlyFirst', { count: ROWS })}</p>`,
    );
  }

  #rows(rows) {
    const { t, f } = this.app;
    const { by } = this.chosen;
    const most = Math.max(1, ...rows.map((row) => row.output.net));
    const sorted = [...rows].sort((one, other) => other.output.net - one.output.net);
    const name = ({ keys, names }) =>
      by === 'order' ? orderLink(keys.order, names.order) : (names[by] ?? keys[by] ?? '–');
    const bar = (row) => html`<div class="progress">
      <progress max=${most} value=${Math.max(0, row.output.net)} aria-label=${t('output')}></progress>
      <span class="number">${f.number(row.output.net)}</span>
    </div>`;
    return table({
      name: 'groups',
      caption: t('groupedBy'),
      empty: t('nothingCounted'),
      rows: sorted,
      key: (row) => String(row.keys[by]),
      columns: [
        [by, t(by), '', name],
        ['output', t('output'), '', bar],
        ['input', t('input'), 'number', (row) => f.number(row.input.net)],
        ['taken', t('takenBack'), 'number', (row) => f.number(row.output.taken)],
        ['perHour', t('perHour'), 'number', (row) => f.number(row.outputPerHour)],
        ['cycle', t('cycleTime'), 'number', (row) => f.ms(row.cycleS && row.cycleS * 1000)],
      ],
    });
  }

  #export(form) {
    const { app } = this;
    const { by, step, period } = this.chosen;
    const path = `api/statistics/quantities.${form}?group=${by},${step}&${since(period)}`;
    const fetchIt = async () => {
      this.fetched = form;
      app.redraw();
      try {
        await app.api.save(path, `quantities.${form}`);
        this.fetched = null;
      } catch (error) {
        this.fetched = error.message || app.t('noAnswer');
      }
      app.redraw();
    };
    const busy = this.fetched === form;
    return html`<button type="button" class="button" data-act=${`export-${form}`} disabled=${busy}
      onclick=${fetchIt}>${app.t('exportAs', { form: form.toUpperCase() })}</button>
      ${form === 'xlsx' && this.fetched && !['csv', 'xlsx'].includes(this.fetched) && badge('bad', this.fetched, { role: 'alert' })}`;
  }

  #plans() {
    const { app, plans } = this;
    const { t, f } = app;
    const rows = plans.data?.rows;
    const done = (row) => html`<div class="progress">
      <progress max="100" value=${row.fulfilment ?? 0} aria-label=${t('fulfilment')}></progress>
      <span class="number">${f.percent(row.fulfilment)}</span>
    </div>`;
    return panel(
      'plans',
      t('plans'),
      { about: t('plansAbout') },
      trouble(app, plans),
      rows &&
        table({
          name: 'plans',
          caption: t('plans'),
          empty: t('nothingCounted'),
          rows,
          key: (row) => row.workOrderId,
          columns: [
            ['order', t('order'), '', (row) => orderLink(row.workOrderId, row.workOrderNo)],
            ['line', t('line'), '', (row) => row.productionLineName ?? '–'],
            ['fulfilment', t('fulfilment'), '', done],
            ['remaining', t('remaining'), 'number', (row) => f.number(row.remaining)],
            ['perHour', t('perHour'), 'number', (row) => f.number(row.perHour)],
            ['expected', t('expectedEnd'), '', (row) => moment(f, row.expectedEnd)],
          ],
        }),
    );
  }
}

const named = (t) => (name) => [name, t(name)];

/** Read what is chosen; what can't be read is the usual. */
function chosenIn(query) {
  const period = oneOf(Object.keys(PERIODS), query.period);
  return {
    period,
    step: oneOf(PERIODS[period][2], query.step),
    by: oneOf(GROUPS, query.by),
  };
}

function pathsOf({ period, step, by }) {
  const quantities = (group, limit) =>
    `api/statistics/quantities?group=${group}&limit=${limit}&${since(period)}`;
  return {
    times: quantities(step, POINTS),
    groups: quantities(by, ROWS),
    plans: `api/statistics/plans?limit=${ROWS}`,
  };
}

/** Begin at a full hour, so that roll-ups know it. */
function since(period) {
  const at = Math.floor((Date.now() - PERIODS[period][0]) / HOUR_MS) * HOUR_MS;
  return `startDate=${encodeURIComponent(new Date(at).toISOString())}`;
}

/** A day as its first minute on the reader's clock: a date alone would be taken for UTC. */
const startOf = (text) => (text.includes('T') ? text : `${text}T00:00`);

function totals({ t, f }, { input, output, outputPerHour }) {
  return html`<p class="soft" data-totals>
    ${t('input')} <b>${f.number(input.net)}</b> · ${t('output')} <b>${f.number(output.net)}</b>${' · '}
    ${t('perHour')} <b>${f.number(outputPerHour)}</b>
  </p>`;
}
