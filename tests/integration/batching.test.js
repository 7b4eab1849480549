'use strict';
// server.batch and server.slice: what they do to the number of calls, to those who wait, and to one client alone.
const assert = require('node:assert/strict');
const net = require('node:net');
const test = require('node:test');
const { App, get } = require('./serve-app');

const files = (server) => ({
  'actix.yaml': `version: 1
server: { workers: 1, listen: "127.0.0.1:0"${server} }
routes:
  /: home.js
  /burn/:ms: burn.js
`,
  'home.js': 'module.exports = () => "home";',
  // tells when it was entered, on a clock that all processes share, and as which
  'burn.js': `let n = 0;
module.exports = (req) => {
  const began = process.hrtime.bigint();
  const end = began + BigInt(req.params.ms) * 1000000n;
  while (process.hrtime.bigint() < end);
  return JSON.stringify({ began: String(began), n: ++n }) + '\\n';
};`,
});

const request = (path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

/** A connection; its answers by line, with the time at which each came. */
class Client {
  static async to(port) {
    const c = new Client();
    c.text = '';
    c.answers = [];
    c.socket = net.connect({ port, host: '127.0.0.1', noDelay: true }).setEncoding('latin1');
    await new Promise((resolve, reject) => c.socket.on('connect', resolve).on('error', reject));
    c.socket.on('data', (text) => c.take(text));
    return c;
  }

  take(text) {
    const came = process.hrtime.bigint();
    this.text += text;
    for (let m; (m = /\r\n\r\n(\{.*\})\n/.exec(this.text)); this.text = this.text.slice(m.index + m[0].length)) {
      const { began, n } = JSON.parse(m[1]);
      this.answers.push({ began: BigInt(began), n, came });
    }
    this.wake?.();
  }

  async until(n) {
    while (this.answers.length < n) await new Promise((resolve) => (this.wake = resolve));
    return this.answers;
  }

  /** The time of one request after another, in microseconds. */
  async times(n) {
    const times = [];
    for (let i = 0; i < n; i++) {
      const before = process.hrtime.bigint();
      const answered = new Promise((resolve) => (this.wake = resolve));
      this.socket.write(request('/'));
      await answered;
      times.push(Number(process.hrtime.bigint() - before) / 1000);
    }
    this.text = '';
    return times.sort((x, y) => x - y);
  }
}

const connect = (s, n) => Promise.all(Array.from({ length: n }, () => Client.to(s.port)));
const end = (clients) => clients.forEach((c) => c.socket.destroy());

test('server.batch is the most that one call hands over', async (t) => {
  for (const [server, calls] of [
    [', batch: 1', (n) => n === 128],
    [', batch: 4, slice: 1s', (n) => n >= 32 && n <= 128],
    [', slice: 1s', (n) => n >= 1 && n <= 64],
  ]) {
    const a = new App(t, files(server));
    const s = await a.serve();
    await get(`${s.url}/burn/0`);
    const before = a.json('status').batches;
    const clients = await connect(s, 2);
    for (const c of clients) c.socket.write(request('/burn/0').repeat(64));
    for (const c of clients) await c.until(64);
    const { batches } = a.json('status');
    assert.ok(calls(batches - before), `${server}: ${batches - before} calls`);
    end(clients);
    assert.equal(await s.signal('SIGTERM'), 0);
  }
});

test('a slow handler and 64 connections at once: the first answer leaves before the second handler runs', async (t) => {
  const a = new App(t, files(''));
  const s = await a.serve();
  await get(`${s.url}/burn/1`);
  const clients = await connect(s, 64);
  let before = false; // the third handler has begun; where nothing else takes the processor, the second
  for (let round = 1; round <= 5 || (!before && round <= 40); round++) {
    for (const c of clients) c.socket.write(request('/burn/5'));
    const answers = (await Promise.all(clients.map((c) => c.until(round)))).map((all) => all[round - 1]);
    answers.sort((x, y) => Number(x.n) - Number(y.n));
    before ||= answers[0].came < answers[2].began;
    assert.ok(answers[0].came < answers[63].began, 'it did not wait for the burst');
  }
  assert.ok(before, 'the first answer had come before the third handler began');
  const status = a.json('status');
  assert.equal(status.workers[0].restarts, 0);
  assert.equal(a.json('stats').server.worker_restarts, 0);
  assert.equal(status.engine.restarts, 0);
  end(clients);
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('a client that pipelines slow requests does not make the others wait for all of them', async (t) => {
  const a = new App(t, files(''));
  const s = await a.serve();
  const [greedy, ...others] = await connect(s, 9);
  greedy.socket.write(request('/burn/3').repeat(64));
  for (const c of others) c.socket.write(request('/burn/1'));
  const places = await Promise.all(others.map(async (c) => (await c.until(1))[0].n));
  await greedy.until(64);
  // each of them has one turn before the greedy one's second; some came a few turns later than it
  assert.ok(Math.max(...places) <= 32, `of 72 they were entered as ${places}`);
  for (let i = 1; i < 64; i++) assert.ok(greedy.answers[i].n > greedy.answers[i - 1].n, 'in the order of arrival');
  end([greedy, ...others]);
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('64 busy connections: a request waits two slices at most, on average far less', async (t) => {
  const a = new App(t, files(''));
  const s = await a.serve();
  const clients = await connect(s, 64);
  await Promise.all(clients.map((c) => c.times(50)));
  const { routes } = a.json('stats');
  const { queue } = routes.find((r) => r.route === '/').split_us;
  t.diagnostic(`${queue} us in the queue`);
  assert.ok(queue <= 2000, `${queue} us`);
  end(clients);
  assert.equal(await s.signal('SIGTERM'), 0);
});

/** p50 of a client alone with batches to p50 without, of the rounds that were disturbed least. */
async function batchesToNone(t) {
  const apps = [new App(t, files(', batch: 256')), new App(t, files(', batch: 1'))];
  const servers = await Promise.all(apps.map((a) => a.serve()));
  const clients = await Promise.all(servers.map((s) => Client.to(s.port)));
  for (const c of clients) await c.times(500);
  const p50 = [[], []];
  for (let round = 0; round < 15; round++)
    for (const i of round % 2 ? [1, 0] : [0, 1]) p50[i].push((await clients[i].times(200))[100]);
  const quiet = p50.map((all) => all.sort((x, y) => x - y)[3]);
  t.diagnostic(`p50 ${quiet.map((us) => us.toFixed(1))} us, ratio ${(quiet[0] / quiet[1]).toFixed(3)}`);
  end(clients);
  for (const s of servers) assert.equal(await s.signal('SIGTERM'), 0);
  return quiet[0] / quiet[1];
}

test('one client alone: batches cost it nothing', async (t) => {
  let ratio = Infinity;
  // again where one of the two had to share its processor with something else
  for (let i = 0; i < 6 && ratio > 1.25; i++) ratio = await batchesToNone(t);
  assert.ok(ratio <= 1.25, `${ratio}`);
});
