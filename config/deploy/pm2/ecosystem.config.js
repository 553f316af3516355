// Two nodes under pm2 on one machine: `pm2 start config/deploy/pm2/ecosystem.config.js`.
// Settings come from service.env beside this file (see ../service.env.example), so that no password
// is here, in a shell's history or in the list of processes. docs/operating.md has the steps.
'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const CHECKOUT = path.resolve(__dirname, '../../..');
const SETTINGS = path.join(__dirname, 'service.env');
// Where no DATA_DIR is set: the same for both nodes, and for the next version in another folder.
const DATA = path.join(os.homedir(), '.work-order-service');

/** Read NAME=value lines; blank lines and those that begin with # are left out. */
function settings() {
  if (!fs.existsSync(SETTINGS)) return {};
  const lines = fs
    .readFileSync(SETTINGS, 'utf8')
    .split(/\r?\n/)
    .map((line) => line.trim());
  return Object.fromEntries(
    lines
      .filter((line) => line.includes('=') && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}

function node(number, port) {
  return {
    name: `work-orders-${number}`,
    cwd: CHECKOUT,
    // Python itself, not a shell script: pm2's signals must reach the node.
    script: path.join(CHECKOUT, '.venv/bin/python'),
    args: ['-m', 'web'],
    interpreter: 'none',
    exec_mode: 'fork',
    instances: 1,
    env: { DATA_DIR: DATA, ...settings(), PORT: `${port}`, NODE_ID: `work-orders-${number}` },

    autorestart: true,
    // 0.2 s, then half as long again each time up to 15 s, and anew after 30 s up.
    exp_backoff_restart_delay: 200,
    // Mistakes in the settings, which no restart mends: `pm2 logs` names each. pm2 shows such a node
    // as "waiting restart", but leaves it alone.
    stop_exit_codes: [2],
    // pm2 looks every 30 s, and stops it in good order. A node takes 80 MB, and 230 MB more for
    // 100,000 live orders.
    max_memory_restart: '1G',
    // More than SHUTDOWN_S (30): what is queued is finished before the node ends.
    kill_timeout: 40_000,
    // The node has no child processes.
    treekill: false,

    // The service writes one JSON object a line, with its time. pm2-logrotate keeps the files small.
    merge_logs: true,
    time: false,
    vizion: false,
    pmx: false,
    watch: false,
  };
}

module.exports = { apps: [node(1, 3001), node(2, 3002)] };
