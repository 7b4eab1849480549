'use strict';
// The light Headers and Response beside those of Node: one table of expressions, evaluated with both.
const test = require('node:test');
const assert = require('node:assert');
const path = require('node:path');
const { addon, raw, request, serve } = require('./support');
const { Headers: LightHeaders } = require(path.join(addon, 'fetch-headers.js'));
const { Response: LightResponse } = require(path.join(addon, 'response.js'));

const light = { Headers: LightHeaders, Response: LightResponse };
const nodes = { Headers, Response };
const encode = (text) => new TextEncoder().encode(text);
const streamOf = (...pieces) => new ReadableStream({ start(c) { for (const p of pieces) c.enqueue(encode(p)); c.close(); } });

const setCookies = (h) => (typeof h.getSetCookie === 'function' ? h.getSetCookie() : 'none'); // Node 18.19 has none

const headerRows = [
  (h) => [...h],
  (h) => { h.append('A', '1'); h.append('a', ' 2\t'); h.append('B', '3'); return [...h]; },
  (h) => { h.set('A', '1'); h.set('a', '2'); return [h.get('A'), h.get('b'), h.has('a'), h.has('c')]; },
  (h) => { h.append('Set-Cookie', 'a=1'); h.append('set-cookie', 'b=2'); h.set('a', 'x'); return [[...h], h.get('set-cookie'), setCookies(h)]; },
  (h) => { h.append('set-cookie', 'a=1'); h.append('set-cookie', 'b=2'); h.set('set-cookie', 'c'); return [...h]; },
  (h) => { h.set('a', '1'); h.delete('A'); h.delete('b'); return [...h]; },
  (h) => { h.set('z', '1'); h.set('a', '2'); return [[...h.keys()], [...h.values()], [...h.entries()]]; },
  (h) => { const seen = []; h.set('b', 1); h.set('a', null); h.forEach((v, k) => seen.push(k, v)); return seen; },
  (h) => h.set('a b', '1'),
  (h) => h.set('', '1'),
  (h) => h.set('a', 'x\ny'),
  (h) => h.set('a', '\u0100'),
  (h) => h.get('a b'),
  (h) => h instanceof Headers,
  (h) => Object.prototype.toString.call(h),
];

const inits = [
  undefined, {}, { A: '1', b: 2 }, [['a', '1'], ['A', '2']], new Map([['x', 'y']]), new Headers({ q: 'r' }),
  [['a']], [['a', 'b', 'c']], null, 'text', { 'bad name': '1' }, { a: '\0' }, { [Symbol('s')]: '1' }, Object.create({ a: '1' }),
];

/** The one thing that differs: a space in the type of a text. */
const spaced = (value) => JSON.parse(JSON.stringify(value).replaceAll('text/plain;charset', 'text/plain; charset'));

/** What it gives, or the kind of error. */
async function outcome(fn) {
  try {
    const value = await fn();
    return { value: Array.isArray(value) || typeof value === 'string' ? spaced(value) : value };
  } catch (err) {
    return { error: err.name };
  }
}

test('Headers behave as those of Node', async () => {
  for (const [i, init] of inits.entries()) {
    const make = ({ Headers: H }) => [...new H(init)];
    assert.deepStrictEqual(await outcome(() => make(light)), await outcome(() => make(nodes)), `init ${i}`);
  }
  for (const row of headerRows) {
    const [got, want] = [await outcome(() => row(new LightHeaders())), await outcome(() => row(new Headers()))];
    assert.deepStrictEqual(got, want, String(row));
  }
});

const all = (r) => [r.status, r.statusText, r.ok, r.type, r.url, r.redirected, r.bodyUsed, r.body === null, [...r.headers]];

const responseRows = [
  (R) => all(new R()),
  (R) => all(new R(null, { status: 204, statusText: 'Gone Fishing' })),
  (R) => all(new R('ä', { status: 404 })),
  (R) => all(new R('x', { headers: { 'content-type': 'a/b', x: 'y' } })),
  (R) => all(new R(encode('x'))),
  (R) => all(new R(new URLSearchParams({ a: 'b c' }))),
  (R) => all(new R(new Blob(['x'], { type: 'a/b' }))),
  (R) => all(new R(12)),
  (R) => all(new R(undefined)),
  (R) => new R('ä').text(),
  (R) => new R(12).text(),
  (R) => new R('{"a":1}').json(),
  (R) => new R('{').json(),
  (R) => new R(encode('ä')).text(),
  (R) => new R(encode('ab').buffer).text(),
  (R) => new R(new DataView(encode('abc').buffer, 1)).text(),
  (R) => new R(new URLSearchParams({ a: 'b c' })).text(),
  (R) => new R(new Blob(['x'])).text(),
  (R) => new R(streamOf('a', 'b')).text(),
  async (R) => Buffer.from(await new R('ab').arrayBuffer()).toString(),
  async (R) => (await (await new R('ab', { headers: { 'content-type': 'a/b' } }).blob()).text()),
  async (R) => [...(await new R('a=1&b=2', { headers: { 'content-type': 'application/x-www-form-urlencoded' } }).formData())],
  async (R) => { const r = new R('x'); await r.text(); return [r.bodyUsed, await r.text()]; },
  async (R) => { const r = new R('x'); await r.text(); return r.clone(); },
  async (R) => { const r = new R('x'); const c = r.clone(); return [await r.text(), await c.text(), r.bodyUsed]; },
  async (R) => { const r = new R(streamOf('a', 'b'), { status: 201 }); const c = r.clone(); return [await r.text(), await c.text(), c.status]; },
  async (R) => { const r = new R('x', { headers: { a: '1' } }); const c = r.clone(); c.headers.set('a', '2'); return [r.headers.get('a'), c.headers.get('a')]; },
  async (R) => { const r = new R('x'); const n = new R(r.body, r); return [await n.text(), n.headers.get('content-type')]; },
  async (R) => { const r = new R('x'); const pieces = []; for await (const p of r.body) pieces.push(...p); return [pieces, r.bodyUsed]; },
  async (R) => { const r = new R('x'); r.body.getReader(); return r.text(); },
  (R) => { const r = new R('x'); return r.body === r.body; },
  (R) => { const s = streamOf('x'); s.getReader(); return new R(s); },
  (R) => new R('x', { status: 204 }),
  (R) => new R(null, { status: 199 }),
  (R) => new R(null, { status: 600 }),
  (R) => new R(null, { statusText: 'a\nb' }),
  (R) => new R(null, 5),
  (R) => all(R.json({ a: [1] }, { status: 201, headers: { x: 'y' } })),
  (R) => R.json({}, { headers: { 'content-type': 'a/b' } }).headers.get('content-type'),
  (R) => R.json(undefined),
  (R) => all(R.redirect('http://a.test/b c', 301)),
  (R) => R.redirect('http://a.test', 200),
  (R) => R.redirect('no url'),
  (R) => R.error().type,
  (R) => new R('x') instanceof Response,
  (R) => new (class extends R {})('x') instanceof R,
  (R) => Object.prototype.toString.call(new R()),
];

test('Response behaves as that of Node', async () => {
  for (const row of responseRows) {
    const [got, want] = [await outcome(() => row(LightResponse)), await outcome(() => row(Response))];
    assert.deepStrictEqual(got, want, String(row));
  }
});

test('instanceof holds both ways', () => {
  assert.ok(new Response() instanceof LightResponse && new Headers() instanceof LightHeaders);
  assert.ok(!({} instanceof LightResponse) && !({} instanceof LightHeaders));
  assert.deepStrictEqual([...new Headers(new LightHeaders({ a: 'b' }))], [['a', 'b']]);
});

test('light Responses are sent as they are', async (t) => {
  const R = LightResponse;
  const { url, port } = await serve(t, {
    'GET /text': () => new R('ä', { status: 201, headers: { 'x-a': 'b', date: 'x', 'content-length': '9' } }),
    'GET /bytes': () => new R(encode('ab')),
    'GET /none': () => new R(null, { status: 204 }),
    'GET /json': async () => R.json({ a: 1 }),
    'GET /stream': () => new R(streamOf('a', 'b')),
    'GET /length': () => new R(streamOf('a', 'b'), { headers: { 'content-length': '2' } }),
    'GET /wrapped': () => { const r = new R('x'); return new R(r.body, { headers: { 'x-w': '1' } }); },
    'GET /used': async () => { const r = new R('x'); await r.text(); return r; },
    'GET /merged': (req) => { req.addHeader('x-before', '1'); return new R('x', { headers: [['set-cookie', 'a=1'], ['set-cookie', 'b=2']] }); },
    'HEAD /head': () => new R(null, new R('12345')),
  });
  const told = async (name) => {
    const res = await fetch(`${url}/${name}`);
    return [res.status, res.headers.get('content-type'), res.headers.get('content-length'), await res.text()];
  };
  assert.deepStrictEqual(await told('text'), [201, 'text/plain; charset=UTF-8', '2', 'ä']);
  assert.deepStrictEqual(await told('bytes'), [200, null, '2', 'ab']);
  assert.deepStrictEqual(await told('none'), [204, null, null, '']);
  assert.deepStrictEqual(await told('json'), [200, 'application/json', '7', '{"a":1}']);
  assert.deepStrictEqual(await told('stream'), [200, null, null, 'ab']);
  assert.deepStrictEqual(await told('length'), [200, null, '2', 'ab']);
  assert.deepStrictEqual(await told('wrapped'), [200, null, '1', 'x']);
  assert.strictEqual((await told('used'))[0], 500);
  const merged = await raw(port, request('GET', '/merged'));
  assert.match(merged, /^x-before: 1\r$/m);
  assert.deepStrictEqual(merged.match(/^set-cookie: .*$/gm), ['set-cookie: a=1', 'set-cookie: b=2']);
  assert.match(await raw(port, request('HEAD', '/head')), /^content-length: 5\r$/im);
});
