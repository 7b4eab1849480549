'use strict';
// The benchmark's load generator: what it counts is what the server did.
const assert = require('node:assert/strict');
const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const test = require('node:test');
const { App } = require('./serve-app');

const ROOT = path.join(__dirname, '../..');
const LOADER = process.env.LOADER ?? path.join(ROOT, 'build/release/bench/loader');

test.before(() => {
  if (process.env.LOADER) return;
  const { status, stdout, stderr } = spawnSync('make', ['BUILD=release', 'OUT=build/release', 'build/release/bench/loader'], { cwd: ROOT, encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
});

/** Runs it to its end; the result is null when it printed none. */
function load(...args) {
  return new Promise((resolve) => {
    const child = spawn(LOADER, ['--json', '--connections', '4', '--seconds', '0.2', ...args.map(String)]);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data) => (stdout += data));
    child.stderr.on('data', (data) => (stderr += data));
    child.on('close', (code) => resolve({ code, stderr, ...(stdout ? JSON.parse(stdout) : { result: null }) }));
  });
}

/** A server of this process on a free port, or on a path; closed with its connections. */
async function listen(t, server, where = 0) {
  const open = new Set();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => undefined); // the load generator goes when its time is over
  });
  await new Promise((resolve) => server.listen(where, typeof where === 'number' ? '127.0.0.1' : resolve, resolve));
  t.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return server.address().port;
}

/** Answers each request (no bodies) with what `answer(nth of its connection)` says; null closes. */
const raw = (answer) =>
  net.createServer((socket) => {
    let text = '';
    let nth = 0;
    socket.on('data', (data) => {
      text += data.toString('latin1');
      for (let end; (end = text.indexOf('\r\n\r\n')) >= 0; text = text.slice(end + 4)) {
        const bytes = answer(nth++);
        if (bytes === null) return socket.end();
        for (const piece of [bytes].flat()) socket.write(piece);
      }
    });
  });

const app = (t) =>
  new App(t, {
    'actix.yaml': `version: 1
server: { workers: 1, listen: "127.0.0.1:0" }
routes:
  /: home.js
  /boom: boom.js
  /echo: { POST: echo.js }
`,
    'home.js': "module.exports = () => 'home';",
    'boom.js': "module.exports = () => { throw new Error('boom'); };",
    'echo.js': 'module.exports = async (req) => ({ got: req.headers["x-one"], body: await req.text() });',
  });

test('every answer is counted once, whatever the pipeline, the threads, the idle connections and the warm-up', async (t) => {
  const a = app(t);
  const s = await a.serve();
  let sum = 0;
  for (const args of [
    [],
    ['--pipeline', 16],
    ['--threads', 2, '--warmup', 0.1],
    ['--idle', 7, '--pipeline', 3, '--connections', 5, '--threads', 3],
    ['--method', 'HEAD'],
    ['--connections', 1],
  ]) {
    const r = await load('--port', s.port, ...args);
    assert.equal(r.code, 0, r.stderr);
    assert.deepEqual([r.errors, r.non2xx], [0, 0], args.join(' '));
    assert.equal(r.idle, args.includes('--idle') ? 7 : 0);
    assert.ok(r.requests > 0 && r.samples > 0 && r.samples <= r.requests + r.unrecorded);
    assert.ok(r.p50 > 0 && r.p50 <= r.p90 && r.p90 <= r.p99 && r.p99 <= r.p999 && r.p999 <= r.max);
    assert.ok(Math.abs(r.rps - r.requests / r.seconds) < r.rps / 100 && r.seconds >= 0.2 && r.client_cpu > 0);
    sum += r.requests + r.unrecorded;
    assert.equal(a.json('status').requests, sum, args.join(' '));
  }
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('statuses other than 2xx are counted', async (t) => {
  const a = app(t);
  const s = await a.serve();
  for (const where of ['/boom', '/nowhere']) {
    const r = await load('--port', s.port, '--path', where);
    assert.equal(r.non2xx, r.requests);
    assert.equal(r.errors, 0);
    assert.ok(r.requests > 0);
  }
});

test('method, headers and body are sent as given', async (t) => {
  const seen = new Set();
  const server = http.createServer((req, res) => {
    let body = '';
    req.on('data', (data) => (body += data));
    req.on('end', () => {
      seen.add(JSON.stringify([req.method, req.url, req.headers['x-one'], req.headers['x-two'], req.headers['content-length'], body]));
      res.end('ok');
    });
  });
  const port = await listen(t, server);
  const r = await load('--port', port, '--path', '/a?b=c', '--method', 'PUT', '--header', 'X-One: 1', '--header', 'X-Two: 2', '--body', 'hällo');
  assert.equal(r.errors, 0);
  assert.deepEqual([...seen], [JSON.stringify(['PUT', '/a?b=c', '1', '2', '6', 'hällo'])]);
});

test('a UNIX socket', async (t) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'loader-'));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  let served = 0;
  await listen(t, http.createServer((req, res) => res.end(String(++served))), path.join(dir, 'sock'));
  const r = await load('--unix', path.join(dir, 'sock'));
  assert.equal(r.errors, 0);
  assert.equal(r.requests + r.unrecorded, served);
});

const whole = {
  'chunks, an extension, a trailer': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=y\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n',
  'no body': 'HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n',
  '204': 'HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n',
  'after an interim response': 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'in pieces': ['HTTP/1.1 20', '0 OK\r\nContent-Le', 'ngth: 4\r\n\r', '\nbo', 'dy'],
  'larger than a read': `HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n${'x'.repeat(300000)}`,
};
for (const [name, answer] of Object.entries(whole))
  test(`the end of a response is found: ${name}`, async (t) => {
    let served = 0;
    const port = await listen(t, raw(() => (served++, answer)));
    const r = await load('--port', port, '--pipeline', 2);
    assert.deepEqual([r.errors, r.non2xx], [0, 0]);
    assert.ok(r.requests > 0);
    assert.equal(r.requests + r.unrecorded, served);
  });

const broken = {
  'no length': 'HTTP/1.1 200 OK\r\n\r\nhello',
  'a length and chunks': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx',
  'a chunk size that is none': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
  'a chunk longer than it says': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n',
  'another protocol': 'SSH-2.0-OpenSSH_9\r\n\r\n',
  'bare line feeds': 'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
  'two answers to one request': 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
};
for (const [name, answer] of Object.entries(broken))
  test(`broken framing is an error: ${name}`, async (t) => {
    const port = await listen(t, raw(() => answer));
    const r = await load('--port', port);
    assert.ok(r.errors > 0);
    if (name !== 'two answers to one request') assert.deepEqual([r.code, r.requests], [1, 0]);
  });

test('a connection that the server closes is an error, and is opened again', async (t) => {
  let opened = 0;
  const server = raw((nth) => (nth < 3 ? 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok' : null));
  server.on('connection', () => opened++);
  const r = await load('--port', await listen(t, server));
  assert.ok(r.requests >= 6 && r.errors >= 2, JSON.stringify(r));
  assert.ok(opened - 4 <= r.errors && r.errors <= opened, `${opened} opened, ${r.errors} errors`);
});

test('a close that was asked for is none', async (t) => {
  let served = 0;
  const port = await listen(t, http.createServer((req, res) => res.end(String(++served))));
  const r = await load('--port', port, '--header', 'Connection: close');
  assert.equal(r.errors, 0);
  assert.equal(r.requests + r.unrecorded, served);
  assert.ok(r.requests > 4);
});

test('idle connections stay open, and those that do not are errors', async (t) => {
  for (const kept of [true, false]) {
    let most = 0;
    let now = 0;
    const server = raw(() => 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    server.on('connection', (socket) => {
      most = Math.max(most, ++now);
      socket.on('close', () => now--);
      if (!kept) setTimeout(() => socket.destroy(), 20);
    });
    const r = await load('--port', await listen(t, server), '--idle', 9);
    assert.equal(r.idle, kept ? 9 : 0);
    assert.ok(kept ? r.errors === 0 : r.errors >= 9);
    assert.ok(!kept || most === 13);
  }
});

test('a request without an answer is an error', async (t) => {
  const r = await load('--port', await listen(t, raw(() => [])), '--seconds', 0.05);
  assert.deepEqual([r.code, r.requests, r.errors], [1, 0, 4]);
});

test('wrong use ends with 2, no server with 1', async () => {
  for (const args of [[], ['--port', 0], ['--port', 1, '--unix', '/x'], ['--port', 1, '--header', 'x'], ['--port', 1, '--threads', 9], ['--port', 1, '--seconds', 'x'], ['--port', 1, '--nonsense'], ['--port', 1, 'operand']]) {
    const r = await load(...args);
    assert.equal(r.code, 2, args.join(' '));
    assert.match(r.stderr, /^loader: .+; see loader --help\n$/);
  }
  const r = await load('--port', 1);
  assert.equal(r.code, 1);
  assert.match(r.stderr, /^loader: cannot connect: Connection refused\n$/);
});
