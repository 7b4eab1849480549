'use strict';
// Modules with fetch(request, ctx) under the real server, a Hono app beside its own server, and middleware (`use`).
const test = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { App, get, until } = require('./serve-app');

const MODULES = path.resolve(__dirname, '../../node_modules');
const installed = fs.existsSync(path.join(MODULES, 'hono')) && fs.existsSync(path.join(MODULES, '@hono/node-server'));
const skip = /^v18\./.test(process.version) ? 'its own server (@hono/node-server) needs Node 20' : !installed && 'hono is not installed (npm ci)';

const HANDLER = `
const seen = {};
const kinds = {
  url: (r) => r.url,
  'instance-of': (r) => [r instanceof Request, r.headers instanceof Headers, new Response('') instanceof Response, r.constructor === Object],
  headers: (r) => [[...r.headers], r.headers.get('X-Twice'), r.headers.get('none'), r.headers.has('host')],
  text: async (r) => [await r.text(), r.bodyUsed, await r.text().catch((e) => e.name)],
  json: async (r) => await r.json().catch((e) => e.name),
  bytes: async (r) => [...new Uint8Array(await r.arrayBuffer())],
  body: async (r) => { if (r.body === null) return null; let text = ''; for await (const p of r.body) text += Buffer.from(p).toString(); return [text, r.bodyUsed]; },
  clone: async (r) => { const c = r.clone(); return [await r.text(), await c.text()]; },
  form: async (r) => { const f = await r.formData(); const file = f.get('f'); return [f.get('a'), file?.name, await file?.text()]; },
  again: async (r) => { const n = new Request(r, { headers: { x: 'y' } }); return [n.method, n.url, n.headers.get('x'), await n.text()]; },
  other: (r) => [r.method, r.mode, r.redirect, r.duplex, r.signal instanceof AbortSignal],
  self: async (r) => { const res = await fetch(new Request(new URL('/f/text', r.url), { method: 'POST', body: 'x', duplex: 'half' })); return [res.status, res instanceof Response, await res.json()]; },
  forward: async (r) => { const res = await fetch(r.headers.get('to'), r); return res.json(); },
  ctx: (r, ctx, third) => [ctx === third, ctx.params, ctx.env === process.env, typeof ctx.passThroughOnException(), ctx.req.getHeader('host') === r.headers.get('host')],
  wait: (r, ctx) => { ctx.waitUntil(Promise.reject(new Error('behind'))); return 'ok'; },
  throw: () => { throw Object.assign(new Error('teapot'), { status: 418 }); },
  nothing: () => undefined,
  signal: async (r) => { r.signal.addEventListener('abort', () => { seen.aborted = r.signal.reason.name; }); seen.entered = true; await new Promise(() => undefined); },
  seen: () => seen,
};
module.exports = {
  async fetch(request, ctx, third) {
    const name = ctx.params.kind;
    const value = await kinds[name](request, ctx, third);
    if (value === undefined) return undefined;
    return value instanceof Response ? value : Response.json(value);
  },
};
`;

const MANIFEST = `
server: { listen: 0, workers: 1 }
routes:
  /f/:kind: f.js
`;

async function served(t, files) {
  const app = new App(t, files);
  fs.symlinkSync(MODULES, path.join(app.dir, 'node_modules'));
  return app.serve();
}

test('the Request is what the standard says', async (t) => {
  const s = await served(t, { 'actix.yaml': MANIFEST, 'f.js': HANDLER });
  const ask = async (kind, init, query = '') => (await fetch(`${s.url}/f/${kind}${query}`, init)).json();
  const post = (body, headers = {}) => ({ method: 'POST', body, headers });
  assert.strictEqual(await ask('url', {}, "?a=b%20c&d='"), `${s.url}/f/url?a=b%20c&d=%27`);
  assert.deepStrictEqual(await ask('instance-of'), [true, true, true, false]);
  assert.deepStrictEqual(await ask('text', post('ä')), ['ä', true, 'TypeError']);
  assert.deepStrictEqual(await ask('text'), ['', false, '']);
  assert.deepStrictEqual(await ask('json', post('{"a":1}')), { a: 1 });
  assert.deepStrictEqual(await ask('json', post('{')), 'SyntaxError');
  assert.deepStrictEqual(await ask('bytes', post(Buffer.from([0, 255]))), [0, 255]);
  assert.deepStrictEqual(await ask('body'), null);
  assert.deepStrictEqual(await ask('body', post('abc')), ['abc', true]);
  assert.deepStrictEqual(await ask('clone', post('abc')), ['abc', 'abc']);
  assert.deepStrictEqual(await ask('again', post('abc')), ['POST', `${s.url}/f/again`, 'y', 'abc']);
  assert.deepStrictEqual(await ask('other', { method: 'PUT' }), ['PUT', 'cors', 'follow', 'half', true]);
  assert.deepStrictEqual(await ask('self'), [200, true, ['x', true, 'TypeError']]);
  assert.deepStrictEqual(await ask('forward', post('abc', { to: `${s.url}/f/text` })), ['abc', true, 'TypeError']);
  const form = new FormData();
  form.set('a', 'b');
  form.set('f', new Blob(['content']), 'f.txt');
  assert.deepStrictEqual(await ask('form', post(form)), ['b', 'f.txt', 'content']);
});

test('headers of one name are joined', async (t) => {
  const s = await served(t, { 'actix.yaml': MANIFEST, 'f.js': HANDLER });
  const headers = await new Promise((resolve, reject) => {
    const socket = net.connect(s.port, '127.0.0.1', () =>
      socket.end('GET /f/headers HTTP/1.1\r\nHost: Example.test:80\r\nX-Twice: 1\r\nUser-Agent: a\r\nx-twice: 2\r\nUser-Agent: b\r\nCookie: a=1\r\nCookie: b=2\r\nConnection: close\r\n\r\n'));
    let text = '';
    socket.on('data', (data) => (text += data)).on('close', () => resolve(text)).on('error', reject);
  });
  assert.deepStrictEqual(JSON.parse(headers.slice(headers.indexOf('\r\n\r\n') + 4)), [
    [['connection', 'close'], ['cookie', 'a=1; b=2'], ['host', 'Example.test:80'], ['user-agent', 'a, b'], ['x-twice', '1, 2']],
    '1, 2', null, true,
  ]);
});

test('the context, errors and the signal', async (t) => {
  const s = await served(t, { 'actix.yaml': MANIFEST, 'f.js': HANDLER });
  const ctx = JSON.parse((await get(`${s.url}/f/ctx`)).body);
  assert.deepStrictEqual(ctx, [true, { kind: 'ctx' }, true, 'undefined', true]);
  assert.strictEqual((await get(`${s.url}/f/wait`)).status, 200);
  await until(() => /work behind waitUntil failed: behind/.test(s.stderr));
  const thrown = await get(`${s.url}/f/throw`);
  assert.deepStrictEqual([thrown.status, thrown.body], [418, '{"error":"teapot"}']);
  assert.strictEqual((await get(`${s.url}/f/nothing`)).status, 500);
  const req = http.get(`${s.url}/f/signal`, { agent: false });
  req.on('error', () => undefined);
  const seen = async () => JSON.parse((await get(`${s.url}/f/seen`)).body);
  await until(async () => (await seen()).entered);
  req.destroy();
  await until(async () => (await seen()).aborted === 'AbortError');
});

const HONO = `
import { Hono } from 'hono';
import { cors } from 'hono/cors';
import { etag } from 'hono/etag';
import { basicAuth } from 'hono/basic-auth';
import { getCookie, setCookie, deleteCookie } from 'hono/cookie';
import { stream, streamText, streamSSE } from 'hono/streaming';
import { HTTPException } from 'hono/http-exception';
const app = new Hono();
app.use('/mw/*', cors({ origin: 'http://a.test', credentials: true }));
app.use('/etag/*', etag());
app.use('/auth/*', basicAuth({ username: 'u', password: 'p' }));
app.use('/after/*', async (c, next) => { await next(); c.header('x-after', 'yes'); c.res.headers.append('x-after', 'twice'); });
app.get('/', (c) => c.text('Hello'));
app.get('/json', (c) => c.json({ q: c.req.query('q'), all: c.req.queries('q'), h: c.req.header('x-a') ?? null }));
app.get('/html', (c) => c.html('<p>ä</p>'));
app.get('/users/:id{[0-9]+}', (c) => c.json(c.req.param()));
app.get('/files/*', (c) => c.text(c.req.path));
app.post('/echo', async (c) => c.json(await c.req.json(), 201));
app.post('/text', async (c) => c.text((await c.req.text()).toUpperCase()));
app.post('/form', async (c) => { const b = await c.req.parseBody({ all: true }); return c.json({ a: b.a, f: b.f instanceof File ? [b.f.name, b.f.type, await b.f.text()] : null }); });
app.put('/bytes', async (c) => c.body(await c.req.arrayBuffer()));
app.get('/cookies', (c) => { setCookie(c, 'a', '1', { httpOnly: true }); setCookie(c, 'b', 'ü'); deleteCookie(c, 'c'); return c.json(getCookie(c)); });
app.get('/redirect', (c) => c.redirect('/json'));
app.get('/none', (c) => c.body(null, 204));
app.get('/mw/x', (c) => c.text('mw'));
app.get('/after/x', (c) => c.text('after'));
app.get('/etag/x', (c) => c.text('tagged'));
app.get('/auth/x', (c) => c.text('in'));
app.get('/stream', (c) => stream(c, async (s) => { await s.write(new Uint8Array([65])); await s.sleep(2); await s.write('B'); }));
app.get('/stream-text', (c) => streamText(c, async (s) => { await s.writeln('one'); await s.sleep(2); await s.write('two'); }));
app.get('/sse', (c) => streamSSE(c, async (s) => { for (let id = 0; id < 3; id++) await s.writeSSE({ data: 'x' + id, event: 'e', id: String(id) }); }));
app.get('/throws', () => { throw new Error('inside'); });
app.get('/http-error', () => { throw new HTTPException(403, { message: 'no' }); });
app.onError((err, c) => (err instanceof HTTPException ? err.getResponse() : c.text('caught ' + err.message, 500)));
app.notFound((c) => c.json({ missing: c.req.path }, 404));
export default app;
`;

const requests = [
  ['GET', '/'], ['HEAD', '/'], ['GET', '/json?q=1&q=%C3%A4&x', { 'x-a': 'b' }], ['GET', '/html'], ['GET', '/users/12'],
  ['GET', '/users/x'], ['GET', '/files/a%20b/c'], ['POST', '/echo', { 'content-type': 'application/json' }, '{"a":"ä"}'],
  ['POST', '/text', {}, 'abc'], ['POST', '/text', {}, ''], ['POST', '/form', { 'content-type': 'application/x-www-form-urlencoded' }, 'a=1&a=2'],
  ['POST', '/form', { 'content-type': 'multipart/form-data; boundary=b' },
    '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; name="f"; filename="x.txt"\r\nContent-Type: a/b\r\n\r\nfile\r\n--b--\r\n'],
  ['PUT', '/bytes', {}, Buffer.from([0, 1, 255])], ['GET', '/cookies', { cookie: 'x=1; y=%20' }], ['GET', '/redirect'], ['GET', '/none'],
  ['GET', '/mw/x', { origin: 'http://a.test' }], ['OPTIONS', '/mw/x', { origin: 'http://a.test', 'access-control-request-method': 'GET' }],
  ['GET', '/after/x'], ['GET', '/etag/x'], ['GET', '/etag/x', { 'if-none-match': '"nothing"' }], ['GET', '/auth/x'],
  ['GET', '/auth/x', { authorization: `Basic ${btoa('u:p')}` }], ['GET', '/stream'], ['GET', '/stream-text'], ['GET', '/sse'],
  ['GET', '/throws'], ['GET', '/http-error'], ['GET', '/missing'], ['DELETE', '/'], ['PATCH', '/echo', {}, 'x'],
];

/** What a client sees, but for the framing and what is about the connection. */
function told(base, [method, target, headers = {}, body]) {
  return new Promise((resolve, reject) => {
    const req = http.request(base + target, { method, headers, agent: false }, (res) => {
      const pieces = [];
      res.on('data', (data) => pieces.push(data)).on('error', reject);
      res.on('end', () => {
        const seen = Object.entries(res.headers).filter(([name]) => !OWN.has(name)).sort(([a], [b]) => (a < b ? -1 : 1));
        resolve({ status: res.statusCode, headers: seen, body: Buffer.concat(pieces).toString('latin1') });
      });
    });
    req.on('error', reject);
    req.end(body);
  });
}
const OWN = new Set(['date', 'connection', 'keep-alive', 'content-length', 'transfer-encoding', 'x-request-id']);

test('a Hono app answers as on its own server', { skip }, async (t) => {
  const manifest = 'server: { listen: 0, workers: 1 }\nroutes:\n  /*path: app.mjs\n';
  const app = new App(t, { 'actix.yaml': manifest, 'app.mjs': HONO });
  fs.symlinkSync(MODULES, path.join(app.dir, 'node_modules'));
  const s = await app.serve();
  const { serve } = await import(pathToFileURL(require.resolve('@hono/node-server')).href);
  const { default: hono } = await import(pathToFileURL(path.join(app.dir, 'app.mjs')).href);
  const [server, port] = await new Promise((resolve) => {
    const own = serve({ fetch: hono.fetch, port: 0, hostname: '127.0.0.1' }, (info) => resolve([own, info.port]));
  });
  t.after(() => new Promise((resolve) => server.close(resolve)));
  for (const request of requests) {
    const [got, want] = [await told(s.url, request), await told(`http://127.0.0.1:${port}`, request)];
    assert.deepStrictEqual(got, want, `${request[0]} ${request[1]}`);
  }
  assert.strictEqual((await get({ port: s.port, path: '/', method: 'HEAD' })).headers['content-length'], '5');
});

const LOG = `
exports.seen = [];
exports.default = async (req, next) => {
  req.addHeader('x-outer', '1');
  const value = await next();
  exports.seen.push(req.path, typeof value);
};
`;
const GATE = `
module.exports = (req, next) => {
  if (req.getHeader('x-key') === null) return { closed: true };
  if (req.getHeader('x-key') === 'throw') throw Object.assign(new Error('denied'), { status: 403 });
  if (req.getHeader('x-key') === 'twice') { next(); next(); }
  return next();
};
`;

test('middleware runs around the handler, outermost first', async (t) => {
  const manifest = `
server: { listen: 0, workers: 1 }
rules:
  /in: { use: [log.js] }
routes:
  /in/a: a.js
  /in/f: f.js
  /in/gate: { GET: { handler: a.js, use: [log.js, gate.js] } }
  /in/none: { GET: { handler: a.js, use: [] } }
  /in/pong: { respond: pong }
  /seen: a.js#seen
`;
  const s = await served(t, {
    'actix.yaml': manifest, 'log.js': LOG, 'gate.js': GATE,
    'a.js': "module.exports = async () => 'a'; module.exports.seen = () => require('./log.js').seen;",
    'f.js': "module.exports = { fetch: () => new Response('f', { status: 201 }) };",
  });
  const ask = async (name, key) => {
    const res = await get({ port: s.port, path: name, headers: key === undefined ? {} : { 'x-key': key } });
    return [res.status, res.headers['x-outer'], res.body];
  };
  assert.deepStrictEqual(await ask('/in/a'), [200, '1', 'a']);
  assert.deepStrictEqual(await ask('/in/f'), [201, '1', 'f']);
  assert.deepStrictEqual(await ask('/in/gate'), [200, '1', '{"closed":true}']);
  assert.deepStrictEqual(await ask('/in/gate', 'yes'), [200, '1', 'a']);
  assert.deepStrictEqual((await ask('/in/gate', 'throw'))[0], 403);
  assert.deepStrictEqual((await ask('/in/gate', 'twice'))[0], 500);
  assert.deepStrictEqual(await ask('/in/none'), [200, undefined, 'a']);
  assert.deepStrictEqual(await ask('/in/pong'), [200, undefined, 'pong']);
  assert.deepStrictEqual((await ask('/seen'))[2], JSON.stringify(['/in/a', 'string', '/in/f', 'object', '/in/gate', 'object', '/in/gate', 'string']));
});

test('middleware that cannot be is an error at its place', (t) => {
  const app = new App(t, {
    'actix.yaml': 'routes:\n  /a: { handler: a.js, use: [b.js] }\n  /b: { handler: a.js, use: [c.js, d.js] }\n',
    'a.js': 'module.exports = () => 1;', 'b.js': 'module.exports = { not: 1 };', 'c.js': 'throw new Error("at the top");', 'd.js': 'module.exports = () => 1;',
  });
  const { code, stderr } = app.run('check');
  assert.strictEqual(code, 3);
  assert.match(stderr, /^actix\.yaml:2:30: b\.js is named under `use` but exports no default function \(req, next\) => \.\.\.$/m);
  assert.match(stderr, /^actix\.yaml:3:30: cannot load c\.js: at the top/m);
});

test('a Host that no URL can have is no error of the handler', async (t) => {
  const a = new App(t, {
    'actix.yaml': 'server: { listen: "127.0.0.1:0", workers: 1 }\nroutes:\n  /*path: u.js\n',
    'u.js': 'module.exports = { fetch: (request) => new Response(new URL(request.url).href) };',
  });
  const s = await a.serve();
  for (const host of ['%00', '[::1]:99999', 'a:99999', '300.1.1.1', 'a.0xf', 'xn--a', '127.0.0.256']) {
    const body = await new Promise((resolve, reject) =>
      http.get(`${s.url}/x?y`, { agent: false, headers: { host } }, (res) => res.setEncoding('utf8').once('data', resolve)).on('error', reject),
    );
    assert.equal(body, 'http://localhost/x?y', host);
  }
});
