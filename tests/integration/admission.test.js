'use strict';
// Who is let in, who waits and who is refused: a route's max_inflight and queue, limits.body_memory; and who the client is
// behind trusted proxies.  Real sockets, the real server.
const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');
const test = require('node:test');
const { App, until } = require('./serve-app');

const FILES = {
  // answers when /open says so, or at once when it is open
  'held.js': `const { worker } = require('actix-js');
let open = false;
const waiting = [];
module.exports = (req) => open ? 'open' : new Promise((resolve) => waiting.push(() => resolve(req.getPathParam('n'))));
module.exports.next = () => { waiting.shift()?.(); return String(waiting.length); };
module.exports.all = () => { open = true; for (const one of waiting.splice(0)) one(); return 'open'; };
module.exports.count = () => String(waiting.length);`,
  'next.js': `const held = require('./held.js'); module.exports = (req) => held[req.getPathParam('what')]();`,
  'slow.js': `module.exports = (req) => new Promise((resolve) => setTimeout(resolve, 20, String(require('actix-js').worker.id)));`,
  'size.js': 'module.exports = (req) => String(req.getBodySize());',
  'who.js': `module.exports = (req) => ({ ip: req.ip, protocol: req.protocol, host: req.host, id: req.id,
    forwarded: req.headers['x-forwarded-for'] ?? null });`,
};

const manifest = (server, routes, more = '') => `version: 1
server: { listen: "127.0.0.1:0", ${server} }
${more}
routes:
  /do/:what: next.js
${routes}`;

function ask(port, url, { method = 'GET', headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const req = http.request({ host: '127.0.0.1', port, path: url, method, headers, agent: false }, (res) => {
      let text = '';
      res.setEncoding('latin1');
      res.on('data', (data) => (text += data));
      res.on('end', () => resolve({ status: res.statusCode, text, headers: res.headers }));
    });
    req.on('error', reject);
    req.end(body);
  });
}

/** What a body of so many bytes would be answered, not a byte of it sent: 100 when it would be taken. */
function announce(port, url, bytes) {
  return new Promise((resolve, reject) => {
    const headers = { 'content-length': bytes, expect: '100-continue' };
    const req = http.request({ host: '127.0.0.1', port, path: url, method: 'POST', headers, agent: false }, (res) => told(res.statusCode));
    const told = (status) => (resolve(status), req.destroy());
    req.on('continue', () => told(100));
    req.on('error', reject);
    req.flushHeaders();
  });
}

function assertRefused(res, limit) {
  assert.equal(res.status, 503);
  assert.equal(res.headers['retry-after'], '1');
  assert.equal(JSON.parse(res.text).limit, limit);
}

/** The number of requests that handlers hold now. */
const held = async (port) => Number((await ask(port, '/do/count')).text);

test('max_inflight and queue: in order of arrival, beyond both 503, other routes as ever', async (t) => {
  const a = new App(t, { 'actix.yaml': manifest('workers: 1', '  /held/:n: { handler: held.js, max_inflight: 2, queue: 3 }\n'), ...FILES });
  const { port } = await a.serve();
  const order = [];
  const all = [];
  for (const n of ['a', 'b', 'c', 'd', 'e']) {
    all.push(ask(port, `/held/${n}`).then((res) => order.push(`${n} ${res.status} ${res.text}`)));
    await until(() => a.json('status').workers[0].inflight === all.length); // it has come before the next one is sent
  }
  assert.equal(await held(port), 2);
  assertRefused(await ask(port, '/held/f'), 'max_inflight');
  assertRefused(await ask(port, '/held/f', { method: 'POST', body: Buffer.alloc(100_000) }), 'max_inflight');
  for (let left = 5; left > 0; left--) {
    const before = order.length;
    await ask(port, '/do/next');
    await until(() => order.length === before + 1);
    await until(async () => (await held(port)) === Math.min(2, left - 1));
  }
  await Promise.all(all);
  await until(() => a.json('stats').server.limited.max_inflight === 2);
  assert.deepEqual(order, ['a 200 a', 'b 200 b', 'c 200 c', 'd 200 d', 'e 200 e']);
});

test('max_inflight holds over all workers, and nobody is forgotten', async (t) => {
  const a = new App(t, { 'actix.yaml': manifest('workers: 3', '  /slow: { handler: slow.js, max_inflight: 4, queue: 100 }\n'), ...FILES });
  const { port } = await a.serve();
  const began = Date.now();
  const all = await Promise.all(Array.from({ length: 60 }, () => ask(port, '/slow')));
  assert.deepEqual([...new Set(all.map((r) => r.status))], [200]);
  assert.ok(new Set(all.map((r) => r.text)).size > 1, 'several workers answered');
  assert.ok(Date.now() - began >= (60 / 4) * 20 - 40, `60 requests of 20 ms, 4 at once, took ${Date.now() - began} ms`);
});

test('who waits, waits no longer than the timeout of the route; who leaves, leaves the line', async (t) => {
  const a = new App(t, {
    'actix.yaml': manifest('workers: 1', '  /held/:n: { handler: held.js, max_inflight: 1, queue: 1, timeout: 300ms }\n'),
    ...FILES,
  });
  const { port } = await a.serve();
  const first = ask(port, '/held/a');
  await until(async () => (await held(port)) === 1);
  const leaves = net.connect(port, '127.0.0.1');
  leaves.write('GET /held/b HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(async () => (await ask(port, '/held/c')).status === 503);
  leaves.end(); // one half: it is told so
  const told = await new Promise((resolve) => leaves.once('data', (data) => resolve(String(data))));
  assert.match(told, /^HTTP\/1\.1 503 [^]*"limit":"max_inflight"/);
  const waits = ask(port, '/held/d');
  assert.equal((await first).status, 504);
  assert.ok([503, 504].includes((await waits).status));
});

test('Expect: 100-continue is not sent to who is refused', async (t) => {
  const a = new App(t, { 'actix.yaml': manifest('workers: 1', '  /held/:n: { handler: held.js, max_inflight: 1 }\n'), ...FILES });
  const { port } = await a.serve();
  const first = ask(port, '/held/a');
  await until(async () => (await held(port)) === 1);
  const socket = net.connect(port, '127.0.0.1');
  let got = '';
  socket.on('data', (data) => (got += data));
  socket.write('POST /held/b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n');
  await new Promise((resolve) => socket.once('close', resolve).once('end', resolve));
  assert.match(got, /^HTTP\/1\.1 503 /);
  await ask(port, '/do/all');
  assert.equal((await first).status, 200);
});

test('limits.body_memory: refused by the announced length before the body is read, and in the middle of a chunked one', async (t) => {
  const a = new App(t, {
    'actix.yaml': manifest('workers: 1', '  /size: size.js\n', 'limits: { body: 200KiB, body_memory: 256KiB }'),
    ...FILES,
  });
  const { port } = await a.serve();
  const hog = net.connect(port, '127.0.0.1');
  hog.write(`POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n`);
  hog.write(Buffer.alloc(199_999));
  const socket = net.connect(port, '127.0.0.1');
  let got = '';
  socket.on('data', (data) => (got += data));
  // a body sent to find out might come before the hog's, which would then be the one that is refused
  await until(async () => (await announce(port, '/size', 100_000)) === 503);
  socket.write('POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n'); // not a byte of it
  await until(() => got.endsWith('}'));
  assert.match(got, /^HTTP\/1\.1 503 [^]*\r\nRetry-After: 1\r\n[^]*"limit":"limits\.body_memory"}$/);
  const chunked = { method: 'POST', headers: { 'transfer-encoding': 'chunked' } };
  assertRefused(await ask(port, '/size', { ...chunked, body: Buffer.alloc(150_000) }), 'limits.body_memory');
  assert.equal((await ask(port, '/size', { ...chunked, body: Buffer.alloc(10_000) })).text, '10000');
  const answer = new Promise((resolve) => hog.once('data', (data) => resolve(String(data))));
  hog.write('x');
  assert.match(await answer, /200000$/);
  assert.equal((await ask(port, '/size', { method: 'POST', body: Buffer.alloc(100_000) })).text, '100000');
  hog.destroy();
  socket.destroy();
});

const SAID = {
  'x-forwarded-for': '6.6.6.6, 1.2.3.4, 10.1.1.1',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'app.example',
  'x-request-id': 'from-the-proxy_1',
};

test('trusted proxies: ip, protocol, host, id, access lines and request records', async (t) => {
  const a = new App(t, {
    'actix.yaml': manifest('workers: 1, trusted_proxies: [127.0.0.1, 10.0.0.0/8]', '  /who: who.js\n', 'log: { access: access.log, format: json }\nmetrics: { requests: all, interval: 100ms }'),
    ...FILES,
  });
  const s = await a.serve();
  const host = `127.0.0.1:${s.port}`;
  const who = async (headers) => JSON.parse((await ask(s.port, '/who', { headers })).text);
  const one = await ask(s.port, '/who', { headers: SAID });
  assert.deepEqual(JSON.parse(one.text), {
    ip: '1.2.3.4', protocol: 'https', host: 'app.example', id: 'from-the-proxy_1', forwarded: SAID['x-forwarded-for'],
  });
  assert.equal(one.headers['x-request-id'], 'from-the-proxy_1');
  const plain = await who({});
  assert.deepEqual({ ...plain, id: 0 }, { ip: '127.0.0.1', protocol: 'http', host, id: 0, forwarded: null });
  assert.match(plain.id, /^[0-9a-f]{16}$/);
  assert.equal((await who({ forwarded: 'for="[2001:db8::1]:80";proto=https;host=b.example' })).ip, '2001:db8::1');
  const long = 'i'.repeat(64);
  assert.equal((await who({ 'x-request-id': long })).id, long);
  assert.match((await who({ 'x-request-id': `${long}i` })).id, /^[0-9a-f]{16}$/);
  assert.match((await who({ 'x-request-id': 'a b' })).id, /^[0-9a-f]{16}$/);
  assert.equal(await s.signal('SIGTERM'), 0);
  const lines = a.read('access.log').trim().split('\n').map((line) => JSON.parse(line));
  assert.equal(lines[0].remote, '1.2.3.4');
  assert.equal(lines[0].id, 'from-the-proxy_1');
  assert.equal(lines[1].remote, '127.0.0.1');
  assert.equal(lines[3].id, long);
  const query = [path.join(a.dir, '.actix/metrics.db'), 'SELECT id, remote FROM requests'];
  const list = JSON.parse(execFileSync('sqlite3', ['-json', ...query], { encoding: 'utf8' }));
  assert.ok(list.some((row) => row.id === 'from-the-proxy_1' && row.remote === '1.2.3.4'));
  assert.ok(list.some((row) => row.id === long));
});

test('nobody is trusted unless the manifest says so: the headers are only headers', async (t) => {
  for (const server of ['workers: 1', 'workers: 1, trusted_proxies: [10.0.0.0/8, "::1", unix]']) {
    const a = new App(t, { 'actix.yaml': manifest(server, '  /who: who.js\n'), ...FILES });
    const s = await a.serve();
    const res = await ask(s.port, '/who', { headers: SAID });
    const got = JSON.parse(res.text);
    assert.deepEqual({ ...got, id: 0 }, {
      ip: '127.0.0.1', protocol: 'http', host: `127.0.0.1:${s.port}`, id: 0, forwarded: SAID['x-forwarded-for'],
    });
    assert.match(got.id, /^[0-9a-f]{16}$/);
    assert.equal(res.headers['x-request-id'], got.id);
    assert.equal(await s.signal('SIGTERM'), 0);
  }
});

test('a Unix socket may be trusted', async (t) => {
  const a = new App(t, {
    'actix.yaml': 'server: { listen: "unix:app.sock", workers: 1, trusted_proxies: unix }\nroutes: { /who: who.js }\n',
    ...FILES,
  });
  const s = await a.serve();
  const res = await new Promise((resolve, reject) => {
    http.get({ socketPath: path.join(a.dir, 'app.sock'), path: '/who', headers: { host: 'own.example', 'x-forwarded-for': '1.2.3.4' } }, (r) => {
      let text = '';
      r.on('data', (data) => (text += data)).on('end', () => resolve(JSON.parse(text)));
    }).on('error', reject);
  });
  assert.equal(res.ip, '1.2.3.4');
  assert.equal(res.host, 'own.example');
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('a bad block of addresses is an error at its place', (t) => {
  const a = new App(t, { 'actix.yaml': 'server:\n  trusted_proxies: [127.0.0.1, 10.0.0.0/40]\nroutes: { /who: who.js }\n', ...FILES });
  const r = a.run('check');
  assert.equal(r.code, 3);
  assert.match(r.stderr + r.stdout, /^actix\.yaml:2:32: .*10\.0\.0\.0\/40/m);
});

test('actix routes tells the ceiling of a route', (t) => {
  const a = new App(t, { 'actix.yaml': 'routes:\n  /a: { handler: size.js, max_inflight: 5, queue: 10 }\n  /b: size.js\n', ...FILES });
  assert.match(a.run('routes').stdout, /INFLIGHT\n(.*\n)*ANY +\/a .* 5\+10\n/);
  const { routes } = a.json('routes');
  assert.deepEqual(routes.map((r) => [r.path, r.max_inflight, r.queue]), [['/a', 5, 10], ['/b', undefined, undefined]]);
});
