'use strict';

/** A service that counts what it is sent, each key once, and fails in the ways a test asks for. */

const assert = require('node:assert');
const http = require('node:http');
const { once } = require('node:events');

const STATUS = {
  UPDATED: 200,
  WORK_ORDER_NOT_FOUND: 404,
  DUPLICATE_OPERATION: 409,
  SYSTEM_ERROR: 500,
  SERVICE_UNAVAILABLE: 503,
  TIMEOUT: 504,
};

/** An item that failed, as a service tells of it. */
const failed = (code, more = {}) => ({
  success: false,
  code,
  message: `about ${code}`,
  status: STATUS[code],
  data: { field: 'f' },
  ...more,
});

/** Faults: each gets the response to make, the items that came, and the request. */
const answers =
  (status, code, headers = {}) =>
  (response) =>
    reply(response, status, code, null, headers);
const says =
  (body, status = 200) =>
  (response) =>
    response.writeHead(status).end(body);
const hangs = () => {};
const breaks = (response) => response.socket.destroy();
const drips = (response) => {
  response.writeHead(200, { 'Content-Length': 1000 });
  const timer = setInterval(() => response.write('{'), 20);
  response.once('close', () => clearInterval(timer));
};

function reply(response, status, code, data = null, headers = {}) {
  const body = JSON.stringify({ success: status === 200, message: `about ${code}`, data, code });
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(body);
}

class FakeService {
  constructor() {
    this.port = 0;
    this.faults = [];
    this.always = null;
    /** Whether calls that meet a fault are applied all the same, as one whose answer is lost. */
    this.late = false;
    this.applied = new Map();
    this.refused = {};
    /** A key that spoils the whole call it comes with. */
    this.poison = null;
    this.bodies = [];
    this.at = [];
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  get keys() {
    return [...this.applied.values()].map((item) => item.requestId);
  }

  get sizes() {
    return this.bodies.map((body) => (body.updates ?? [body]).length);
  }

  async up() {
    this.server = http.createServer((request, response) => this.serve(request, response));
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    const address = this.server.address();
    assert.ok(typeof address === 'object');
    this.port = address.port;
    return this;
  }

  async down() {
    if (!this.server.listening) return;
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  async serve(request, response) {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    this.at.push(performance.now());
    const body = pieces.length ? JSON.parse(Buffer.concat(pieces).toString()) : {};
    const items = body.updates ?? (body.workOrderId ? [body] : []);
    this.bodies.push(body);
    const fault = this.faults.shift() ?? this.always;
    if (fault) {
      if (this.late) this.apply(items);
      fault(response, items, request);
    } else if (items.some((item) => item.requestId === this.poison)) {
      reply(response, 400, 'INVALID_JSON');
    } else if (request.method === 'GET') {
      reply(response, 200, 'OK', { path: request.url });
    } else {
      const results = this.apply(items);
      const { code, data = results[0] } = results[0];
      if (body.updates) reply(response, 200, 'UPDATED', { total: items.length, results });
      else reply(response, STATUS[code], code, data);
    }
  }

  apply(items) {
    return items.map((item) => {
      const code = this.refused[item.workOrderId];
      if (code) return failed(code);
      const name = `${item.workOrderId} ${item.requestId}`;
      const first = this.applied.get(name) ?? item;
      this.applied.set(name, first);
      assert.deepEqual(first, item, 'the same key with another content');
      const about = { message: 'about UPDATED', jobId: item.requestId, queueLength: 0 };
      return { success: true, code: 'UPDATED', ...about };
    });
  }
}

module.exports = { FakeService, answers, breaks, drips, failed, hangs, reply, says };
