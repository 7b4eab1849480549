'use strict';
// HTTP as real handlers see it: what other servers are known to get wrong, and paths by the rules of the manifest.  The
// grammar itself is in tests/wire.
const assert = require('node:assert/strict');
const net = require('node:net');
const test = require('node:test');
const { App } = require('./serve-app');

const head = (slash = 'strict') => `version: 1\nserver: { workers: 1, listen: "127.0.0.1:0", trailing_slash: ${slash} }\n`;

/** Sends all in one write; resolves with all that comes until the server closes. */
function talk(port, text, { shut = false } = {}) {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => (shut ? socket.end(text, 'latin1') : socket.write(text, 'latin1')));
    let got = '';
    socket.setEncoding('latin1').on('data', (data) => (got += data));
    socket.on('end', () => socket.end(() => resolve(got))).on('error', reject);
    socket.setTimeout(10_000, () => socket.destroy(new Error(`it stays open: ${got}`)));
  });
}

/** [{ status, head, body }] */
function answers(text) {
  const all = [];
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\r\n\r\n', at) + 4;
    const head = text.slice(at, end);
    const length = Number(/^Content-Length: (\d+)\r$/m.exec(head)?.[1] ?? 0);
    all.push({ status: Number(head.slice(9, 12)), head, body: text.slice(end, end + length) });
    at = end + length;
  }
  return all;
}
const brief = (text) => answers(text).map(({ status, body }) => (status === 200 ? body : status));

const handlers = {
  'at-once.js': "globalThis.calls = 0; module.exports = () => `called ${++globalThis.calls}`;",
  'calls.js': 'module.exports = () => globalThis.calls ?? 0;',
  'later.js': 'module.exports = async (req) => { await new Promise((r) => setTimeout(r, 40)); return `late ${req.params.id}`; };',
  'callback.js': 'module.exports = (req) => { setTimeout(() => req.sendText(`called back ${req.params.id}`), 40); };',
  'host.js': 'module.exports = (req) => String(req.host);',
};
const routes = `routes:
  /at-once: at-once.js
  /calls: calls.js
  /later/:id: later.js
  /callback/:id: callback.js
  /host: host.js
`;
const get = (target, more = '') => `GET ${target} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;
const last = get('/calls', 'Connection: close\r\n');
const serve = async (t) => {
  let s;
  t.after(async () => assert.equal(await s?.signal('SIGTERM'), 0)); // before the app is cleaned away
  s = await new App(t, { 'actix.yaml': head() + routes, ...handlers }).serve();
  return s;
};

test('duplicate and invalid Host: refused, no handler runs', async (t) => {
  const s = await serve(t);
  for (const host of ['Host: a\r\nHost: a\r\n', 'Host: a\r\nHost: b\r\n', 'Host: a b\r\n', 'Host: a/b\r\n', 'Host: u@a\r\n', 'Host: a, b\r\n', 'Host: [::1\r\n', ''])
    assert.deepEqual(brief(await talk(s.port, `GET /at-once HTTP/1.1\r\n${host}\r\n${last}`)), [400], host);
  assert.deepEqual(brief(await talk(s.port, `GET http://x.example:1/host HTTP/1.1\r\nHost: y.example\r\nConnection: close\r\n\r\n`)), ['x.example:1']);
  assert.deepEqual(brief(await talk(s.port, last)), ['0']);
});

test('an invalid Transfer-Encoding is refused before a handler that does not read the body could answer', async (t) => {
  const s = await serve(t);
  for (const coding of ['x', 'chunked, x', 'chunked, chunked', '', 'identity', 'chunked\r\nContent-Length: 0', 'chunked\r\nTransfer-Encoding: chunked', '\x0bchunked'])
    assert.deepEqual(brief(await talk(s.port, `POST /at-once HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ${coding}\r\n\r\n0\r\n\r\n${last}`)), [400], coding);
  assert.deepEqual(brief(await talk(s.port, `POST /at-once HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n${last}`)), [501]);
  assert.deepEqual(brief(await talk(s.port, `POST /at-once HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n${last}`)), [400]);
  assert.deepEqual(brief(await talk(s.port, last)), ['0']);
});

test('bytes behind an ignored Upgrade, in the same read, are the next request', async (t) => {
  const s = await serve(t);
  for (const upgrade of ['websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13', 'h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA', 'TLS/1.3'])
    for (const path of ['/later/1', '/callback/1', '/nowhere'])
      assert.deepEqual(brief(await talk(s.port, get(path, `Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n`) + get('/later/2') + last)).slice(1), ['late 2', '0']);
});

test('answers in progress are not lost when the bytes after them are bad', async (t) => {
  const s = await serve(t);
  const before = get('/later/1') + get('/callback/2') + get('/later/3');
  for (const bad of ['\0\0\0\0\r\n\r\n', 'GET\r\n\r\n', 'GET / HTTP/3.0\r\n\r\n', `POST /at-once HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n`, get('/x', 'A\r\n'), `${'A'.repeat(20_000)}`]) {
    const all = answers(await talk(s.port, before + bad));
    assert.deepEqual(all.slice(0, 3).map((a) => a.body), ['late 1', 'called back 2', 'late 3']);
    assert.equal(all.length, 4);
    assert.ok(all[3].status >= 400 && /^Connection: close\r$/m.test(all[3].head), bad);
  }
});

test('an HTTP/1.0 connection with Transfer-Encoding is closed, keep-alive or not', async (t) => {
  const s = await serve(t);
  for (const keep of ['', 'Connection: keep-alive\r\n'])
    assert.deepEqual(brief(await talk(s.port, `POST /at-once HTTP/1.0\r\n${keep}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${last}`)), [400]);
  assert.deepEqual(brief(await talk(s.port, 'GET /later/1 HTTP/1.0\r\n\r\n')), ['late 1']);
  assert.doesNotMatch(await talk(s.port, 'GET /later/1 HTTP/1.0\r\n\r\n'), /transfer-encoding/i);
});

test('a 400 is a response like any other: Date, JSON, id, Connection: close', async (t) => {
  const s = await serve(t);
  for (const bad of ['x\r\n\r\n', 'GET / HTTP/1.1\r\n\r\n', 'GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n', '\x16\x03\x01\x02\0\r\n']) {
    const [only, ...more] = answers(await talk(s.port, bad));
    assert.equal(more.length, 0);
    assert.equal(only.status, 400);
    assert.match(only.head, /^Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r$/m);
    assert.match(only.head, /^Content-Type: application\/json; charset=utf-8\r$/m);
    assert.match(only.head, /^Connection: close\r$/m);
    assert.match(only.head, /^X-Request-Id: [0-9a-f]{16}\r$/m);
    assert.deepEqual(Object.keys(JSON.parse(only.body)), ['error']);
  }
});

test('a client that has closed its half is answered', async (t) => {
  const s = await serve(t);
  assert.deepEqual(brief(await talk(s.port, get('/later/1'), { shut: true })), ['late 1']);
  assert.deepEqual(brief(await talk(s.port, get('/callback/1') + get('/later/2') + get('/calls'), { shut: true })), ['called back 1', 'late 2', '0']);
  assert.deepEqual(brief(await talk(s.port, `${get('/later/1')}GET /at-once HTTP/1.1\r\nHost`, { shut: true })), ['late 1']);
});

// ---- paths

const shows = 'module.exports = (req) => ({ route: req.params, path: req.path, uri: req.getUri() });';
const paths = `routes:
  /: show.js
  /a: show.js
  /b/: show.js
  /users/me: { respond: me }
  /users/:id: show.js
  /users/:id/posts/:post: show.js
  /files/*rest: show.js
`;
const ask = async (s, target) => answers(await talk(s.port, get(target, 'Connection: close\r\n')))[0];
const seen = async (s, target) => {
  const { status, body } = await ask(s, target);
  return status === 200 && body.startsWith('{') ? JSON.parse(Buffer.from(body, 'latin1').toString()).route : status;
};

test('paths: split first, decoded once, handed over as received', async (t) => {
  const a = new App(t, { 'actix.yaml': head() + paths, 'show.js': shows });
  const s = await a.serve();
  const table = [
    ['/users/7', { id: '7' }],
    ['/users/a%2Fb', { id: 'a/b' }],
    ['/users/a%2fb/posts/%2F', { id: 'a/b', post: '/' }],
    ['/users/..%2F..%2Fetc%2Fpasswd', { id: '../../etc/passwd' }],
    ['/users/%252e%252e', { id: '%2e%2e' }],
    ['/users/%25', { id: '%' }],
    ['/users/%c3%bc', { id: 'ü' }],
    ['/users/\xc3\xbc', { id: 'ü' }],
    ['/users/%F0%9F%92%A9', { id: '💩' }],
    ['/users/a+b', { id: 'a+b' }],
    ['/users/%20', { id: ' ' }],
    ['/users/...', { id: '...' }],
    ['/users/ME', { id: 'ME' }],
    ['/users/m%65', 200], // the static one
    ['/%75sers/m%65', 200],
    ['/users/%6de%2F', { id: 'me/' }],
    ['/files/', { rest: '' }],
    ['/files/a/b%2Fc//d/', { rest: 'a/b/c//d/' }],
    ['/files/%2e%2e%2f', { rest: '../' }],
    ['/files', 404],
    ['/users/', 404],
    ['/users//posts/1', 404],
    ['//users/7', 404],
    ['/users/7/', 404],
    ['/users%2F7', 404],
    ['/USERS/7', 404],
    ['/a/', 404],
    ['/b', 404],
    ['/users/.', 400],
    ['/users/..', 400],
    ['/users/%2e', 400],
    ['/users/%2E.', 400],
    ['/files/x/../../users/me', 400],
    ['/files/x/%2e%2e/y', 400],
    ['/users/%00', 400],
    ['/users/%', 400],
    ['/users/%zz', 400],
    ['/users/%c3', 400],
    ['/users/%c0%af', 400],
    ['/users/%ed%a0%80', 400],
    ['/users/\xff', 400],
    ['/a?/../x', {}],
    ['/a?%zz', {}],
  ];
  // Twice: the second time from the cache of routes, through the same rules.
  for (let round = 0; round < 2; round++)
    for (const [target, want] of table) {
      const got = await seen(s, target);
      assert.deepEqual(got, want, target);
    }
  const { body } = await ask(s, '/users/a%2Fb?x=%20#'.slice(0, -1));
  assert.deepEqual(JSON.parse(body), { route: { id: 'a/b' }, path: '/users/a%2Fb', uri: '/users/a%2Fb?x=%20' });
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('trailing_slash: redirect keeps the query and stays here; ignore answers both', async (t) => {
  const redirecting = await new App(t, { 'actix.yaml': head('redirect') + paths, 'show.js': shows }).serve();
  for (const [target, location] of [['/a/', '/a'], ['/b', '/b/'], ['/b?x=y&z', '/b/?x=y&z'], ['/users/a%2Fb/', '/users/a%2Fb']]) {
    const { status, head } = await ask(redirecting, target);
    assert.equal(status, 308, target);
    assert.equal(/^Location: (.*)\r$/m.exec(head)[1], location);
  }
  for (const target of ['//', '//evil.example/', '//evil.example', '/a//', '/\\evil.example/', '/users/../']) {
    const { status, head } = await ask(redirecting, target);
    assert.ok(status === 404 || status === 400 || /^Location: \/(?![\/\\])/m.test(head), `${target}: ${head}`);
  }
  const ignoring = await new App(t, { 'actix.yaml': head('ignore') + paths, 'show.js': shows }).serve();
  for (const [target, want] of [['/a/', {}], ['/b', {}], ['/users/7/', { id: '7' }], ['/a//', 404], ['/users/../', 400]]) assert.deepEqual(await seen(ignoring, target), want, target);
  for (const s of [redirecting, ignoring]) assert.equal(await s.signal('SIGTERM'), 0);
});
