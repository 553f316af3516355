'use strict';

/** The service itself, `python -m web`, on SQLite in a folder of its own, with the demo orders. */

const { execFileSync, spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');

const ROOT = path.resolve(__dirname, '../../..');
const PYTHON = process.env.PYTHON ?? path.join(ROOT, '.venv/bin/python');

class RealService {
  constructor(test, settings = {}) {
    this.settings = settings;
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'plan-server-'));
    this.port = 0;
    test.after(async () => {
      await this.kill();
      fs.rmSync(this.folder, { recursive: true, force: true });
    });
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  get environment() {
    const { PATH } = process.env;
    const { folder, settings } = this;
    return { PATH, PORT: String(this.port), DATA_DIR: path.join(folder, 'data'), ...settings };
  }

  /** Start it, on the same port as before; resolves when it serves updates. */
  async start() {
    if (this.port === 0) {
      const order = ['-m', 'scripts.import_orders', '--demo'];
      execFileSync(PYTHON, order, { cwd: ROOT, env: this.environment, stdio: 'ignore' });
    }
    /** @type {('ignore' | 'pipe' | 'inherit')[]} */
    const stdio = ['ignore', 'pipe', 'inherit'];
    this.process = spawn(PYTHON, ['-m', 'web'], { cwd: ROOT, env: this.environment, stdio });
    const wanted = new Set(['service_started', 'owner']);
    for await (const line of readline.createInterface({ input: this.process.stdout })) {
      const event = JSON.parse(line);
      if (event.event === 'service_started') this.port = Number(new URL(event.url).port);
      wanted.delete(event.event);
      if (!wanted.size) break;
    }
    if (wanted.size) throw new Error('the service has not started');
    this.process.stdout.resume();
    return this;
  }

  async kill() {
    if (this.process === undefined || this.process.exitCode !== null || this.process.signalCode)
      return;
    this.process.kill('SIGKILL');
    await once(this.process, 'exit');
  }
}

module.exports = { RealService };
