'use strict';
// Short storms against a served app: random mixes whose answers are known, clients that leave in every phase or do not
// read, workers that end, a stop under load.  Random numbers are seeded, so that a failure can be repeated.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const net = require('node:net');
const test = require('node:test');
const { App, get, until } = require('./serve-app');

const handlers = {
  'id.js': 'module.exports = (req) => req.params.id;',
  'micro.js': 'module.exports = async (req) => { await null; return req.params.id; };',
  'timer.js': 'module.exports = (req) => new Promise((r) => setTimeout(r, req.params.id.length % 7, req.params.id));',
  'throws.js': "module.exports = (req) => { throw Object.assign(new Error('threw ' + req.params.id), { status: 418 }); };",
  'rejects.js': "module.exports = async (req) => { await null; throw Object.assign(new Error('rejected ' + req.params.id), { status: 422 }); };",
  'echo.js': 'module.exports = (req) => req.getBodyBuffer();',
  'big.js': "module.exports = (req) => Buffer.alloc(Number(req.params.id), 'y');",
  'never.js': 'module.exports = () => new Promise(() => undefined);',
  'exit.js': 'module.exports = () => process.exit(7);',
};
const manifest = (head) => `version: 1
${head}
routes:
  /id/:id: id.js
  /micro/:id: micro.js
  /timer/:id: timer.js
  /throws/:id: throws.js
  /rejects/:id: rejects.js
  /echo: { POST: echo.js }
  /big/:id: big.js
  /never: never.js
  /exit: exit.js
  /fixed: { respond: pong }
`;
const app = (t, head) => new App(t, { 'actix.yaml': manifest(head), ...handlers });
const workers = (n) => `server: { workers: ${n}, listen: "127.0.0.1:0" }`;

/** A linear congruential generator: the same numbers in every run. */
function generator(seed) {
  let x = seed;
  return (below) => ((x = (Math.imul(x, 1103515245) + 12345) >>> 0) >>> 8) % below;
}

const head = (method, path, more = '') => `${method} ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;

function chunked(random, body) {
  let text = '';
  for (let i = 0; i < body.length; ) {
    const n = 1 + random(body.length - i);
    text += `${n.toString(16)}\r\n${body.slice(i, i + n)}\r\n`;
    i += n;
  }
  return `${text}0\r\n\r\n`;
}

/** A request with a name that no other has, and its answer: { text, status, body }. */
function some(random, name) {
  const body = name.repeat(1 + random(200));
  const size = random(40_000);
  const kinds = [
    () => ({ text: head('GET', `/id/${name}`), status: 200, body: name }),
    () => ({ text: head('GET', `/micro/${name}`), status: 200, body: name, awaits: true }),
    () => ({ text: head('GET', `/timer/${name}`), status: 200, body: name, awaits: true }),
    () => ({ text: head('GET', `/throws/${name}`), status: 418, body: JSON.stringify({ error: `threw ${name}` }) }),
    () => ({ text: head('GET', `/rejects/${name}`), status: 422, body: JSON.stringify({ error: `rejected ${name}` }), awaits: true }),
    () => ({ text: head('GET', `/none/${name}`), status: 404, body: JSON.stringify({ error: 'Not Found', path: `/none/${name}` }) }),
    () => ({ text: head('HEAD', `/id/${name}`), status: 200, body: '', length: name.length }),
    () => ({ text: head('POST', '/echo', `Content-Length: ${body.length}\r\n`) + body, status: 200, body }),
    () => ({ text: head('POST', '/echo', 'Transfer-Encoding: chunked\r\n') + chunked(random, body), status: 200, body }),
    () => ({ text: head('GET', '/fixed'), status: 200, body: 'pong' }),
    () => ({ text: head('DELETE', '/echo'), status: 405, body: JSON.stringify({ error: 'Method Not Allowed' }) }),
    () => ({ text: head('GET', `/big/${size}`), status: 200, body: 'y'.repeat(size) }),
  ];
  return kinds[random(kinds.length)]();
}

/** A connection that knows what it waits for. */
class Client {
  /** mayLose: what awaits in a worker that ends is answered 502. */
  constructor(port, { mayLose = false } = {}) {
    this.mayLose = mayLose;
    this.socket = net.connect({ port, host: '127.0.0.1', noDelay: true }).setEncoding('latin1');
    this.text = '';
    this.expected = [];
    this.closed = new Promise((resolve) => this.socket.on('close', resolve));
    this.socket.on('error', (err) => (this.error = err));
    this.socket.on('data', (text) => this.take(text));
    this.closed.then(() => this.wake?.());
  }

  take(text) {
    this.text += text;
    while (this.expected.length > 0 && this.takeOne());
    if (this.expected.length === 0) this.wake?.();
  }

  takeOne() {
    const end = this.text.indexOf('\r\n\r\n') + 4;
    if (end < 4) return false;
    const [want] = this.expected;
    const length = Number(/^content-length: (\d+)/im.exec(this.text.slice(0, end))?.[1] ?? 0);
    const last = end + (want.length === undefined ? length : 0);
    if (this.text.length < last) return false;
    const status = Number(this.text.slice(9, 12));
    if (!(this.mayLose && want.awaits && status === 502)) {
      assert.equal(status, want.status, want.text.slice(0, 60));
      assert.equal(this.text.slice(end, last), want.body);
      if (want.length !== undefined) assert.equal(length, want.length);
    }
    this.text = this.text.slice(last);
    this.expected.shift();
    return true;
  }

  /** Sends all, cut at random places; resolves when all is answered or the connection is closed. */
  async ask(random, requests) {
    const answered = new Promise((resolve) => (this.wake = resolve));
    const bytes = Buffer.from(requests.map((r) => r.text).join(''), 'latin1');
    this.expected.push(...requests);
    for (let i = 0; i < bytes.length && !this.socket.destroyed; ) {
      const n = random(2) ? bytes.length - i : 1 + random(bytes.length - i);
      this.socket.write(bytes.subarray(i, i + n));
      i += n;
      await new Promise(setImmediate);
    }
    await answered;
    assert.equal(this.text, '', 'more than was asked for');
  }
}

/** `rounds` random mixes on each of `connections`; returns how many requests that were. */
async function mixes(port, connections, rounds, seed) {
  let sent = 0;
  await Promise.all(
    Array.from({ length: connections }, async (_, k) => {
      const random = generator(seed + k);
      const client = new Client(port);
      for (let i = 0; i < rounds; i++) {
        const requests = Array.from({ length: 1 + random(i % 4 ? 8 : 100) }, (__, j) => some(random, `c${k}-${i}-${j}.`));
        sent += requests.length;
        await client.ask(random, requests);
        assert.equal(client.expected.length, 0, `closed: ${client.error?.code}`);
      }
      client.socket.destroy();
    }),
  );
  return sent;
}

const descriptors = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length;
const rss = (pid) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;

/** All workers serve: descriptors may be counted. */
const allReady = (a, n) => until(() => a.json('status').workers.filter((w) => w.state === 'ready').length === n);
const atRest = (a) =>
  until(() => {
    const { connections, inflight } = a.json('status');
    return connections === 0 && inflight === 0;
  });

for (const n of [1, 3])
  test(`every answer reaches its connection, in order: ${n} workers`, async (t) => {
    const a = app(t, workers(n));
    const s = await a.serve();
    await allReady(a, n);
    const { pid } = a.json('status').engine;
    const before = descriptors(pid);
    const sent = await mixes(s.port, 16, 24, n);
    await atRest(a);
    assert.equal(a.json('status').requests, sent);
    assert.equal(descriptors(pid), before);
    assert.equal(await s.signal('SIGTERM'), 0);
    assert.equal(a.json('stats').total.requests, sent);
  });

/** What a client has sent when it leaves. */
const phases = [
  '',
  '\r',
  'GET / HT',
  head('GET', '/id/1').slice(0, -2),
  head('GET', '/timer/aaa').repeat(20),
  head('GET', '/never'),
  head('GET', '/never') + head('GET', '/big/3000000').repeat(5),
  head('GET', '/big/3000000').repeat(30),
  head('POST', '/echo', 'Content-Length: 200000\r\n') + 'a'.repeat(100_000),
  head('POST', '/echo', 'Transfer-Encoding: chunked\r\n') + '5\r\nabc',
  head('POST', '/echo', 'Content-Length: 5\r\nExpect: 100-continue\r\n'),
  head('POST', '/none', 'Content-Length: 500000\r\n') + 'a'.repeat(1000),
  '\0\0\r\n\r\n',
];

function leave(port, text, how) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(text, () => how(socket)));
    socket.on('error', () => undefined).on('close', resolve);
  });
}

const ways = [
  (socket) => socket.resetAndDestroy(),
  (socket) => socket.destroy(),
  (socket) => socket.once('data', () => socket.resetAndDestroy()).setTimeout(50, () => socket.destroy()),
];

test('clients that leave in every phase leave nothing behind', async (t) => {
  const a = app(t, `${workers(2)}\ntimeouts: { handler: 1s }`);
  const s = await a.serve();
  await allReady(a, 2);
  const { pid } = a.json('status').engine;
  const before = descriptors(pid);
  for (let round = 0; round < 10; round++)
    await Promise.all(phases.flatMap((text) => ways.map((how) => leave(s.port, text, how))));
  assert.equal((await get(`${s.url}/id/alive`)).body, 'alive');
  await atRest(a);
  assert.equal(descriptors(pid), before);
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('a client that does not read makes the server hold little', async (t) => {
  const a = app(t, `${workers(1)}\ntimeouts: { send: 2s }`);
  const s = await a.serve();
  await get(`${s.url}/big/1000000`);
  const { pid } = a.json('status').engine;
  const before = rss(pid);
  const sockets = Array.from({ length: 4 }, () => net.connect(s.port, '127.0.0.1').pause());
  for (const socket of sockets) socket.on('error', () => undefined).write(head('GET', '/big/1000000').repeat(64));
  await until(() => a.json('status').inflight > 0);
  assert.equal((await get(`${s.url}/id/alive`)).body, 'alive');
  assert.ok(rss(pid) - before < 64e6, `${rss(pid) - before} bytes for 256 answers of 1 MB`);
  await atRest(a); // timeouts.send
  for (const socket of sockets) socket.destroy();
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('workers that end leave the others correct', async (t) => {
  const a = app(t, workers(3));
  const s = await a.serve();
  await allReady(a, 3);
  const random = generator(7);
  let answered = 0;
  let over = false;
  const load = Array.from({ length: 24 }, async (_, k) => {
    for (let i = 0, client = new Client(s.port, { mayLose: true }); !over; i++) {
      assert.ok(!client.socket.destroyed, 'the connection of a worker that ends goes on with another');
      const requests = Array.from({ length: 1 + random(10) }, (__, j) => some(random, `c${k}-${i}-${j}.`));
      await client.ask(random, requests);
      answered += requests.length - client.expected.length;
      if (over) client.socket.destroy();
    }
  });
  for (let restarts = 1; restarts <= 3; restarts++) {
    assert.equal((await get(`${s.url}/exit`)).status, 502);
    await until(() => a.json('status').workers.reduce((sum, w) => sum + w.restarts, 0) === restarts);
    await allReady(a, 3);
  }
  over = true;
  await Promise.all(load);
  assert.ok(answered > 100, `${answered} answers`);
  await atRest(a);
  assert.equal(await s.signal('SIGTERM'), 0);
});

for (const n of [1, 3])
  test(`a stop under load cuts no answer in two: ${n} workers`, async (t) => {
    const a = app(t, workers(n));
    const s = await a.serve();
    await allReady(a, n);
    const random = generator(n);
    let rounds = 0;
    const load = Array.from({ length: 32 }, async (_, k) => {
      const client = new Client(s.port);
      while (!client.socket.destroyed) {
        await client.ask(random, [some(random, `c${k}.`)]).catch((err) => {
          if (err.code === 'ERR_ASSERTION') throw err;
        });
        rounds++;
      }
      assert.equal(client.text, '', 'part of an answer');
    });
    await until(() => rounds > 500);
    assert.equal(await s.signal('SIGTERM'), 0); // the clients go on meanwhile
    await Promise.all(load);
  });
