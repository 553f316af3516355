/** What shows beside the page: its title, its icon, and its last words. */

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { showAlarm, showFault } from '../../../web/console/kit/tab.js';

class Link {
  href = "data:image/svg+xml,fill='%230b5cad'/%3E stroke='%23fff'";
  dataset = {};
}

class Place {
  children = [];
  replaceChildren(...children) {
    this.children = children;
  }
}

const element = () => ({
  children: [],
  setAttribute: () => {},
  addEventListener: () => {},
  append(...children) {
    this.children.push(...children);
  },
});

let icon;

beforeEach(() => {
  icon = new Link();
  const world = /** @type {any} */ (globalThis);
  world.HTMLLinkElement = Link;
  world.document = { title: '', querySelector: () => icon, createElement: element };
});

test('title and icon tell how many alarms there are and how bad the worst is', () => {
  const told = [];
  for (const alarms of [
    [],
    [{ severity: 'warning' }],
    [{ severity: 'critical' }, { severity: 'warning' }],
    [],
  ]) {
    showAlarm(alarms, 'Overview');
    told.push([document.title, icon.href.match(/fill='([^']+)'/)[1]]);
  }
  assert.deepEqual(told, [
    ['Overview', '%230b5cad'],
    ['(1) Overview', '%23b25c00'],
    ['(2) Overview', '%23a3221b'],
    ['Overview', '%230b5cad'],
  ]);
});

test('a fault of the page is said in words, with a way to load it anew', (context) => {
  context.mock.method(console, 'error', () => {});
  const place = new Place();
  showFault(/** @type {any} */ (place), (name) => name, new TypeError('no such thing'));
  const [box] = place.children;
  const said = box.children.map((each) => each.textContent);
  assert.deepEqual(said, ['broken', 'TypeError: no such thing', 'reload']);
});
