'use strict';
// What APM agents rely on: the events of node:diagnostics_channel, async context of each request by itself, traceparent.
const test = require('node:test');
const assert = require('node:assert');
const path = require('node:path');
const { App } = require('./serve-app');

const ROUTES = `version: 1
server: { workers: 1 }
modules: [agent.js]
routes:
  /sync/:id: sync.js
  /async: async.js
  /stream: stream.js
  /fetch/*path: fetch.mjs
  /node/*path: { node: node.js }
  /fails: fails.js
  /never: { GET: never.js, timeout: 200ms }
  /told: told.js
  /context/:id: context.js
  /leak: leak.js
  /seen: seen.js
`;

/** An agent as they are: it subscribes before the app loads, and keeps a span for each request. */
const AGENT = `const channels = require('node:diagnostics_channel');
const { AsyncLocalStorage } = require('node:async_hooks');
const store = new AsyncLocalStorage();
const spans = [];
let n = 0;
channels.subscribe('http.server.request.start', ({ request, response, socket, server }) => {
  const span = { id: ++n, method: request.method, url: request.url, agent: request.headers['user-agent'], trace: request.headers.traceparent,
    remote: socket.remoteAddress, raw: request.rawHeaders.length % 2, on: typeof server.on, closed: false };
  request.span = span;
  spans.push(span);
  response.on('close', () => (span.closed = true));
  if (process.env.ENTER === '1') store.enterWith(span);
});
channels.subscribe('http.server.response.finish', ({ request, response }) => {
  Object.assign(request.span, { status: response.statusCode, type: response.getHeader('content-type'), in: store.getStore()?.id === request.span.id });
});
module.exports = { spans, store };
`;

const HANDLERS = {
  'agent.js': AGENT,
  'sync.js': `module.exports = (req) => { req.addHeader('content-type', 'text/x-sync'); return 'sync'; };`,
  'async.js': `module.exports = async (req) => { await null; req.setStatusCode(201); return { a: 1 }; };`,
  'stream.js': `module.exports = async function* (req) { yield 'a'; await new Promise(setImmediate); yield 'b'; };`,
  'fetch.mjs': `export default { fetch: (request) => new Response('fetched', { status: 203, headers: { 'content-type': 'text/x-fetch' } }) };`,
  'node.js': `module.exports = (req, res) => { res.statusCode = 202; res.setHeader('content-type', 'text/x-node'); res.end(req.span ? 'span' : 'none'); };`,
  'fails.js': `module.exports = () => { throw new Error('broken'); };`,
  'never.js': `module.exports = () => undefined;`,
  'told.js': `module.exports = () => require('./agent').spans;`,
  'seen.js': `module.exports = () => ({ id: require('./agent').store.getStore()?.id ?? null });`,
  'leak.js': `module.exports = () => { require('./agent').store.enterWith({ id: 'leaked' }); return 'leaked'; };`,
  'context.js': `const { store } = require('./agent');
module.exports = (req) => store.run(req.params.id, async () => {
  await null;
  const first = store.getStore();
  await new Promise((resolve) => setTimeout(resolve, 0)); // another turn of the loop
  return { first, second: store.getStore(), late: await new Promise((resolve) => setImmediate(() => resolve(store.getStore()))) };
});`,
};

const ask = async (url, headers = {}) => {
  const res = await fetch(url, { headers });
  return [res.status, await res.text()];
};

const SPANS = [
  ['/sync/7?x=1', 200, 'text/x-sync'],
  ['/async', 201, undefined],
  ['/stream', 200, undefined],
  ['/fetch/a', 203, 'text/x-fetch'],
  ['/node/a', 202, 'text/x-node'],
  ['/fails', 500, undefined],
  ['/never', 504, undefined],
];

async function spansOf(t, isolation, env) {
  const app = new App(t, { 'actix.yaml': ROUTES.replace('workers: 1', `workers: 1, isolation: ${isolation}`), ...HANDLERS });
  const { url } = await app.serveWith(env, '--port', '0');
  for (const [to, status] of SPANS) assert.strictEqual((await ask(url + to, { 'user-agent': 'tester' }))[0], status, to);
  return JSON.parse((await ask(`${url}/told`))[1]).slice(0, SPANS.length);
}

for (const isolation of ['thread', 'process']) {
  for (const enter of ['0', '1']) {
    test(`an agent sees each request (isolation: ${isolation}${enter === '1' ? ', with async context' : ''})`, async (t) => {
      const spans = await spansOf(t, isolation, { ENTER: enter });
      for (const [i, [to, status, type]] of SPANS.entries()) {
        const span = spans[i];
        assert.deepStrictEqual(
          { ...span, id: undefined, in: undefined },
          { id: undefined, method: 'GET', url: to, agent: 'tester', remote: '127.0.0.1', raw: 0, on: 'function', closed: true, status, in: undefined, ...(type && { type }) },
        );
        if (status !== 504) assert.strictEqual(span.in, enter === '1', to); // a timer of the server answers 504
      }
    });
  }
}

test('an agent that wraps emit() of the server runs the handler within', async (t) => {
  const app = new App(t, {
    'actix.yaml': 'version: 1\nserver: { workers: 1 }\nroutes: { /: h.js, /node: { node: n.js } }\n',
    'agent.js': `const channels = require('node:diagnostics_channel');
const { AsyncLocalStorage } = require('node:async_hooks');
globalThis.store = new AsyncLocalStorage();
const wrapped = new WeakSet();
channels.subscribe('http.server.request.start', ({ server }) => {
  if (wrapped.has(server)) return;
  wrapped.add(server);
  const { emit } = server;
  server.emit = function (event, ...args) {
    return event === 'request' ? store.run(args[0].url, () => Reflect.apply(emit, this, [event, ...args])) : Reflect.apply(emit, this, [event, ...args]);
  };
});`,
    'h.js': `module.exports = async () => { await null; return store.getStore(); };`,
    'n.js': `module.exports = (req, res) => setImmediate(() => res.end(store.getStore()));`,
  });
  const { url } = await app.serveWith({ NODE_OPTIONS: `--require ${path.join(app.dir, 'agent.js')}` }, '--port', '0');
  assert.deepStrictEqual(await ask(`${url}/?a`), [200, '/?a']);
  assert.deepStrictEqual(await ask(`${url}/node?b`), [200, '/node?b']);
});

test('who subscribes later is told from then on, and who leaves is told no more', async (t) => {
  const app = new App(t, {
    'actix.yaml': 'version: 1\nserver: { workers: 1 }\nroutes: { /: h.js, /on: on.js, /off: off.js, /count: count.js }\n',
    'agent.js': `let n = 0;
module.exports = { count: () => n, hear: () => n++, channels: require('node:diagnostics_channel') };`,
    'h.js': `module.exports = () => 'h';`,
    'on.js': `const { channels, hear } = require('./agent');
module.exports = () => { channels.subscribe('http.server.response.finish', hear); return 'on'; };`,
    'off.js': `const { channels, hear } = require('./agent');
module.exports = () => { channels.unsubscribe('http.server.response.finish', hear); return 'off'; };`,
    'count.js': `module.exports = () => require('./agent').count();`,
  });
  const { url } = await app.serve('--port', '0');
  const count = async () => Number((await ask(`${url}/count`))[1]);
  await ask(url);
  assert.strictEqual(await count(), 0);
  await ask(`${url}/on`);
  await ask(url);
  assert.strictEqual(await count(), 1); // and itself one more, when it is answered
  await ask(`${url}/off`);
  const told = await count();
  await ask(url);
  assert.strictEqual(await count(), told);
});

test('a client that goes: closed, not finished', async (t) => {
  const app = new App(t, {
    'actix.yaml': 'version: 1\nserver: { workers: 1 }\nroutes: { /wait: wait.js, /told: told.js }\n',
    'agent.js': AGENT,
    'wait.js': `require('./agent');
module.exports = (req) => new Promise((resolve) => { console.log('entered'); req.signal.addEventListener('abort', resolve); });`,
    'told.js': HANDLERS['told.js'],
  });
  const served = await app.serve('--port', '0');
  const abort = new AbortController();
  const asked = fetch(`${served.url}/wait`, { signal: abort.signal }).catch(() => 'aborted');
  while (!served.stdout.includes('entered')) await new Promise((resolve) => served.child.stdout.once('data', resolve));
  abort.abort();
  assert.strictEqual(await asked, 'aborted');
  for (;;) {
    const [span] = JSON.parse((await ask(`${served.url}/told`))[1]);
    if (!span.closed) continue;
    assert.strictEqual(span.status, undefined);
    break;
  }
});

/** So that several are in one batch. */
function pipelined(port, targets) {
  return new Promise((resolve, reject) => {
    const socket = require('node:net').connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (bytes) => (text += bytes)).on('end', () => resolve(text)).on('error', reject);
    socket.end(targets.map((to, i) => `GET ${to} HTTP/1.1\r\nHost: a\r\n${i === targets.length - 1 ? 'Connection: close\r\n' : ''}\r\n`).join(''));
  });
}

test('async context is one request’s own', async (t) => {
  const app = new App(t, { 'actix.yaml': ROUTES, ...HANDLERS });
  const { url, port } = await app.serveWith({ ENTER: '0' }, '--port', '0');
  const all = await Promise.all(Array.from({ length: 50 }, async (_, i) => JSON.parse((await ask(`${url}/context/${i}`))[1])));
  all.forEach((seen, i) => assert.deepStrictEqual(seen, { first: String(i), second: String(i), late: String(i) }));
  for (let i = 0; i < 3; i++) {
    const text = await pipelined(port, ['/leak', '/seen', '/leak', '/seen', '/seen']);
    assert.strictEqual(text.match(/\{"id":null\}/g)?.length, 3, text);
  }
  assert.deepStrictEqual(await ask(`${url}/seen`), [200, '{"id":null}']);
});

const TRACE = '0af7651916cd43dd8448eb211c80319c';

test('traceparent reaches the handler, the access log and the log of errors', async (t) => {
  const app = new App(t, {
    'actix.yaml': 'version: 1\nserver: { workers: 1 }\nlog: { access: access.log, format: json, output: server.log }\nroutes: { /: h.js, /fails: fails.js }\n',
    'h.js': `module.exports = (req) => ({ header: req.headers.traceparent ?? null });`,
    'fails.js': HANDLERS['fails.js'],
  });
  const served = await app.serve('--port', '0');
  const good = `00-${TRACE}-b7ad6b7169203331-01`;
  const values = [good, undefined, `00-${'0'.repeat(32)}-b7ad6b7169203331-01`, 'nonsense', `cc-${TRACE}-b7ad6b7169203331-01-more`];
  for (const traceparent of values) {
    const [, text] = await ask(served.url, traceparent && { traceparent });
    assert.deepStrictEqual(JSON.parse(text), { header: traceparent ?? null });
  }
  await ask(`${served.url}/fails`, { traceparent: good });
  await served.signal('SIGTERM');
  const lines = (name) => app.read(name).trim().split('\n').map((line) => JSON.parse(line));
  assert.deepStrictEqual(lines('access.log').map((line) => line.trace_id), [TRACE, undefined, undefined, undefined, TRACE, TRACE]);
  assert.deepStrictEqual(lines('server.log').filter(({ msg }) => msg.includes('broken')).map((line) => line.trace_id), [TRACE]);
});
