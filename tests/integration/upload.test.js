'use strict';
// Routes with `stream: true`: the request's body as it comes, by every way to read it.
const test = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');
const { App, get, settled, until } = require('./serve-app');

const MANIFEST = `
server: { listen: 0, workers: 1 }
limits: { body: 1KiB }
uploads: { dir: up, keep: true, file: 100KiB, files: 2, fields: 3, field: 10 }
routes:
  /r/:kind: { handler: s.js, stream: true, body: 64MiB }
  /small/:kind: { handler: s.js, stream: true }
  /f: { handler: f.js, stream: true }
  /plain/:kind: s.js
  /seen: s.js#seen
`;

const HANDLER = `
const { Readable } = require('node:stream');
const seen = {};
const sum = async (pieces) => { let n = 0; for await (const p of pieces) n += p.length; return n; };
const kinds = {
  web: async (req) => ({ sum: await sum(req.body), stream: req.body instanceof ReadableStream }),
  node: async (req) => ({ sum: await sum(req.readable), stream: req.readable instanceof Readable }),
  'from-web': async (req) => ({ sum: await sum(Readable.fromWeb(req.body)) }),
  byob: async (req) => { const r = req.body.getReader({ mode: 'byob' }); let n = 0; for (;;) { const { done, value } = await r.read(new Uint8Array(1000)); if (done) return n; n += value.length; } },
  text: async (req) => [await req.text(), await req.text(), req.getBodyString(), req.hasBody(), req.getBodySize()],
  json: async (req) => [await req.json(), req.getBodyJson()],
  bytes: async (req) => (await req.bytes()).length,
  form: async (req) => req.form(),
  early: (req) => [req.hasBody(), req.getBodySize()],
  sync: (req) => { try { return req.getBodyString(); } catch (err) { return err.code; } },
  twice: async (req) => { await req.text(); try { return req.body; } catch (err) { return err.code; } },
  echo: (req) => { req.addHeader('content-type', 'a/b'); return req.body; },
  'echo-node': (req) => { req.addHeader('content-type', 'a/b'); return req.readable; },
  ignore: () => 'ignored',
  hold: async (req) => { seen.held = true; await new Promise((resolve) => { seen.release = resolve; }); return sum(req.body); },
  gone: async (req) => { seen.entered = true; try { await sum(req.body); } catch (err) { seen.gone = [err.name, err.code, req.signal.aborted]; } return null; },
};
module.exports = (req) => kinds[req.params.kind](req);
module.exports.seen = (req) => { if (req.query.release) seen.release(); return seen; };
`;
const FETCH = `
module.exports = {
  async fetch(request) {
    const clone = request.clone();
    return Response.json([request.body instanceof ReadableStream, await request.text(), (await clone.text()).length]);
  },
};
`;
const files = { 'actix.yaml': MANIFEST, 's.js': HANDLER, 'f.js': FETCH };

/** { status, body, headers } */
function post(url, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const req = http.request(url, { method: 'POST', headers, agent: false }, (res) => {
      const pieces = [];
      res.on('data', (data) => pieces.push(data)).on('error', reject);
      res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, body: Buffer.concat(pieces).toString() }));
    });
    req.on('error', reject);
    if (typeof body?.pipe === 'function') body.pipe(req);
    else req.end(body);
  });
}

test('a body is read as it comes, by every way there is', async (t) => {
  const s = await new App(t, files).serve();
  const json = async (kind, body, headers, base = '/r/') => JSON.parse((await post(s.url + base + kind, body, headers)).body);
  const big = Buffer.alloc(10_000_000, 97);
  for (const headers of [{ 'content-length': big.length }, { 'transfer-encoding': 'chunked' }]) {
    assert.deepStrictEqual(await json('web', big, headers), { sum: big.length, stream: true });
    assert.deepStrictEqual(await json('node', big, headers), { sum: big.length, stream: true });
    assert.deepStrictEqual(await json('from-web', big, headers), { sum: big.length });
    assert.deepStrictEqual(await json('byob', big, headers), big.length);
    assert.deepStrictEqual(await json('bytes', big, headers), big.length);
    assert.strictEqual((await post(`${s.url}/r/echo`, big, headers)).body.length, big.length);
    assert.strictEqual((await post(`${s.url}/r/echo-node`, big, headers)).body.length, big.length);
  }
  assert.deepStrictEqual(await json('web', ''), { sum: 0, stream: true });
  assert.deepStrictEqual(await json('text', 'ä'), ['ä', 'ä', 'ä', true, 2]);
  assert.deepStrictEqual(await json('json', '{"a":1}'), [{ a: 1 }, { a: 1 }]);
  assert.strictEqual((await post(`${s.url}/r/json`, '{')).status, 400);
  assert.deepStrictEqual(await json('early', 'abc', { 'content-length': 3 }), [true, 3]);
  assert.deepStrictEqual(await json('early', ''), [false, 0]);
  assert.strictEqual((await post(`${s.url}/r/sync`, 'abc')).body, 'ERR_BODY_IN_PIECES');
  assert.strictEqual((await post(`${s.url}/r/twice`, 'abc')).body, 'ERR_BODY_TAKEN');
  assert.deepStrictEqual(await json('', 'abc', {}, '/f'), [true, 'abc', 3]);
  assert.deepStrictEqual(await json('web', 'abc', {}, '/plain/'), { sum: 3, stream: true });
  assert.deepStrictEqual(await json('node', 'abc', {}, '/plain/'), { sum: 3, stream: true });
  assert.strictEqual((await post(`${s.url}/r/ignore`, 'abc')).body, 'ignored');
});

test('limits.body holds, said or not', async (t) => {
  const s = await new App(t, files).serve();
  for (const headers of [{ 'content-length': 2000 }, { 'transfer-encoding': 'chunked' }]) {
    const { status, body } = await post(`${s.url}/small/text`, 'x'.repeat(2000), headers);
    assert.deepStrictEqual([status, JSON.parse(body).limit], [413, 'limits.body'], JSON.stringify(headers));
  }
  assert.strictEqual((await post(`${s.url}/small/bytes`, 'x'.repeat(1000))).body, '1000');
});

test('nobody reads: the client waits, and memory does not grow', async (t) => {
  const s = await new App(t, files).serve();
  const socket = net.connect(s.port, '127.0.0.1');
  t.after(() => socket.destroy());
  const length = 32 * 1024 * 1024;
  socket.write(`POST /r/hold HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n`);
  let answer = '';
  socket.on('data', (data) => (answer += data));
  let rest = length;
  const piece = Buffer.alloc(65536, 97);
  const write = () => {
    while (rest > 0) {
      rest -= piece.length;
      if (!socket.write(piece)) return socket.once('drain', write);
    }
    return undefined;
  };
  write();
  const held = async () => JSON.parse((await get(`${s.url}/seen`)).body).held;
  await until(held);
  await settled(async () => (await held()) && rest);
  assert.ok(rest > length / 2, `the server took ${length - rest} bytes that nobody reads`);
  await get(`${s.url}/seen?release=1`);
  await until(() => answer.endsWith(String(length)), 20_000);
});

test('a client that goes is an error of the reader', async (t) => {
  const s = await new App(t, files).serve();
  const socket = net.connect(s.port, '127.0.0.1');
  socket.write('POST /r/gone HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc');
  const seen = async () => JSON.parse((await get(`${s.url}/seen`)).body);
  await until(async () => (await seen()).entered);
  socket.destroy();
  await until(async () => (await seen()).gone);
});

const part = (disposition, content, type = '') =>
  `--b\r\nContent-Disposition: form-data; ${disposition}\r\n${type === '' ? '' : `Content-Type: ${type}\r\n`}\r\n${content}\r\n`;
const MULTIPART = { 'content-type': 'multipart/form-data; boundary=b' };

test('forms go to disk as they come, within the limits of uploads', async (t) => {
  const app = new App(t, files);
  const s = await app.serve();
  const send = async (body, headers = MULTIPART) => post(`${s.url}/r/form`, body, headers);
  const content = 'x'.repeat(70_000) + '\r\n--a\r\n-';
  const good = await send(`${part('name="a"', 'ä')}${part('name="a"', '2')}${part('name="f"; filename="../me.PNG"', content, 'image/png')}${part('name="e"; filename=""', '')}--b--\r\n`);
  const form = JSON.parse(good.body);
  assert.deepStrictEqual(form.a, ['ä', '2']);
  const { filename, path: stored, ...info } = form.f;
  assert.deepStrictEqual(info, { type: 'file', originalName: 'me.PNG', contentType: 'image/png', size: content.length });
  assert.match(filename, /^[0-9a-f-]{36}\.PNG$/);
  assert.strictEqual(stored, path.join(fs.realpathSync(app.dir), 'up', filename));
  assert.strictEqual(fs.readFileSync(stored, 'latin1'), content);
  assert.strictEqual(fs.statSync(stored).mode & 0o777, 0o600);
  assert.deepStrictEqual(JSON.parse((await send('a=1&a=2&b=%20+', { 'content-type': 'application/x-www-form-urlencoded' })).body), { a: ['1', '2'], b: '  ' });
  assert.deepStrictEqual(JSON.parse((await send('text', { 'content-type': 'text/plain' })).body), {});
  const kept = fs.readdirSync(path.join(app.dir, 'up')).length;
  const bad = [
    [413, 'uploads.file', part('name="f"; filename="x"', 'x'.repeat(102_401))],
    [413, 'uploads.files', ['a', 'b', 'c'].map((n) => part(`name="${n}"; filename="x"`, 'x')).join('')],
    [413, 'uploads.fields', ['a', 'b', 'c', 'd'].map((n) => part(`name="${n}"`, 'x')).join('')],
    [413, 'uploads.field', part('name="a"', 'x'.repeat(11))],
    [400, undefined, part('nome="a"', 'x')],
    [400, undefined, 'no boundary'],
    [400, undefined, `${part('name="f"; filename="x"', 'x')}--c`],
    [400, undefined, `${part('name="f"; filename="x"', 'x')}${'-'.repeat(70_000)}`],
    [400, undefined, `--b\r\nX-Long: ${'x'.repeat(70_000)}\r\n\r\n`],
  ];
  for (const [status, limit, body] of bad) {
    const res = await send(limit === undefined ? body : `${body}--b--\r\n`);
    assert.deepStrictEqual([res.status, JSON.parse(res.body).limit], [status, limit], body.slice(0, 60));
  }
  await until(() => fs.readdirSync(path.join(app.dir, 'up')).length === kept);
});

test('every cut of a form gives the same', async (t) => {
  const app = new App(t, files);
  const s = await app.serve();
  const body = Buffer.from(`preamble\r\n${part('name="a"', '1')}${part('name="f"; filename="x"', '\r\n--\r\n--bx', 'a/b')}--b--\r\nepilogue`);
  for (let cut = 1; cut < body.length; cut += 3) {
    const answer = await new Promise((resolve, reject) => {
      const req = http.request(`${s.url}/r/form`, { method: 'POST', headers: { ...MULTIPART, 'content-length': body.length }, agent: false }, (res) => {
        let text = '';
        res.on('data', (data) => (text += data)).on('end', () => resolve(JSON.parse(text)));
      });
      req.on('error', reject);
      req.write(body.subarray(0, cut), () => setImmediate(() => req.end(body.subarray(cut))));
    });
    assert.deepStrictEqual([answer.a, answer.f?.size], ['1', 10], `cut at ${cut}`);
  }
});
