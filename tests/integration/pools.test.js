'use strict';
// Pools and ceilings: what is counted, what is refused, that all of it comes back, and so does the memory.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const net = require('node:net');
const test = require('node:test');
const { App, get, until } = require('./serve-app');

const MIB = 1 << 20;

const app = (t, more = '') =>
  new App(t, {
    'actix.yaml': `version: 1
server: { workers: 1, listen: "127.0.0.1:0" }
${more}
routes:
  /: home.js
  /hold: hold.js
  /go: go.js
  /echo: { POST: echo.js }
`,
    'home.js': 'module.exports = () => "home";',
    'hold.js': 'globalThis.held = []; module.exports = () => new Promise((r) => held.push(r));',
    'go.js': 'module.exports = () => { const n = held.length; for (const r of held.splice(0)) r("done"); return n; };',
    'echo.js': 'module.exports = (req) => String(req.getBodySize());',
  });

/** A connection of which the answers are gathered as text. */
class Client {
  constructor(port) {
    this.text = '';
    this.socket = net.connect({ port, host: '127.0.0.1' }).setEncoding('latin1');
    this.socket.on('data', (text) => {
      this.text += text;
      this.wake?.();
    });
    this.socket.on('error', (err) => (this.error = err));
    this.closed = new Promise((resolve) => this.socket.on('close', resolve));
    this.closed.then(() => this.wake?.());
  }

  /** Resolves when it is written. */
  send(text) {
    return new Promise((resolve) => this.socket.write(text, resolve));
  }

  /** The next n status codes; fewer when the connection ends before. */
  async statuses(n) {
    for (;;) {
      const got = [...this.text.matchAll(/HTTP\/1\.1 (\d+) /g)].map((m) => Number(m[1]));
      if (got.length >= n || this.socket.destroyed) return got;
      await new Promise((resolve) => (this.wake = resolve));
    }
  }

  end() {
    this.socket.destroy();
    return this.closed;
  }
}

const idle = (a) => until(() => a.json('status').inflight === 0);
const hold = 'GET /hold HTTP/1.1\r\nHost: x\r\n\r\n';
const post = (length) => `POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`;

test('the high-water mark and what the pools lacked are told', async (t) => {
  for (const { pools, dry } of [
    { pools: '{ requests: 4, connections: 2 }', dry: (n) => n >= 4 },
    { pools: '{ requests: 4, connections: 2, prewarm: false }', dry: (n) => n >= 16 },
    { pools: '{ requests: 100, connections: 100 }', dry: (n) => n === 0 },
  ]) {
    const a = app(t, `pools: ${pools}`);
    const s = await a.serve();
    const held = Array.from({ length: 8 }, () => get(`${s.url}/hold`));
    await until(() => a.json('status').inflight === 8);
    await get(`${s.url}/go`);
    await Promise.all(held);
    const status = await until(() => a.json('status').inflight === 0 && a.json('status'));
    assert.ok(status.pool_high >= 8 && status.pool_high <= 9, `${status.pool_high}`);
    assert.ok(dry(status.pool_dry), `${pools}: ${status.pool_dry}`);
    assert.equal(status.workers[0].pool_high, status.pool_high);
    const { server } = a.json('stats');
    assert.equal(server.pool_high, status.pool_high);
    assert.equal(server.pool_dry, status.pool_dry);
    assert.equal(await s.signal('SIGTERM'), 0);
  }
});

/** What a client may do wrong, and well; `n` tells which. */
async function oneOfMany(port, n) {
  const c = new Client(port);
  const size = (n * 7919) % 100_000;
  const kinds = [
    async () => {
      await c.send(post(size) + 'x'.repeat(size));
      assert.deepEqual(await c.statuses(1), [200]);
    },
    async () => c.send(post(size + 1) + 'x'.repeat(size)), // never whole
    async () => {
      await c.send(post(300_000)); // larger than limits.body
      assert.deepEqual(await c.statuses(1), [413]);
    },
    async () => {
      await c.send('POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
      for (let i = 0; i < 4; i++) await c.send(`8000\r\n${'y'.repeat(0x8000)}\r\n`);
      if (n % 2) return;
      await c.send('0\r\n\r\n');
      assert.deepEqual(await c.statuses(1), [200]);
    },
    async () => c.send(hold.repeat(3)), // waits, and leaves
    async () => {
      await c.send('POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n');
      assert.deepEqual(await c.statuses(1), [400]);
    },
    async () => {
      await c.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(5));
      assert.deepEqual(await c.statuses(5), [200, 200, 200, 200, 200]);
    },
  ];
  try {
    await kinds[n % kinds.length]();
  } catch (err) {
    // at the ceilings it may be refused instead
    if (!c.text.includes('HTTP/1.1 503 ')) throw err;
  }
  await c.end();
}

async function inflightIsExact(a, s, limit) {
  const clients = Array.from({ length: limit }, () => new Client(s.port));
  for (const c of clients) await c.send(hold);
  await until(() => a.json('status').inflight === limit);
  for (let i = 0; i < 3; i++) {
    const refused = await get(`${s.url}/`);
    assert.equal(refused.status, 503);
    assert.ok(Number(refused.headers['retry-after']) > 0);
    assert.equal(JSON.parse(refused.body).limit, 'limits.inflight');
  }
  await clients.pop().end(); // entered: it is in progress until its handler ends, gone or not
  assert.equal((await get(`${s.url}/`)).status, 503);
  assert.equal(a.json('status').inflight, limit);
  const { workers } = a.json('status');
  assert.equal(workers[0].state, 'ready');
  return clients;
}

async function bodyMemoryIsExact(s, blocks) {
  const clients = Array.from({ length: blocks }, () => new Client(s.port));
  for (const c of clients) await c.send(post(20_001) + 'x'.repeat(20_000)); // a block of 64 KiB each
  for (let i = 0; i < 3; i++) {
    assert.equal((await get(`${s.url}/`)).status, 200); // the loop has gone round; bodies are not in its way
    const one = new Client(s.port);
    await one.send(post(1000) + 'x'.repeat(1000));
    assert.deepEqual(await one.statuses(1), [503]);
    assert.match(one.text, /^retry-after: \d/im);
    assert.match(one.text, /"limit":"limits\.body_memory"/);
    await one.end();
  }
  for (const c of clients) await c.send('x');
  for (const c of clients) {
    assert.deepEqual(await c.statuses(1), [200]);
    assert.match(c.text, /\r\n\r\n20001$/);
    await c.end();
  }
}

test('after thousands of good, broken and refused requests every ceiling is where it was', async (t) => {
  const a = app(t, 'limits: { inflight: 20, body: 200KiB, body_memory: 512KiB }\ntimeouts: { handler: 3s }');
  const s = await a.serve();
  await bodyMemoryIsExact(s, 8);
  for (let n = 0; n < 2800; n += 14) {
    await Promise.all(Array.from({ length: 14 }, (_, i) => oneOfMany(s.port, n + i)));
    if (n % 140 === 0) await get(`${s.url}/go`); // those that wait for nobody
  }
  await get(`${s.url}/go`);
  await idle(a); // at the latest when timeouts.handler has ended the rest
  await bodyMemoryIsExact(s, 8);
  await idle(a);
  const waiting = await inflightIsExact(a, s, 20);
  await idle(a); // timeouts.handler
  for (const c of waiting) {
    assert.deepEqual(await c.statuses(1), [504]);
    await c.end();
  }
  for (let i = 0; i < 100; i++) assert.equal((await get(`${s.url}/`)).status, 200);
  await until(() => a.json('status').connections === 0);
  assert.equal(a.json('stats').server.worker_restarts, 0);
  assert.equal(await s.signal('SIGTERM'), 0);
});

/** Memory that only this process has, in bytes. */
const own = (pid) => 1024 * Number(/^RssAnon:\s+(\d+) kB/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

async function memoryReturns(t, name, pid, burst) {
  const before = own(pid);
  const end = await burst();
  const during = own(pid);
  await end();
  let after;
  await until(() => (after = own(pid)) < before + 12 * MIB, 40_000).catch(() => undefined);
  t.diagnostic(`${name}: ${(before / MIB).toFixed(1)} MiB before, ${(during / MIB).toFixed(1)} during, ${(after / MIB).toFixed(1)} after`);
  assert.ok(after < before + 12 * MIB);
  return during - before;
}

test('memory that a burst took goes back to the system', async (t) => {
  const a = app(t, 'timeouts: { handler: 60s }');
  const s = await a.serve();
  for (let i = 0; i < 200; i++) await get(`${s.url}/`);
  const first = get(`${s.url}/hold`);
  await until(async () => (await get(`${s.url}/go`)).body === '1');
  await first;
  const { pid } = a.json('status').engine;

  const CONNECTIONS = 1000;
  const took = await memoryReturns(t, `${CONNECTIONS} bodies of 64 KiB`, pid, async () => {
    const clients = Array.from({ length: CONNECTIONS }, () => new Client(s.port));
    for (const c of clients) await c.send(post(60_001) + 'x'.repeat(60_000));
    await until(() => a.json('status').inflight === CONNECTIONS);
    await get(`${s.url}/`);
    return async () => {
      for (const c of clients) await c.send('x');
      for (const c of clients) {
        assert.deepEqual(await c.statuses(1), [200]);
        await c.end();
      }
    };
  });
  assert.ok(took > 40 * MIB, `${took}`);

  const REQUESTS = 9_900; // below limits.inflight: /go is a request too
  await memoryReturns(t, `${REQUESTS} requests in progress`, pid, async () => {
    const clients = Array.from({ length: REQUESTS / 50 }, () => new Client(s.port));
    for (const c of clients) await c.send(hold.repeat(50));
    await until(() => a.json('status').inflight === REQUESTS);
    return async () => {
      for (const c of clients) await c.end();
      await until(async () => (await get(`${s.url}/go`)).status === 200 && a.json('status').inflight === 0);
    };
  });
  assert.equal(await s.signal('SIGTERM'), 0);
});
