/** The nodes: who owns the actors, who could, who did, and what they need. */

import { badge, leaseText, moment, panel, roleText, stateBadge, trouble } from '../kit/parts.js';
import { table } from '../kit/table.js';
import { html } from '../vendor/htm-preact.js';
import { Shards } from './shards.js';

/** The page of the nodes. */
export class Nodes {
  /** @param {import('../main.js').Console} app */
  constructor(app) {
    this.app = app;
    this.nodes = app.poll('api/nodes', 2000);
    this.shards = new Shards(app);
  }

  /** The heading of the page. */
  get title() {
    return this.app.t('nodesTitle');
  }

  /** Describe the page. */
  render() {
    const { app, nodes } = this;
    const { t } = app;
    if (!nodes.data) return panel('nodes', this.title, {}, trouble(app, nodes));
    const about = t('toldBy', { node: nodes.data.toldBy });
    return [
      panel('nodes', this.title, { about }, trouble(app, nodes), this.#list(nodes.data)),
      this.shards.render(),
      panel('needs', t('dependencies'), { about }, this.#needs(nodes.data.nodes[0])),
      panel('changes', t('ownerChanges'), { about }, this.#changes(nodes.data.ownerChanges)),
    ];
  }

  #list({ nodes, leaseHolder, leaseLeftMs }) {
    const { t, f } = this.app;
    const answers = (name, ok) =>
      ok == null ? '' : badge(ok ? 'ok' : 'bad', `${t(name)}: ${t(ok ? 'answers' : 'noAnswer')}`);
    const reach = (row) => [
      answers('store', row.store?.ok ?? row.storeOk),
      ' ',
      answers('lease', row.lease?.ok ?? row.leaseOk),
    ];
    const lease = (row) => (row.node === leaseHolder ? leaseText(this.app, leaseLeftMs) : '–');
    return table({
      name: 'nodes',
      caption: this.title,
      empty: '–',
      rows: nodes,
      key: (row) => row.node,
      columns: [
        ['node', t('node'), '', mono],
        ['role', t('role'), '', (row) => stateBadge(row.role, roleText(t, row.role))],
        ['address', t('address'), '', (row) => row.url ?? '–'],
        ['lease', t('lease'), '', lease],
        ['epoch', t('epoch'), 'number', (row) => (row.epoch ? f.number(row.epoch) : '–')],
        ['up', t('up'), 'number', (row) => f.span(row.upS)],
        ['lag', t('loopLag'), 'number', (row) => f.ms(row.loopLagMs)],
        ['reach', t('reach'), '', reach],
        ['heard', t('lastHeard'), '', (row) => (row.role ? '–' : moment(f, row.lastHeard))],
        ['version', t('version'), '', (row) => row.version ?? '–'],
        ['note', t('note'), '', (row) => row.reason || '–'],
      ],
    });
  }

  #needs(mine) {
    const { t, f } = this.app;
    const state = ({ ok }) => badge(ok ? 'ok' : 'bad', t(ok ? 'answers' : 'noAnswer'));
    return table({
      name: 'needs',
      caption: t('dependencies'),
      empty: '–',
      rows: ['store', 'lease'].map((key) => ({ key, ...mine[key] })),
      key: (row) => row.key,
      columns: [
        ['name', t('server'), '', (row) => `${t(row.key)}: ${row.name}`],
        ['state', t('state'), '', state],
        ['since', t('sinceSpan'), 'number', (row) => f.span(row.sinceS)],
        ['failures', t('failures'), 'number', (row) => f.count(row.failures)],
        ['detail', t('note'), '', (row) => (row.ok ? '–' : row.detail)],
      ],
    });
  }

  #changes(rows) {
    const { t, f } = this.app;
    return table({
      name: 'changes',
      caption: t('ownerChanges'),
      empty: t('noChangesOfOwner'),
      rows,
      key: (row) => `${row.node} ${row.epoch}`,
      columns: [
        ['since', t('firstSeen'), '', (row) => moment(f, row.since)],
        ['node', t('owner'), '', mono],
        ['epoch', t('epoch'), 'number', (row) => f.number(row.epoch)],
        ['address', t('address'), '', (row) => row.url],
      ],
    });
  }
}

const mono = ({ node }) => html`<span class="mono">${node}</span>`;
