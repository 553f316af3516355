/** Calls of the service: what they carry, and what is made of answers and of silence. */

import assert from 'node:assert';
import { test } from 'node:test';

import { Api } from '../../../web/console/kit/api.js';

const ROOT = new URL('https://factory.example/plan/');

/** A service of which the test decides what it answers; it keeps what it was sent. */
function serviceThat(t, answer) {
  const { fetch } = globalThis;
  const sent = [];
  globalThis.fetch = async (url, options) => {
    sent.push({ url: String(url), ...options });
    return answer(sent.length, options);
  };
  t.after(() => (globalThis.fetch = fetch));
  return sent;
}

function anApi() {
  const kept = new Map();
  const storage = {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, text) => kept.set(name, text),
    removeItem: (name) => kept.delete(name),
  };
  const told = [];
  const api = new Api(ROOT, { language: () => 'en', changed: () => told.push(1), storage });
  return { api, told };
}

const reply = (status, body) => new Response(JSON.stringify(body), { status });
const fine = (data) => reply(200, { success: true, message: 'done', data, code: 'OK' });
const refused = (status, code) =>
  reply(status, { success: false, message: 'no', data: null, code });

test('a call goes below the prefix, with language and token', async (t) => {
  const sent = serviceThat(t, () => fine(7));
  const { api } = anApi();
  api.token = 'secret-0123456789';
  assert.strictEqual(await api.get('api/nodes'), 7);
  assert.strictEqual(sent[0].url, 'https://factory.example/plan/api/nodes');
  assert.strictEqual(sent[0].headers.Authorization, 'Bearer secret-0123456789');
  assert.strictEqual(sent[0].headers['Accept-Language'], 'en');
  api.token = '';
  const whole = await api.call('POST', 'api/x', { grace: 0 }, undefined, true);
  assert.strictEqual(whole.message, 'done');
  assert.ok(!('Authorization' in sent[1].headers));
  assert.deepStrictEqual([sent[1].method, sent[1].body], ['POST', '{"grace":0}']);
});

test('a token that no header can carry is not sent', async (t) => {
  const sent = serviceThat(t, () => fine(1));
  const { api } = anApi();
  api.token = '令牌 two';
  await api.get('api/nodes');
  assert.ok(!('Authorization' in sent[0].headers));
});

test('a refusal has its code and words, and 401 asks for a token', async (t) => {
  const codes = [refused(404, 'NOT_FOUND'), refused(401, 'UNAUTHORIZED')];
  serviceThat(t, () => codes.shift());
  const { api } = anApi();
  await assert.rejects(api.get('a'), {
    code: 'NOT_FOUND',
    message: 'no',
    status: 404,
    lost: false,
  });
  assert.strictEqual(api.needsToken, false);
  await assert.rejects(api.get('a'), { code: 'UNAUTHORIZED' });
  assert.deepStrictEqual([api.needsToken, api.lostAt], [true, null]);
});

test('without an answer, or with one of somebody else, the service is lost until it answers', async (t) => {
  const answers = [
    () => Promise.reject(new TypeError('refused')),
    () => new Response('<h1>502 Bad Gateway</h1>', { status: 502 }),
    () => reply(200, { hello: 'portal' }),
    () => fine(1),
  ];
  serviceThat(t, (number) => answers[number - 1]());
  const { api, told } = anApi();
  for (let call = 1; call <= 3; call += 1) {
    await assert.rejects(api.get('a'), { code: 'NO_ANSWER', lost: true });
    assert.ok(api.lostAt !== null && api.heardAt === null);
  }
  assert.strictEqual(told.length, 1, 'told once that it is lost');
  await api.get('a');
  assert.ok(api.lostAt === null && api.heardAt !== null);
  assert.strictEqual(told.length, 2, 'and once that it is back');
});

test('a call that is not wanted any more says nothing of the service', async (t) => {
  serviceThat(
    t,
    (_, { signal }) =>
      new Promise((_done, fail) => {
        signal.addEventListener('abort', () => fail(signal.reason));
      }),
  );
  const { api } = anApi();
  const wanted = new AbortController();
  const call = api.get('a', wanted.signal);
  wanted.abort();
  await assert.rejects(call, { name: 'AbortError' });
  assert.strictEqual(api.lostAt, null);
});
