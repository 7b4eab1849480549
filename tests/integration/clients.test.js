'use strict';
// Clients as they are used: fetch, undici, axios, got and curl, each asks the same app (tests/browser/app) the same things and
// gets the same answers.  tests/browser does so with a browser.
const test = require('node:test');
const assert = require('node:assert');
const { createHash } = require('node:crypto');
const { execFile, spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { Readable, Writable } = require('node:stream');
const { pipeline } = require('node:stream/promises');
const { File } = require('node:buffer'); // global from Node 20 on
const { App } = require('./serve-app');

const APP = path.resolve(__dirname, '../browser/app');
const files = Object.fromEntries(fs.readdirSync(APP).map((name) => [name, fs.readFileSync(path.join(APP, name), 'utf8')]));
const MIB = 1 << 20;
const PICTURE = Buffer.alloc(3 * MIB, 'p');
const UPLOADED = { note: 'ein Wört', picture: { name: 'ä b.png', type: 'image/png', size: PICTURE.length, sha1: createHash('sha1').update(PICTURE).digest('hex') } };

const serve = async (t) => (await new App(t, files).serve('--port', '0')).url;

const form = (Form = FormData) => {
  const data = new Form();
  data.append('note', 'ein Wört');
  data.append('picture', new File([PICTURE], 'ä b.png', { type: 'image/png' }));
  return data;
};

/** 4 MiB, in pieces, of a length that nobody says. */
const body = () => Readable.from((function* () {
  for (let i = 0; i < 64; i++) yield Buffer.alloc(64 << 10, 'b');
})());
const BODY_BYTES = 4 * MIB;

/** Each piece comes only when the one before was read and the next was asked for. */
async function readPieces(stream, next) {
  const pieces = [];
  for await (const piece of stream) {
    pieces.push(String(piece));
    await next();
  }
  return pieces;
}
const PIECES = ['piece 1\n', 'piece 2\n', 'piece 3\n'];

const JSON_ANSWER = { hello: 'wörld', query: { a: '1', b: 'ä ö' }, port: null };
const QUERY = '/json?a=1&b=%C3%A4+%C3%B6';
const TEAPOT = [418, { error: 'short and stout' }];

/** A package of the repository, or undefined: the test is then skipped. */
async function optional(name) {
  try {
    return await import(name);
  } catch (err) {
    if (err.code !== 'ERR_MODULE_NOT_FOUND') console.error(`${name} does not load in Node ${process.version}: ${err.message}`);
    return undefined;
  }
}

const client = (name, run) =>
  test(name, async (t) => {
    const module = await optional(name);
    if (module === undefined) return t.skip(`${name} is not installed, or not for this Node: npm ci`);
    return run(await serve(t), module);
  });

test('fetch', async (t) => {
  const url = await serve(t);
  const res = await fetch(url + QUERY);
  assert.deepStrictEqual(await res.json(), JSON_ANSWER);
  assert.deepStrictEqual(res.headers.get('set-cookie'), 'a=1; Path=/, b=2; Path=/');
  assert.deepStrictEqual(await (await fetch(`${url}/form`, { method: 'POST', body: form() })).json(), UPLOADED);
  assert.deepStrictEqual(await (await fetch(`${url}/count`, { method: 'POST', body: Readable.toWeb(body()), duplex: 'half' })).json(), { bytes: BODY_BYTES });
  const next = () => fetch(`${url}/next?id=fetch`, { method: 'POST' });
  assert.deepStrictEqual(await readPieces((await fetch(`${url}/pieces?id=fetch`)).body.pipeThrough(new TextDecoderStream()), next), PIECES);
  assert.deepStrictEqual((await (await fetch(`${url}/moved`)).json()).hello, 'wörld');
  const teapot = await fetch(`${url}/teapot`);
  assert.deepStrictEqual([teapot.status, await teapot.json()], TEAPOT);
});

client('undici', async (url, { Agent, request, FormData: Form, EventSource, stream }) => {
  const dispatcher = new Agent({ pipelining: 8, connections: 2 });
  const json = async (to, options) => (await request(url + to, { dispatcher, ...options })).body.json();
  assert.deepStrictEqual(await json(QUERY), JSON_ANSWER);
  assert.deepStrictEqual(await json('/form', { method: 'POST', body: form(Form) }), UPLOADED);
  assert.deepStrictEqual(await json('/count', { method: 'POST', body: body() }), { bytes: BODY_BYTES });
  assert.deepStrictEqual(await json('/count', { method: 'PUT', body: 'x'.repeat(1000) }), { bytes: 1000 });
  const many = await Promise.all(Array.from({ length: 200 }, (_, i) => json('/echo', { method: 'POST', body: String(i) })));
  many.forEach((answer, i) => assert.strictEqual(answer.body, String(i)));
  const { body: pieces } = await request(`${url}/pieces?id=undici`); // of a connection of its own: what is pipelined behind it waits
  const next = async () => (await request(`${url}/next?id=undici`, { method: 'POST' })).body.dump();
  assert.deepStrictEqual(await readPieces(pieces.setEncoding('utf8'), next), PIECES);
  const { statusCode, body: teapot } = await request(`${url}/teapot`, { dispatcher });
  assert.deepStrictEqual([statusCode, await teapot.json()], TEAPOT);
  let got = 0;
  await stream(`${url}/json`, { dispatcher, opaque: {} }, ({ statusCode: status }) => {
    assert.strictEqual(status, 200);
    return new Writable({ write: (piece, _, done) => done(void (got += piece.length)) });
  });
  assert.ok(got > 10);
  if (EventSource !== undefined) assert.deepStrictEqual(await ticks(new EventSource(`${url}/events`, { node: { dispatcher } })), TICKS);
  await dispatcher.close();
});

/** Two events for each connection: the client comes again by itself and says what it got last. */
const TICKS = [['1', null], ['2', null], ['3', '2'], ['4', '2'], ['5', '4'], ['6', '4']];
function ticks(source) {
  const seen = [];
  return new Promise((resolve) => {
    source.addEventListener('tick', (event) => {
      seen.push([event.lastEventId, JSON.parse(event.data).after]);
      if (seen.length < TICKS.length) return;
      source.close();
      resolve(seen);
    });
  });
}

client('axios', async (url, { default: axios }) => {
  const api = axios.create({ baseURL: url });
  const { data, headers } = await api.get('/json', { params: { a: 1, b: 'ä ö' } });
  assert.deepStrictEqual(data, JSON_ANSWER);
  assert.deepStrictEqual(headers['set-cookie'], ['a=1; Path=/', 'b=2; Path=/']);
  assert.deepStrictEqual((await api.post('/form', form())).data, UPLOADED);
  assert.deepStrictEqual((await api.post('/echo', { a: [1, 'ä'] })).data, { method: 'POST', type: 'application/json', body: '{"a":[1,"ä"]}' });
  assert.deepStrictEqual((await api.post('/echo', new URLSearchParams({ a: 'b c' }))).data.body, 'a=b+c');
  assert.deepStrictEqual((await api.post('/count', body())).data, { bytes: BODY_BYTES });
  const { data: pieces } = await api.get('/pieces?id=axios', { responseType: 'stream' });
  assert.deepStrictEqual(await readPieces(pieces, () => api.post('/next?id=axios')), PIECES);
  assert.strictEqual((await api.get('/moved')).data.hello, 'wörld');
  const refused = await api.get('/teapot').catch((err) => err);
  assert.deepStrictEqual([refused.response.status, refused.response.data], TEAPOT);
  const gone = await api.delete('/json').catch((err) => err);
  assert.deepStrictEqual([gone.response.status, gone.response.headers.allow], [405, 'GET, HEAD, OPTIONS']);
});

client('got', async (url, { default: got }) => {
  const api = got.extend({ prefixUrl: url, retry: { limit: 0 } });
  assert.deepStrictEqual(await api('json', { searchParams: { a: 1, b: 'ä ö' } }).json(), JSON_ANSWER);
  assert.deepStrictEqual(await api.post('form', { body: form() }).json(), UPLOADED);
  assert.deepStrictEqual((await api.post('echo', { json: { a: 1 } }).json()).body, '{"a":1}');
  assert.deepStrictEqual((await api.post('echo', { form: { a: 'b c' } }).json()).body, 'a=b+c');
  const up = api.stream.post('count');
  const chunks = [];
  await pipeline(body(), up, async (answer) => {
    for await (const chunk of answer) chunks.push(chunk);
  });
  assert.deepStrictEqual(JSON.parse(Buffer.concat(chunks)), { bytes: BODY_BYTES });
  const next = () => api.post('next?id=got');
  assert.deepStrictEqual(await readPieces(api.stream('pieces?id=got'), next), PIECES);
  assert.strictEqual((await api('moved').json()).hello, 'wörld');
  const refused = await api('teapot').catch((err) => err);
  assert.deepStrictEqual([refused.response.statusCode, JSON.parse(refused.response.body)], TEAPOT);
});

const curl = (...args) =>
  new Promise((resolve, reject) => {
    execFile('curl', ['-sS', ...args], { encoding: 'utf8' }, (err, stdout, stderr) => (err ? reject(new Error(`${err.message}: ${stderr}`)) : resolve(stdout)));
  });

test('curl', { skip: spawnSync('curl', ['--version']).status !== 0 && 'there is no curl here' }, async (t) => {
  const app = new App(t, { ...files, 'ä b.png': '', big: '' });
  fs.writeFileSync(path.join(app.dir, 'ä b.png'), PICTURE);
  fs.writeFileSync(path.join(app.dir, 'big'), Buffer.alloc(BODY_BYTES, 'b'));
  const { url } = await app.serve('--port', '0');
  const json = async (...args) => JSON.parse(await curl(...args));
  for (const version of ['--http1.1', '--http1.0', '--http2']) {
    assert.deepStrictEqual(await json(version, url + QUERY), JSON_ANSWER, version);
    assert.deepStrictEqual(await json(version, '-F', 'note=ein Wört', '-F', `picture=@${path.join(app.dir, 'ä b.png')};type=image/png`, `${url}/form`), UPLOADED, version);
  }
  assert.deepStrictEqual(await json('-T', path.join(app.dir, 'big'), `${url}/count`), { bytes: BODY_BYTES });
  assert.deepStrictEqual(await json('-T', path.join(app.dir, 'big'), '-H', 'Transfer-Encoding: chunked', `${url}/count`), { bytes: BODY_BYTES });
  assert.deepStrictEqual(await json('-H', 'Expect: 100-continue', '--data-binary', `@${path.join(app.dir, 'big')}`, `${url}/count`), { bytes: BODY_BYTES });
  assert.deepStrictEqual((await json('-L', '-d', 'x', `${url}/echo`)).body, 'x');
  assert.strictEqual((await json('-L', `${url}/moved`)).hello, 'wörld');
  assert.match(await curl('-i', `${url}/teapot`), /^HTTP\/1\.1 418 /);
  assert.match(await curl('-I', `${url}/json`), /^content-length: [1-9]/im);
  assert.strictEqual(await curl('-o', '/dev/null', '-o', '/dev/null', '-w', '%{num_connects} ', `${url}/json`, `${url}/json`), '1 0 ');
  const streaming = spawn('curl', ['-sSN', `${url}/pieces?id=curl`]);
  assert.deepStrictEqual(await readPieces(streaming.stdout.setEncoding('utf8'), () => curl('-X', 'POST', `${url}/next?id=curl`)), PIECES);
  assert.match(await curl('-N', '-H', 'Last-Event-ID: 7', `${url}/events`), /id: 8\n.*id: 9\n/s);
});
