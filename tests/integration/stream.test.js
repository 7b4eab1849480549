'use strict';
// Responses in pieces, under the real server: what the client sees, backpressure, and what ends a producer.
const test = require('node:test');
const assert = require('node:assert');
const http = require('node:http');
const net = require('node:net');
const { App, get, settled, until } = require('./serve-app');

const MANIFEST = `
server: { listen: 0, workers: 1 }
timeouts: { send: 2s }
routes:
  /s/:kind: s.js
  /seen: s.js#seen
`;

const HANDLER = `
const { Readable } = require('node:stream');
const fs = require('node:fs');
const { setTimeout: wait } = require('node:timers/promises');
const seen = {};
const count = (name, n = 1) => (seen[name] = (seen[name] ?? 0) + n);
const PIECE = Buffer.alloc(65536, 97);
async function* endless(name) {
  try {
    for (;;) { count(name + '.pieces'); yield PIECE; }
  } finally { count(name + '.ended'); }
}
async function* waiting(name) {
  try {
    yield 'first';
    for (;;) { await wait(5); yield 'x'; }
  } finally { count(name + '.ended'); }
}
const kinds = {
  lines: () => (async function* () { yield { a: 1 }; await wait(5); yield { b: 'ä' }; })(),
  file: () => fs.createReadStream(__filename),
  old: () => { const { Stream } = require('node:stream'); const s = new Stream(); s.readable = true; s.pause = s.resume = () => undefined; setImmediate(() => { s.emit('data', Buffer.from('old')); s.emit('end'); }); return s; },
  breaks: () => (async function* () { yield 'x'; await wait(5); throw new Error('in the middle'); })(),
  endless: () => endless('endless'),
  'endless-web': () => new ReadableStream({ pull(c) { count('endless-web.pieces'); c.enqueue(PIECE); }, cancel() { count('endless-web.ended'); } }),
  'endless-node': () => Readable.from(endless('endless-node')),
  'endless-response': () => new Response(new ReadableStream({ pull(c) { count('endless-response.pieces'); c.enqueue(PIECE); }, cancel() { count('endless-response.ended'); } })),
  waiting: () => waiting('waiting'),
  never: (req) => { req.signal.addEventListener('abort', () => count('never.aborted')); const s = new Readable({ read: () => undefined }); s.push('x'); return s.on('close', () => count('never.ended')); },
  silent: (req) => { req.addHeader('content-type', 'a/b'); return (async function* () { await wait(300); yield 'late'; })(); },
  length: (req) => (req.addHeader('content-length', '2'), (async function* () { yield 'a'; yield 'b'; })()),
  short: (req) => (req.addHeader('content-length', '3'), (async function* () { yield 'a'; })()),
  long: (req) => (req.addHeader('content-length', '1'), (async function* () { yield 'a'; yield 'b'; })()),
  bytes: () => (async function* () { for (let i = 0; i < 160; i++) yield PIECE; })(),
};
module.exports = (req) => kinds[req.params.kind](req);
module.exports.seen = () => seen;
`;

const files = { 'actix.yaml': MANIFEST, 's.js': HANDLER };

/** All that a connection says until it ends. */
function wire(port, text) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(text));
    const got = [];
    socket.on('data', (data) => got.push(data));
    socket.on('close', () => resolve(Buffer.concat(got).toString('latin1')));
    socket.on('error', reject);
  });
}

const ask = (path, version = '1.1', method = 'GET') => `${method} ${path} HTTP/${version}\r\nHost: a\r\nConnection: close\r\n\r\n`;

test('pieces arrive as they are, framed as the client can read', async (t) => {
  const s = await new App(t, files).serve();
  const lines = await get(`${s.url}/s/lines`);
  assert.deepStrictEqual([lines.status, lines.headers['content-type'], lines.headers['transfer-encoding'], lines.body],
    [200, 'application/x-ndjson', 'chunked', '{"a":1}\n{"b":"ä"}\n']);
  assert.strictEqual((await get(`${s.url}/s/file`)).body, HANDLER);
  assert.strictEqual((await get(`${s.url}/s/old`)).body, 'old');
  assert.strictEqual((await get(`${s.url}/s/bytes`)).body.length, 160 * 65536);
  assert.deepStrictEqual([(await get(`${s.url}/s/length`)).headers['content-length'], (await get(`${s.url}/s/length`)).body], ['2', 'ab']);
  assert.match(await wire(s.port, ask('/s/lines')), /\r\n\r\n8\r\n\{"a":1\}\n\r\nb\r\n\{"b":"Ã¤"\}\n\r\n0\r\n\r\n$/);
  assert.match(await wire(s.port, ask('/s/lines', '1.0')), /^HTTP\/1\.1 200 OK\r\n(?!.*chunked).*\r\n\r\n\{"a":1\}\n\{"b":"Ã¤"\}\n$/s);
  assert.match(await wire(s.port, ask('/s/endless', '1.1', 'HEAD')), /\r\n\r\n$/);
  assert.match(await wire(s.port, ask('/s/silent')), /\r\n\r\n4\r\nlate\r\n0\r\n\r\n$/);
});

test('an error in the middle ends the connection without a last chunk, and is logged', async (t) => {
  const s = await new App(t, files).serve();
  const got = await wire(s.port, ask('/s/breaks'));
  assert.ok(got.endsWith('1\r\nx\r\n'), got);
  await until(() => /the response broke off: in the middle/.test(s.stderr));
  assert.ok((await wire(s.port, ask('/s/short'))).endsWith('\r\n\r\na'));
  assert.ok((await wire(s.port, ask('/s/long'))).endsWith('\r\n\r\na'));
  assert.strictEqual((await get(`${s.url}/s/lines`)).status, 200);
});

for (const kind of ['endless', 'endless-web', 'endless-node', 'endless-response']) {
  test(`a client that does not read stops the producer, one that goes ends it: ${kind}`, async (t) => {
    const s = await new App(t, files).serve();
    const seen = async () => JSON.parse((await get(`${s.url}/seen`)).body);
    const res = await new Promise((resolve) => http.get(`${s.url}/s/${kind}`, { agent: false }, resolve));
    res.on('error', () => undefined);
    const still = await settled(async () => (await seen())[`${kind}.pieces`]);
    assert.ok(still < 400, `${still} pieces of 64 KiB were made for a client that reads nothing`);
    res.destroy();
    await until(async () => (await seen())[`${kind}.ended`] === 1);
  });
}

test('a client that goes ends a producer that has nothing to say, and aborts the signal', async (t) => {
  const s = await new App(t, files).serve();
  const seen = async () => JSON.parse((await get(`${s.url}/seen`)).body);
  for (const kind of ['waiting', 'never']) {
    const res = await new Promise((resolve) => http.get(`${s.url}/s/${kind}`, { agent: false }, resolve));
    res.on('error', () => undefined);
    await new Promise((resolve) => res.once('data', resolve));
    res.destroy();
    await until(async () => (await seen())[`${kind}.ended`] === 1);
  }
  await until(async () => (await seen())['never.aborted'] === 1);
});

test('a client that closes only its own side, and leaves later, holds no request', async (t) => {
  const a = new App(t, files);
  const s = await a.serve();
  const seen = async () => JSON.parse((await get(`${s.url}/seen`)).body);
  const socket = net.connect({ port: s.port, host: '127.0.0.1', allowHalfOpen: true }, () => socket.end(ask('/s/waiting')));
  socket.on('error', () => undefined).resume();
  await new Promise((resolve) => socket.once('close', resolve));
  await until(async () => (await seen())['waiting.ended'] === 1);
  assert.equal(await s.signal('SIGTERM'), 0, s.stderr);
});

test('an upload that its client breaks off is no error of the handler', async (t) => {
  const a = new App(t, {
    'actix.yaml': 'server: { listen: "127.0.0.1:0", workers: 1 }\nroutes: { /up: { POST: up.js, stream: true } }\n',
    'up.js': "module.exports = async (req) => { let n = 0; for await (const piece of req.readable) n += piece.length; return String(n); };",
  });
  const s = await a.serve();
  const socket = net.connect(s.port, '127.0.0.1', () => socket.write('POST /up HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n'));
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('data', resolve)); // the handler reads
  socket.destroy();
  assert.equal(await s.signal('SIGTERM'), 0, s.stderr); // it waits for what is in progress
  assert.doesNotMatch(s.stderr, /error/i);
});

test('a stalled reader is cut off after timeouts.send', async (t) => {
  const s = await new App(t, files).serve();
  const seen = async () => JSON.parse((await get(`${s.url}/seen`)).body);
  const socket = net.connect(s.port, '127.0.0.1', () => socket.write(ask('/s/endless')));
  socket.on('error', () => undefined);
  socket.pause();
  await until(async () => (await seen())['endless.ended'] === 1, 15_000);
  socket.destroy();
});
