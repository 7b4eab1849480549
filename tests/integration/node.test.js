'use strict';
// Node (req, res) listeners under `{ node: file }`: real frameworks answer as on their own servers, and a request's events
// come as node:http has them.
const assert = require('node:assert/strict');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const test = require('node:test');
const { App, settled, until } = require('./serve-app');
const { MOUNTS, lacks, ownServer, same, multipart, json } = require('./same');

const head = (more = '') => `version: 1\nserver: { workers: 1, listen: "127.0.0.1:0"${more} }\nmetrics: { database: off }\n`;

/** The app of `mounts` under actix; resolves with what serves it. */
async function mounted(t, file, { top = head(), route = '', env = {} } = {}) {
  const app = new App(t, { 'actix.yaml': `${top}routes:\n  /*rest: { node: mounts/${file}${route} }\n` });
  fs.cpSync(MOUNTS, path.join(app.dir, 'mounts'), { recursive: true, preserveTimestamps: true });
  fs.symlinkSync(path.join(__dirname, '../../node_modules'), path.join(app.dir, 'node_modules'));
  return app.serveWith(env);
}

const both = async (t, file, options) => Promise.all([ownServer(t, file), mounted(t, file, options).then((s) => s.port)]);

const blob = Buffer.from(Array.from({ length: 70_000 }, (_, i) => i % 251));
const upload = multipart([['title', 'Ein Bild'], ['file', 'a.bin', 'application/octet-stream', blob], ['file', 'b.txt', 'text/plain', Buffer.from('text')]]);
const ranges = ['bytes=0-9', 'bytes=-5', 'bytes=10-', 'bytes=0-1,4-5', 'bytes=999-', 'lines=1-2'].map((Range) => ({ path: '/file', headers: { Range } }));
const gets = [
  '/', '/json', '/users/7?full=1&full=2&x=%C3%A4', '/users/a%2Fb', '/headers', '/socket', '/cookies', '/redirect', '/empty', '/not-modified', '/teapot',
  '/message', '/bytes', '/big', '/big-text', '/head', '/raw-head', '/own-id', '/no-date', '/format', '/chunks', '/flushed', '/trailers',
  '/declared', '/pipeline', '/continued', '/encodings', '/static/style.css', '/static/none.css', '/static', '/file',
  '/download', '/router/inner/x', '/throws', '/rejects', '/next', '/nowhere', '//double',
];
const EXPRESS = [
  ...gets.map((target) => ({ path: target })),
  ...['/', '/json', '/big', '/chunks', '/empty', '/file', '/nowhere'].map((target) => ({ method: 'HEAD', path: target })),
  ...['PUT', 'DELETE', 'OPTIONS', 'PATCH'].map((method) => ({ method, path: '/json' })),
  { path: '/headers', headers: { 'X-Two': ['a', 'b'], Cookie: ['a=1', 'b=2'], 'X-Latin': 'caf\u00e9', 'Content-Type': 'a/b', Accept: '*/*' } },
  { path: '/format', headers: { Accept: 'application/json' } },
  { path: '/format', headers: { Accept: 'image/png' } },
  { path: '/json', headers: { 'If-None-Match': '*' } },
  { path: '/file', headers: { 'If-Modified-Since': 'Fri, 01 Jan 2100 00:00:00 GMT' } },
  { path: '/', headers: { Connection: 'close' } },
  ...ranges,
  { ...json({ a: [1, { b: 'ä' }] }), path: '/json' },
  { ...json('{"a":'), path: '/json' },
  { ...json({ long: 'x'.repeat(2000) }), path: '/json' },
  { ...json(''), path: '/json' },
  { method: 'POST', path: '/form', headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, body: 'a=1&b[c]=2&d=%C3%A4+x' },
  { method: 'POST', path: '/text', headers: { 'Content-Type': 'text/plain; charset=latin1' }, body: Buffer.from('caf\u00e9', 'latin1') },
  { method: 'PUT', path: '/raw', headers: { 'Content-Type': 'a/b' }, body: Buffer.concat([blob, blob, blob]) },
  { method: 'PUT', path: '/raw', headers: { 'Content-Type': 'a/b' }, pieces: [blob, blob, Buffer.from('x')] },
  { method: 'PUT', path: '/raw', pieces: [blob, blob] },
  { method: 'POST', path: '/echo', headers: { 'Content-Type': 'application/x-echo' }, body: 'echoed' },
  { method: 'POST', path: '/echo', headers: { 'Content-Type': 'application/x-echo' }, pieces: ['in ', 'two ', blob] },
  { method: 'POST', path: '/iterate', pieces: [blob, 'x'] },
  { method: 'POST', path: '/iterate', headers: { 'Content-Length': 0 } },
  { method: 'POST', path: '/ignored', body: 'a body' },
  { method: 'POST', path: '/ignored', pieces: [blob, blob] },
  { method: 'POST', path: '/nowhere', body: 'a body' },
  { method: 'POST', path: '/upload', ...upload },
  { method: 'POST', path: '/upload', ...multipart([['file', 'big.bin', 'a/b', Buffer.alloc(100_001)]]) },
  { method: 'POST', path: '/upload', ...multipart([['other', 'a.bin', 'a/b', Buffer.alloc(10)]]) },
  { method: 'POST', path: '/json', headers: { 'Content-Type': 'application/json', Expect: '100-continue', 'Content-Length': 7 }, body: '{"a":1}' },
];

const limits = { top: `${head()}limits: { body: 10MiB }\n` };

test('Express 5 answers as on its own server', { skip: lacks('express', 'multer') }, async (t) => {
  await same(EXPRESS, ...(await both(t, 'express.js', limits)));
});

test('Koa answers as on its own server', { skip: lacks('koa') }, async (t) => {
  const asks = ['/text', '/json?a=1', '/stream', '/cookie', '/throw', '/broken', '/raw', '/none'].map((target) => ({ path: target }));
  asks.push({ method: 'HEAD', path: '/json' }, { method: 'HEAD', path: '/stream' }, { method: 'POST', path: '/echo', pieces: ['a', 'bc', blob] });
  await same(asks, ...(await both(t, 'koa.js')));
});

test('Fastify 5 answers as on its own server, without having been started', { skip: lacks('fastify') }, async (t) => {
  const asks = ['/text', '/users/7?a=1', '/typed', '/stream', '/raw', '/broken', '/none'].map((target) => ({ path: target }));
  asks.push({ method: 'HEAD', path: '/text' }, { ...json({ a: 1 }), path: '/echo' }, { ...json({}), path: '/checked' }, { ...json('{'), path: '/echo' });
  await same(asks, ...(await both(t, 'fastify.js')));
});

test('Connect answers as on its own server; a promise of a listener will do', { skip: lacks('connect') }, async (t) => {
  const asks = ['/sub/x?y', '/sub', '/fails', '/none'].map((target) => ({ path: target }));
  asks.push({ method: 'POST', path: '/sub/post', body: 'a body' });
  await same(asks, ...(await both(t, 'connect.js')));
});

// ---- one request from its beginning to its end

/** Sends `text` on a connection of its own; `until(got)` says when to leave, else all is read until the server closes. */
function talk(port, text, enough = () => false) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(text, 'latin1'));
    let got = '';
    socket.setEncoding('latin1').on('error', (err) => (err.code === 'ECONNRESET' ? resolve(got) : reject(err)));
    socket.on('close', () => resolve(got));
    socket.on('data', (data) => enough((got += data)) && socket.destroy());
    socket.setTimeout(10_000, () => socket.destroy(new Error(`it stays open: ${got}`)));
  });
}

const get = (target, more = '') => `GET ${target} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;
const CLOSE = 'Connection: close\r\n';
const bodyOf = (text) => text.slice(text.indexOf('\r\n\r\n') + 4);
const seen = async (port, name) => JSON.parse(bodyOf(await talk(port, get(`/seen?name=${name}`, CLOSE))));

/** The events of a request, once it is closed on both sides. */
async function eventsOf(port, name) {
  let events;
  await until(async () => {
    events = (await seen(port, name)) ?? [];
    return events.includes('req close') && events.includes('res close');
  });
  return events;
}

const began = (got) => got.includes('a beginning');
const ENDS = [
  ['end', get('/end?name=end', CLOSE)],
  ['post', `POST /end?name=post HTTP/1.1\r\nHost: a\r\n${CLOSE}Content-Length: 3\r\n\r\nabc`],
  ['read', `POST /read?name=read HTTP/1.1\r\nHost: a\r\n${CLOSE}Content-Length: 3\r\n\r\nabc`],
  ['late', get('/late?name=late', CLOSE)],
  ['head', `HEAD /late?name=head HTTP/1.1\r\nHost: a\r\n${CLOSE}\r\n`],
  ['old', 'GET /late?name=old HTTP/1.0\r\n\r\n'],
  ['gone', get('/never?name=gone'), began],
  ['cut', get('/cut?name=cut')],
  ['destroyed', get('/destroyed?name=destroyed')],
  ['timeout', get('/timeout?name=timeout', CLOSE)],
  ['half', `POST /read?name=half HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\nabc`, undefined, true],
];

test('the events of a request come as node:http has them', async (t) => {
  const [own, port] = await both(t, 'plain.mjs');
  for (const [name, text, enough, leave] of ENDS) {
    const results = [];
    for (const p of [own, port]) {
      const got = leave ? await abandon(p, text, name) : await talk(p, text, enough);
      results.push({ events: await eventsOf(p, name), got: got.replace(/^(Date|x-request-id|Connection|Keep-Alive): .*\r\n/gim, '') });
    }
    assert.deepEqual(results[1], results[0], name);
  }
});

/** Leaves when the listener has the request, of which the rest never comes. */
async function abandon(port, text, name) {
  const socket = net.connect(port, '127.0.0.1').on('error', () => undefined);
  socket.write(text);
  await until(async () => (await seen(port, name)) !== null);
  socket.destroy();
  return '';
}

test('several requests on one connection are answered in their order', async (t) => {
  const { port } = await mounted(t, 'plain.mjs');
  const got = await talk(port, get('/late') + get('/end') + get('/cut?', '') + get('/end'));
  assert.deepEqual(got.match(/late|done|a beginning/g), ['late', 'done', 'a beginning'], 'what is cut off ends the connection');
});

/** What the listener does after `setHeader('Content-Length', length)`, what the client gets of it, and whether the connection goes on. */
const LENGTHS = [
  [5, "res.end('right')", 'right', true],
  [6, "res.end('gr\u00fc\u00df')", 'gr\u00fc\u00df', true],
  [4, "res.setHeader('x-name', 'M\u00fcller'), res.end(Buffer.from('four'))", 'four', true],
  [4, "res.flushHeaders(), res.write('f'), res.write('6f75', 'hex'), setImmediate(() => res.end('r'))", 'four', true],
  [4, "res.end('four and more')", 'four', false],
  [4, "res.write('four'), res.write(Buffer.from(' and')), res.end(' more')", 'four', false],
  [4, "res.flushHeaders(), res.end(Buffer.from('four and more'))", 'four', false],
  [9, "res.end('four')", 'four', false],
  [9, "res.write('four'), setImmediate(() => res.end())", 'four', false],
  [9, "res.statusCode = 304, res.end()", '', true],
  [9, "req.method === 'HEAD' && res.end('as of GET')", '', true, 'HEAD'],
];

test('a body of another length than its Content-Length ends the connection, and is never taken for the next response', async (t) => {
  const acts = LENGTHS.map(([length, act]) => `(req, res) => { res.setHeader('Content-Length', ${length}); ${act}; }`);
  const { port } = await new App(t, {
    'actix.yaml': `${head()}routes:\n  /*rest: { node: app.js }\n`,
    'app.js': `const acts = [${acts.join()}];
      module.exports = (req, res) => (req.url === '/next' ? res.end('next') : acts[Number(req.url.slice(1))](req, res));`,
  }).serve();
  for (const [at, [, act, body, goesOn, method = 'GET']] of LENGTHS.entries()) {
    const got = await talk(port, `${method} /${at} HTTP/1.1\r\nHost: a\r\n\r\n${get('/next', CLOSE)}`);
    const [first, second] = got.split(/(?=HTTP\/1\.1 )/);
    assert.equal(Buffer.from(bodyOf(first), 'latin1').toString(), body, act);
    if (goesOn) assert.equal(bodyOf(second), 'next', act);
    else assert.equal(second, undefined, act);
  }
});

test('a listener that throws: 500 where no head was sent, else the connection ends', async (t) => {
  const s = await mounted(t, 'plain.mjs');
  const answer = await talk(s.port, get('/throws', CLOSE));
  assert.match(answer, /^HTTP\/1\.1 500 [^]*X-Request-Id: [^]*\{"error":"Internal Server Error"\}$/);
  const cut = await talk(s.port, get('/rejects'));
  assert.match(cut, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nb\r\na beginning\r\n$/, 'no last chunk');
  assert.match(s.stderr, /the handler failed: at once/);
  assert.match(s.stderr, /error after the response: too late/);
});

test('a listener that says nothing is answered 504; what it sends later goes nowhere', async (t) => {
  const { port } = await mounted(t, 'plain.mjs', { top: `${head()}timeouts: { handler: 100ms, stall: 10s }\n` });
  assert.match(await talk(port, get('/silent?name=silent', CLOSE)), /^HTTP\/1\.1 504 /);
  const events = await eventsOf(port, 'silent');
  assert.deepEqual(events, ['req aborted', 'res close', 'req error', 'req close'], 'as of a client that has gone');
  assert.match(await talk(port, get('/never?name=open'), (got) => began(got)), /^HTTP\/1\.1 200 /, 'once a head is out it is no affair of the timeout');
});

test('a client that does not read stops the writer', async (t) => {
  const { port } = await mounted(t, 'plain.mjs', { top: `${head()}timeouts: { send: 60s }\n` });
  const socket = net.connect(port, '127.0.0.1').on('error', () => undefined);
  t.after(() => socket.destroy());
  socket.pause();
  socket.write(get('/flood?name=flood'));
  const last = await settled(async () => ((await seen(port, 'flood')) ?? [])[0]);
  assert.ok(last < 16 * 1024 * 1024, `${last} bytes were taken for a client that reads none`);
  socket.resume();
  await until(async () => (await seen(port, 'flood'))[0] > 2 * last);
  socket.destroy();
  await until(async () => (await seen(port, 'flood')).includes('res close'));
});

test('stopping, each response says that the connection ends', async (t) => {
  const s = await mounted(t, 'plain.mjs', { top: `${head()}timeouts: { lame_duck: 10s }\n` });
  const open = await talk(s.port, get('/end'), (got) => got.includes('done'));
  const says = /^v18\./.test(process.version) ? 'Connection: keep-alive' : undefined; // its ServerResponse cannot leave that out
  assert.equal(/connection:.*/i.exec(open)?.[0], says, 'staying open is what HTTP/1.1 does');
  const ended = s.signal('SIGTERM');
  await until(async () => /Connection: close/.test(await talk(s.port, get('/end'), (got) => got.includes('done'))));
  s.child.kill('SIGINT');
  s.child.kill('SIGINT');
  await ended;
});

// ---- the manifest

const LISTENER = 'module.exports = (req, res) => res.end(JSON.stringify({ url: req.url, ip: req.socket.remoteAddress, tls: req.socket.encrypted }));';

test('a mount under a prefix gets the whole URL; headers of the route are added', async (t) => {
  const s = await new App(t, {
    'actix.yaml': `${head(', trusted_proxies: [127.0.0.1]')}routes:\n  /legacy/*rest: { node: app.js, headers: { x-mount: legacy } }\n  /named: { GET: { node: "named.js#listener" } }\n`,
    'app.js': LISTENER,
    'named.js': LISTENER.replace('module.exports', 'exports.listener'),
  }).serve();
  const got = await talk(s.port, get('/legacy/a/b?c=d', `${CLOSE}X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n`));
  assert.match(got, /^x-mount: legacy\r$/m);
  assert.deepEqual(JSON.parse(bodyOf(got)), { url: '/legacy/a/b?c=d', ip: '203.0.113.7', tls: true });
  assert.deepEqual(JSON.parse(bodyOf(await talk(s.port, get('/named', CLOSE)))), { url: '/named', ip: '127.0.0.1', tls: false });
  for (const target of ['/legacy/../x', '/legacy/%zz']) assert.match(await talk(s.port, get(target, CLOSE)), /^HTTP\/1\.1 400 /);
  assert.match(await talk(s.port, `POST /named HTTP/1.1\r\nHost: a\r\n${CLOSE}Content-Length: 0\r\n\r\n`), /^HTTP\/1\.1 405 /);
});

test('policies hold for mounts: who may not pass never reaches the app, and lines of CORS are added', async (t) => {
  const s = await new App(t, {
    'actix.yaml': `${head()}cors: { web: { origins: ["https://a.example"] } }\nauth: { api: { bearer: { token: a-secret-token } } }\nroutes:\n  /*rest: { node: app.js, cors: web }\n  /in: { node: app.js, auth: api }\n`,
    'app.js': LISTENER,
  }).serve();
  const got = await talk(s.port, get('/x', `${CLOSE}Origin: https://a.example\r\n`));
  assert.match(got, /^HTTP\/1\.1 200 [^]*access-control-allow-origin: https:\/\/a\.example\r\n/i);
  assert.match(await talk(s.port, get('/in', CLOSE)), /^HTTP\/1\.1 401 /);
  assert.match(await talk(s.port, get('/in', `${CLOSE}Authorization: Bearer a-secret-token\r\n`)), /^HTTP\/1\.1 200 /);
});

test('limits.body and a body that breaks off end the request', async (t) => {
  const { port } = await mounted(t, 'plain.mjs', { top: `${head()}limits: { body: 1KiB }\n` });
  assert.match(await talk(port, `POST /read?name=large HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n`), /^HTTP\/1\.1 413 /);
  for (const [name, piece, status] of [['large-chunk', `800\r\n${'x'.repeat(2048)}\r\n`, 413], ['bad-chunk', 'zz\r\n', 400]]) {
    const socket = net.connect(port, '127.0.0.1').setEncoding('latin1');
    let got = '';
    socket.on('data', (data) => (got += data));
    socket.write(`POST /read?name=${name} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`);
    await until(async () => (await seen(port, name)) !== null);
    socket.write(piece);
    await once(socket, 'close');
    assert.match(got, new RegExp(`^HTTP/1\\.1 ${status} `), name);
    assert.deepEqual(await eventsOf(port, name), ['req aborted', 'res close', 'req error', 'req close'], name);
  }
});

test('what one request stores with enterWith, no other sees', async (t) => {
  const s = await new App(t, {
    'actix.yaml': `${head()}routes:\n  /*rest: { node: app.js }\n`,
    'app.js': `const { AsyncLocalStorage } = require('node:async_hooks');
      const store = new AsyncLocalStorage();
      module.exports = (req, res) => {
        const before = store.getStore();
        store.enterWith(req.url);
        let size = 0;
        req.on('data', (piece) => (size += piece.length));
        req.on('end', () => setImmediate(() => res.end(JSON.stringify([before ?? null, store.getStore(), size]))));
      };`,
  }).serve();
  const asks = Array.from({ length: 8 }, (_, i) => talk(s.port, `POST /${i} HTTP/1.1\r\nHost: a\r\n${CLOSE}Content-Length: 3\r\n\r\nabc`));
  const got = (await Promise.all(asks)).map((text) => JSON.parse(bodyOf(text)));
  assert.deepEqual(got, Array.from({ length: 8 }, (_, i) => [null, `/${i}`, 3]));
});

test('middleware under `use` runs around a mount: it may answer, add headers and wait for the end', async (t) => {
  const s = await new App(t, {
    'actix.yaml': `${head()}routes:\n  /*rest: { node: app.js, use: [guard.js] }\n`,
    'app.js': "module.exports = (req, res) => setImmediate(() => res.end('in'));",
    'guard.js': `module.exports = async (req, next) => {
      if (req.path === '/out') return 'out';
      req.addHeader('x-guard', 'passed');
      await next();
      console.log('over', req.path);
    };`,
  }).serve();
  assert.match(await talk(s.port, get('/out', CLOSE)), /^HTTP\/1\.1 200 [^]*\r\n\r\nout$/);
  assert.match(await talk(s.port, get('/in', CLOSE)), /^HTTP\/1\.1 200 [^]*x-guard: passed\r\n[^]*\r\n\r\nin$/);
  await until(() => s.stdout.includes('over /in'));
});

const WRONG = [
  ['module.exports = { name: "x" };', /app\.js: the default export is an object with name, not a \(req, res\) listener; export the app/],
  ['module.exports = { fetch() {} };', /write `handler:` for a module with fetch\(\)/],
  ['module.exports = 7;', /the default export is a number/],
  ['', /the default export is an empty object/],
  ['module.exports = Promise.reject(new Error("no database"));', /no database/],
  ['require("no-such-package");', /npm install no-such-package/],
  ['throw new Error("at the top");', /at the top \(app\.js:1:/],
];

test('what is no listener is told with the place in the manifest, by check as by serve', async (t) => {
  const app = new App(t, { 'actix.yaml': `${head()}routes:\n  /*rest: { node: app.js }\n` });
  for (const [text, message] of WRONG) {
    app.write('app.js', text);
    const { code, stderr } = app.run('check');
    assert.equal(code, 3, text);
    assert.match(stderr, /^actix\.yaml:5:19: /m, text);
    assert.match(stderr, message, text);
    await assert.rejects(app.serve(), message, text);
  }
  app.write('actix.yaml', `${head()}routes:\n  /*rest: { node: "app.js#other" }\n`);
  app.write('app.js', 'exports.listener = () => undefined;');
  assert.match(app.run('check').stderr, /"other" is missing/);
});
