'use strict';
// The programs of the benchmark.  The load generator: what it counts is what the server did.  The bare epoll loop and the
// yardstick: they answer what the comparisons ask.
const assert = require('node:assert/strict');
const { spawn, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const test = require('node:test');
const { App, get } = require('./serve-app');

const ROOT = path.join(__dirname, '../..');
const TOOLS = path.join(ROOT, 'build/release/bench');
const LOADER = process.env.LOADER ?? path.join(TOOLS, 'loader'); // one built with a sanitizer

test.before(() => {
  const { status, stdout, stderr } = spawnSync('make', ['BUILD=release', 'OUT=build/release', 'bench-tools'], { cwd: ROOT, encoding: 'utf8' });
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
      if (!kept) socket.on('data', () => setImmediate(() => socket.end())); // once it is answered
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

/** A program that prints its port; it is stopped when the test ends. */
async function started(t, file, ...args) {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((done) => child.on('close', done));
  t.after(() => {
    child.kill();
    return ended;
  });
  const [line] = await once(child.stdout, 'data');
  assert.match(String(line), /^\d+\n$/);
  return Number(line);
}

test('the bare epoll loop answers each empty line', async (t) => {
  const port = await started(t, path.join(TOOLS, 'limit'), '0');
  assert.equal((await get(`http://127.0.0.1:${port}/`)).body, 'Hello World');
  for (const args of [[], ['--pipeline', 500, '--connections', 9]]) {
    const r = await load('--port', port, ...args);
    assert.deepEqual([r.code, r.errors, r.non2xx], [0, 0, 0], r.stderr);
  }
  assert.equal(spawnSync(path.join(TOOLS, 'limit'), ['x']).status, 2);
});

function post(port, where, body) {
  return fetch(`http://127.0.0.1:${port}${where}`, { method: 'POST', body }).then((r) => r.json());
}

for (const how of ['sync', 'async'])
  test(`the yardstick answers the requests of the benchmark (${how})`, async (t) => {
    const port = await started(t, process.execPath, path.join(TOOLS, 'yardstick/server.js'), '0', how);
    const url = `http://127.0.0.1:${port}`;
    const hello = await get(url);
    assert.deepEqual([hello.status, hello.body, hello.headers['content-type']], [200, 'Hello World', 'text/plain; charset=utf-8']);
    assert.equal((await get(`${url}/users/12345`)).body, '12345');
    assert.equal(JSON.parse((await get(`${url}/json`)).body).message, 'Hello JSON');
    assert.equal((await post(port, '/echo', 'hällo')).echo, 'hällo');
    assert.deepEqual((await post(port, '/json', '{"a":[1,2]}')).received, { a: [1, 2] });
    for (const args of [[], ['--pipeline', 16], ['--pipeline', 300], ['--path', '/echo', '--body', 'x'.repeat(2000)]]) {
      const r = await load('--port', port, ...args);
      assert.deepEqual([r.code, r.errors, r.non2xx], [0, 0, 0], r.stderr);
    }
  });
