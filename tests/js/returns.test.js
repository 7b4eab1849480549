'use strict';
// Handler modules: what is returned or thrown is the response.
const test = require('node:test');
const assert = require('node:assert');
const { Readable } = require('node:stream');
const { raw, request, serve } = require('./support');

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';
const BYTES = 'application/octet-stream';
const NDJSON = 'application/x-ndjson';
const OOPS = '{"error":"Internal Server Error"}';
const foreign = { status: 203, headers: new Map([['x-map', 'yes']]), arrayBuffer: async () => new Uint8Array([65]).buffer };

// [name, handler, status, type, body]
const rows = [
  ['string', () => 'ä', 200, TEXT, 'ä'],
  ['empty string', () => '', 200, TEXT, ''],
  ['null', () => null, 204, null, ''],
  ['null with status', (r) => (r.setStatusCode(202), null), 202, null, ''],
  ['number', () => 1.5, 200, JSON_TYPE, '1.5'],
  ['NaN', () => NaN, 200, JSON_TYPE, 'null'],
  ['zero', () => 0, 200, JSON_TYPE, '0'],
  ['false', () => false, 200, JSON_TYPE, 'false'],
  ['array', () => [1, 'a'], 200, JSON_TYPE, '[1,"a"]'],
  ['object', () => ({ a: null }), 200, JSON_TYPE, '{"a":null}'],
  ['object like a Response but none', () => ({ status: 404, headers: {} }), 200, JSON_TYPE, '{"status":404,"headers":{}}'],
  ['date', () => new Date(0), 200, JSON_TYPE, '"1970-01-01T00:00:00.000Z"'],
  ['Buffer', () => Buffer.from('AB'), 200, BYTES, 'AB'],
  ['Uint8Array', () => new Uint8Array([65]), 200, BYTES, 'A'],
  ['ArrayBuffer', () => new Uint8Array([65]).buffer, 200, BYTES, 'A'],
  ['big Buffer', () => Buffer.alloc(300000, 65), 200, BYTES, 'A'.repeat(300000)],
  ['Response', () => new Response('x', { status: 201, headers: { 'content-type': 'a/b' } }), 201, 'a/b', 'x'],
  ['Response without body', () => new Response(null, { status: 204 }), 204, null, ''],
  ['Response.json', () => Response.json({ a: 1 }), 200, 'application/json', '{"a":1}'],
  ['foreign Response', () => foreign, 203, null, 'A'],
  ['Response used up', async () => { const r = new Response('x'); await r.text(); return r; }, 500, JSON_TYPE, OOPS],
  ['Error', () => new Error('x'), 500, JSON_TYPE, OOPS],
  ['Error with status', () => Object.assign(new Error('no'), { status: 404 }), 404, JSON_TYPE, '{"error":"no","path":"/22"}'],
  ['thrown 503', () => { throw Object.assign(new Error('secret'), { status: 503 }); }, 503, JSON_TYPE, '{"error":"Service Unavailable"}'],
  ['thrown object without a message', () => { throw { status: 403, secret: 1 }; }, 403, JSON_TYPE, '{"error":"Forbidden"}'],
  ['thrown object without a prototype', () => { throw Object.create(null); }, 500, JSON_TYPE, OOPS],
  ['thrown 400 with a long message', () => { throw Object.assign(new Error('é'.repeat(5000)), { status: 400 }); }, 400, JSON_TYPE, `{"error":"${'é'.repeat(5000)}"}`],
  ['thrown 400 without message', () => { throw Object.assign(new Error(), { status: 400 }); }, 400, JSON_TYPE, '{"error":"Bad Request"}'],
  ['status out of range', () => { throw Object.assign(new Error('x'), { status: 200 }); }, 500, JSON_TYPE, OOPS],
  ['status no integer', () => { throw Object.assign(new Error('x'), { status: '404' }); }, 500, JSON_TYPE, OOPS],
  ['thrown string', () => { throw 'x'; }, 500, JSON_TYPE, OOPS],
  ['thrown null', () => { throw null; }, 500, JSON_TYPE, OOPS],
  ['thrown undefined', () => { throw undefined; }, 500, JSON_TYPE, OOPS],
  ['thrown hostile', () => { throw { get status() { throw new Error('x'); } }; }, 500, JSON_TYPE, OOPS],
  ['async string', async () => 'x', 200, TEXT, 'x'],
  ['async null', async () => null, 204, null, ''],
  ['async throw', async () => { throw Object.assign(new Error('no'), { status: 409 }); }, 409, JSON_TYPE, '{"error":"no"}'],
  ['async without answer', async () => undefined, 500, JSON_TYPE, OOPS],
  ['async that has sent', async (r) => { await r.sendTextAsync('x'); }, 200, TEXT, 'x'],
  ['thenable', () => ({ then: (ok) => ok('x') }), 200, TEXT, 'x'],
  ['thenable that throws', () => ({ then() { throw new Error('x'); } }), 500, JSON_TYPE, OOPS],
  ['undefined, then from a callback', (r) => void setImmediate(() => r.sendText('x')), 200, TEXT, 'x'],
  ['returned after a send', (r) => (r.sendText('x'), 'ignored'), 200, TEXT, 'x'],
  ['thrown after a send', (r) => { r.sendText('x'); throw new Error('after'); }, 200, TEXT, 'x'],
  ['sent twice', (r) => { r.sendText('x'); r.sendText('y'); }, 200, TEXT, 'x'],
  ['status and headers apply', (r) => (r.setStatusCode(201), r.addHeader('content-type', 'a/b'), { a: 1 }), 201, 'a/b', '{"a":1}'],
  ['length of the handler\'s own', (r) => (r.addHeader('content-length', '9'), 'x'), 200, TEXT, 'x'],
  ['204 with a body', (r) => (r.setStatusCode(204), 'x'), 204, null, ''],
  ['205 with a body', (r) => (r.setStatusCode(205), 'x'), 205, null, ''],
  ['205 with bytes', (r) => (r.setStatusCode(205), Buffer.from('x')), 205, null, ''],
  ['418', (r) => (r.setStatusCode(418), 'x'), 418, TEXT, 'x'],
  ['function', () => () => 1, 500, JSON_TYPE, OOPS],
  ['bigint', () => 1n, 500, JSON_TYPE, OOPS],
  ['symbol', () => Symbol('x'), 500, JSON_TYPE, OOPS],
  ['circular', () => { const a = []; a.push(a); return a; }, 500, JSON_TYPE, OOPS],
  ['node stream', () => Readable.from(['a', 'b']), 200, TEXT, 'ab'],
  ['node stream of objects', () => Readable.from([{ a: 1 }, 2]), 200, NDJSON, '{"a":1}\n2\n'],
  ['web stream', () => new Blob(['a']).stream(), 200, BYTES, 'a'],
  ['web stream that is locked', () => { const s = new Blob(['a']).stream(); s.getReader(); return s; }, 500, JSON_TYPE, OOPS],
  ['async iterable', () => (async function* () { yield 'a'; yield Buffer.from('b'); })(), 200, TEXT, 'ab'],
  ['async iterable of bytes', () => (async function* () { yield new Uint8Array([65]); yield 'ä'; })(), 200, BYTES, 'Aä'],
  ['async iterable of objects', () => (async function* () { yield { a: 1 }; yield [2]; yield null; })(), 200, NDJSON, '{"a":1}\n[2]\nnull\n'],
  ['async iterable that is empty', () => (async function* () {})(), 200, null, ''],
  ['async iterable with empty pieces', () => (async function* () { yield ''; yield 'a'; yield ''; })(), 200, TEXT, 'a'],
  ['async iterable with a type', (r) => (r.addHeader('content-type', 'a/b'), (async function* () { yield 'a'; })()), 200, 'a/b', 'a'],
  ['async iterable, status set', (r) => (r.setStatusCode(201), (async function* () { yield 'a'; })()), 201, TEXT, 'a'],
  ['async iterable, 204', (r) => (r.setStatusCode(204), (async function* () { yield 'a'; })()), 204, null, ''],
  ['async iterable that fails at once', () => (async function* () { throw new Error('x'); })(), 500, JSON_TYPE, OOPS],
  ['async iterable of a function', () => (async function* () { yield () => 1; })(), 500, JSON_TYPE, OOPS],
  ['promise of a stream', async () => Readable.from(['a']), 200, TEXT, 'a'],
  ['Response with a stream', () => new Response(new Blob(['a']).stream(), { headers: { 'content-type': 'a/b' } }), 200, 'a/b', 'a'],
  ['body of the request', (r) => r.body, 200, null, ''],
];

test('a request shows nothing of the machinery', async (t) => {
  const { inspect } = require('node:util');
  const { url } = await serve(t, { 'GET /:a': (req) => [req, inspect(req)] });
  const seen = { method: 'GET', uri: '/x?y', route: '/:a', answered: false };
  assert.deepStrictEqual(await (await fetch(`${url}/x?y`)).json(), [seen, `Request ${inspect(seen)}`]);
});

test('values, promises and errors', async (t) => {
  const routes = Object.fromEntries(rows.map(([, handler], i) => [`GET /${i}`, handler]));
  const { url } = await serve(t, routes);
  for (const [i, [name, , status, type, body]] of rows.entries()) {
    const res = await fetch(`${url}/${i}`);
    assert.strictEqual(res.status, status, name);
    assert.strictEqual(res.headers.get('content-type'), type, name);
    assert.strictEqual(await res.text(), body, name);
  }
});

test('a Response keeps its headers but those of the server', async (t) => {
  const { url, port } = await serve(t, {
    'GET /': (req) => {
      req.addHeader('x-before', '1');
      const headers = new Headers({ 'x-a': 'b', date: 'x', 'content-length': '99', 'content-encoding': 'identity' });
      headers.append('set-cookie', 'a=1, 2');
      headers.append('set-cookie', 'b=2');
      return new Response('body', { headers });
    },
    'GET /redirect': () => Response.redirect('http://example.test/', 303),
  });
  const res = await fetch(url);
  const cookies = (await raw(port, request('GET', '/'))).match(/^set-cookie: .*$/gim); // Node 18.19 has no getSetCookie
  assert.deepStrictEqual(cookies.map((line) => line.slice(12)), ['a=1, 2', 'b=2']);
  assert.deepStrictEqual(
    ['x-a', 'x-before', 'content-length', 'content-encoding'].map((n) => res.headers.get(n)),
    ['b', '1', '4', 'identity'],
  );
  assert.notStrictEqual(res.headers.get('date'), 'x');
  const moved = await fetch(`${url}/redirect`, { redirect: 'manual' });
  assert.deepStrictEqual([moved.status, moved.headers.get('location')], [303, 'http://example.test/']);
});

test('what fetch gives may be returned, although its encoding is undone', async (t) => {
  const zlib = require('node:zlib');
  const { url } = await serve(t, {
    'GET /up': (req) => (req.addHeader('content-encoding', 'gzip'), zlib.gzipSync('hello')),
    'GET /via': (req) => fetch(`http://${req.host}/up`),
  });
  const res = await fetch(`${url}/via`);
  assert.deepStrictEqual([res.headers.get('content-encoding'), await res.text()], [null, 'hello']);
});

test('properties of a request', async (t) => {
  const { url, port } = await serve(t, {
    'POST /p/:a': async (req) => ({
      method: req.method,
      path: req.path,
      params: [req.params, Object.getPrototypeOf(req.params) === null],
      query: [req.query, Object.getPrototypeOf(req.query) === null],
      accept: req.headers.accept,
      cookies: req.cookies,
      id: typeof req.id,
      ip: req.ip,
      protocol: req.protocol,
      host: req.host,
      auth: req.auth,
      signal: req.signal.aborted,
      text: await req.text(),
      json: await req.json(),
      bytes: (await req.bytes()).length,
      form: await req.form(),
    }),
  });
  const res = await fetch(`${url}/p/x?a=1&a=2&a=3&b=4&toString=5`, {
    method: 'POST',
    headers: { cookie: 'k=v; k2=%20', accept: 'a/b' },
    body: '\ufeff[1]',
  });
  assert.deepStrictEqual(await res.json(), {
    method: 'POST',
    path: '/p/x',
    params: [{ a: 'x' }, true],
    query: [{ a: ['1', '2', '3'], b: '4', toString: '5' }, true],
    accept: 'a/b',
    cookies: { k: 'v', k2: ' ' },
    id: 'string',
    ip: '127.0.0.1',
    protocol: 'http',
    host: `127.0.0.1:${port}`,
    auth: null,
    signal: false,
    text: '[1]',
    json: [1],
    bytes: 6,
    form: {},
  });
  assert.strictEqual(res.headers.get('x-request-id').length > 0, true);
});

test('json() of what is no JSON answers 400', async (t) => {
  const { url } = await serve(t, { 'POST /': async (req) => await req.json() });
  for (const body of ['{', '']) {
    const res = await fetch(url, { method: 'POST', body });
    assert.strictEqual(res.status, 400);
    assert.match((await res.json()).error, /^the body is not valid JSON: /);
  }
});

test('bytes that are given away after the send end the connection, and only that', async (t) => {
  const { port, url } = await serve(t, {
    'GET /': () => {
      const bytes = new Uint8Array(64 << 20).fill(65); // more than any socket takes at once
      setImmediate(() => structuredClone(bytes.buffer, { transfer: [bytes.buffer] }));
      return bytes;
    },
    'GET /next': () => 'next',
  });
  const got = await raw(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n').catch((err) => err.code);
  assert.ok(got === 'ECONNRESET' || got.length < 64 << 20);
  assert.strictEqual(await (await fetch(new URL('/next', url))).text(), 'next');
});

test('bodies of any bytes survive', async (t) => {
  const { url } = await serve(t, {
    'POST /': (req) => {
      const mine = req.getBodyBuffer();
      mine.fill(0);
      return req.getBodyBuffer();
    },
  }, { settings: { limit_body: 4 << 20 } });
  const all = Buffer.alloc(256);
  for (let i = 0; i < 256; i++) all[i] = i;
  for (const body of [all, Buffer.concat(Array(4096).fill(all)), Buffer.alloc(3, 0xff)]) {
    const res = await fetch(url, { method: 'POST', body });
    assert.ok(Buffer.from(await res.arrayBuffer()).equals(body));
  }
});
