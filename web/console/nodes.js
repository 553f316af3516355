/** The nodes: who owns the actors, who could, who did, and what they need. */

import { h } from './dom.js';
import { badge, leaseText, moment, panel, roleText, stateBadge, trouble } from './parts.js';
import { table } from './table.js';

/** The page of the nodes. */
export class Nodes {
  /** @param {object} app */
  constructor(app) {
    this.app = app;
    this.nodes = app.poll('api/nodes', 2000);
  }

  /** The heading of the page. */
  get title() {
    return this.app.t('nodesTitle');
  }

  /** Describe the page. */
  render() {
    const { app, nodes } = this;
    const { t } = app;
    if (!nodes.data) return panel('nodes', t('nodesTitle'), {}, trouble(app, nodes));
    const about = t('toldBy', { node: nodes.data.toldBy });
    return [
      panel('nodes', t('nodesTitle'), { about }, trouble(app, nodes), this.#list(nodes.data)),
      panel('needs', t('dependencies'), { about }, this.#needs(nodes.data.nodes[0])),
      panel('changes', t('ownerChanges'), { about }, this.#changes(nodes.data.ownerChanges)),
    ];
  }

  #list({ nodes, leaseHolder, leaseLeftMs }) {
    const { t, f } = this.app;
    return table({
      name: 'nodes',
      caption: t('nodesTitle'),
      empty: '–',
      columns: [
        { name: 'node', title: t('node') },
        { name: 'role', title: t('role') },
        { name: 'address', title: t('address'), wide: true },
        { name: 'lease', title: t('lease') },
        { name: 'epoch', title: t('epoch'), number: true },
        { name: 'up', title: t('up'), number: true, wide: true },
        { name: 'lag', title: t('loopLag'), number: true, wide: true },
        { name: 'version', title: t('version'), wide: true },
        { name: 'note', title: t('note'), wide: true },
      ],
      rows: nodes.map((each) => ({
        key: each.node,
        cells: {
          node: h('span', { class: 'mono' }, each.node),
          role: stateBadge(each.role, roleText(t, each.role)),
          address: each.url ?? '–',
          epoch: each.epoch ? f.number(each.epoch) : '–',
          up: f.span(each.upS),
          lag: f.ms(each.loopLagMs),
          version: each.version ?? '–',
          lease: each.node === leaseHolder ? leaseText(this.app, leaseLeftMs) : '–',
          note: each.reason || '–',
        },
      })),
    });
  }

  #needs(mine) {
    const { t, f } = this.app;
    return table({
      name: 'needs',
      caption: t('dependencies'),
      empty: '–',
      columns: [
        { name: 'name', title: t('server') },
        { name: 'state', title: t('state') },
        { name: 'since', title: t('sinceSpan'), number: true },
        { name: 'failures', title: t('failures'), number: true },
        { name: 'detail', title: t('note'), wide: true },
      ],
      rows: [
        ['store', mine.store],
        ['lease', mine.lease],
      ].map(([key, each]) => ({
        key,
        cells: {
          name: `${t(key)}: ${each.name}`,
          state: badge(each.ok ? 'ok' : 'bad', each.ok ? t('answers') : t('noAnswer')),
          since: f.span(each.sinceS),
          failures: f.count(each.failures),
          detail: each.ok ? '–' : each.detail,
        },
      })),
    });
  }

  #changes(changes) {
    const { t, f } = this.app;
    return table({
      name: 'changes',
      caption: t('ownerChanges'),
      empty: t('noChangesOfOwner'),
      columns: [
        { name: 'since', title: t('firstSeen') },
        { name: 'node', title: t('owner') },
        { name: 'epoch', title: t('epoch'), number: true },
        { name: 'address', title: t('address'), wide: true },
      ],
      rows: changes.map((each) => ({
        key: `${each.node} ${each.epoch}`,
        cells: {
          since: moment({ f }, each.since),
          node: h('span', { class: 'mono' }, each.node),
          epoch: f.number(each.epoch),
          address: each.url,
        },
      })),
    });
  }
}
