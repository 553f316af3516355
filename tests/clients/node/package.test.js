'use strict';

/** The client as callers install it: packed by npm, unpacked elsewhere, required by its name. */

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');

const FOLDER = path.resolve(__dirname, '../../../web/clients/node');
const ROOT = path.resolve(__dirname, '../../..');
const NAME = 'plan-server-client';

function temporary(t) {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), 'plan-server-client-'));
  t.after(() => fs.rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Pack it and install the package for a caller, without a registry; gives the caller's folder. */
function installed(t) {
  const caller = temporary(t);
  const npm = (...order) =>
    execFileSync('npm', [...order, '--offline', '--no-audit', '--no-fund', '--silent'], {
      cwd: caller,
      env: { ...process.env, npm_config_cache: path.join(caller, 'cache') },
      encoding: 'utf8',
    });
  fs.writeFileSync(path.join(caller, 'package.json'), '{ "private": true }');
  const packed = npm('pack', FOLDER, '--pack-destination', caller).trim().split('\n').at(-1);
  npm('install', `./${packed}`);
  return caller;
}

test('a caller requires it by its name, and has all that it needs', (t) => {
  const caller = installed(t);
  const program = `
    const { PlanServerClient, OutboxError } = require('${NAME}');
    const client = new PlanServerClient('http://127.0.0.1:9', { fallback: false });
    client.updateWorkOrderQuantity('xyz', 'input').then(async ({ code }) => {
      await client.close();
      console.log(code, new OutboxError('OUTBOX_FULL', 'full').code);
    });`;
  const said = execFileSync(process.execPath, ['-e', program], { cwd: caller, encoding: 'utf8' });
  assert.equal(said.trim(), 'INVALID_WORK_ORDER_ID OUTBOX_FULL');
});

test('the package holds the modules and the types, and nothing else', (t) => {
  const folder = path.join(installed(t), 'node_modules', NAME);
  const ours = fs.readdirSync(FOLDER).filter((name) => /\.(js|json|d\.ts)$/.test(name));
  assert.deepEqual(fs.readdirSync(folder).sort(), ours.sort());
  const { main, types } = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
  for (const each of [main, types]) assert.ok(ours.includes(each), each);
});

test('it has the version of the service', () => {
  const { version } = JSON.parse(fs.readFileSync(path.join(FOLDER, 'package.json'), 'utf8'));
  const project = fs.readFileSync(path.join(ROOT, 'pyproject.toml'), 'utf8');
  assert.equal(version, /^version = "(.+)"$/m.exec(project)?.[1]);
});
