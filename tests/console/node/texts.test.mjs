/** The texts: both languages, the same values in both, and none that is missing or unused. */

import assert from 'node:assert';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

import { chosenLanguage, TEXTS, writer } from '../../../web/console/kit/texts.js';

const FOLDER = new URL('../../../web/console/', import.meta.url);
const sources = ['./', 'kit/', 'views/']
  .flatMap((folder) => readdirSync(new URL(folder, FOLDER)).map((name) => folder + name))
  .filter((name) => name.endsWith('.js') && !name.endsWith('/texts.js'))
  .map((name) => readFileSync(new URL(name, FOLDER), 'utf8'))
  .join('\n');

test('every text is in both languages, with the same values to fill in', () => {
  const values = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
  for (const [name, both] of Object.entries(TEXTS)) {
    assert.strictEqual(both.length, 2, name);
    assert.ok(
      both.every((text) => text.trim()),
      name,
    );
    assert.deepStrictEqual(values(both[0]), values(both[1]), name);
  }
});

test('every text that the modules name is there', () => {
  const named = [...sources.matchAll(/\bt\('([^']+)'/g)].map(([, name]) => name);
  assert.ok(named.length > 100);
  assert.deepStrictEqual(
    named.filter((name) => !Object.hasOwn(TEXTS, name)),
    [],
  );
});

test('no text is left that nothing names', () => {
  // What comes from the service is not in the sources: states, roles, events, what an actor does;
  // nor are the names of what is done with many jobs, which are put together.
  const fromOutside =
    /^(event\.|op\.|opText\.|(retry|discard)(All|These|AllTitle|AllText)$|[A-Z_]+$|idle$|waiting$|active$|delayed$|standby$|taking_over$|draining$|stopped$|critical$|warning$|committing$|reading the |waiting for the )/;
  const unused = Object.keys(TEXTS).filter(
    (name) => !fromOutside.test(name) && !sources.includes(`'${name}'`),
  );
  assert.deepStrictEqual(unused, []);
});

test('the language is the one chosen before, else the first of the browser that there is', () => {
  assert.strictEqual(chosenLanguage('en', ['zh-CN']), 'en');
  assert.strictEqual(chosenLanguage(null, ['fr', 'en-US', 'zh']), 'en');
  assert.strictEqual(chosenLanguage('fr', ['ZH-TW']), 'zh');
  assert.strictEqual(chosenLanguage(null, []), 'zh');
});

test('values are filled in, and what is no text of ours is shown as it is', () => {
  const t = writer('en');
  assert.strictEqual(t('orderTitle', { no: 'WO-1' }), 'Order WO-1');
  assert.strictEqual(t('SOME_NEW_STATE'), 'SOME_NEW_STATE');
  assert.strictEqual(t('toString'), 'toString');
  assert.strictEqual(t(null), '–');
});
