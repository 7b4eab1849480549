'use strict';
// Several workers: how connections are spread, what they cost, and what the death of one of them, or of all, costs.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const test = require('node:test');
const { App, get, until } = require('./serve-app');
const { Client } = require('../addon/harness');

const WORKERS = 4;
const PER_WORKER = 10;

const app = (t, server = '') =>
  new App(t, {
    'actix.yaml': `version: 1
server: { workers: ${WORKERS}, listen: "127.0.0.1:0"${server} }
routes:
  /: home.js
  /slow: slow.js
  /die: die.js
`,
    'home.js': 'module.exports = () => String(require("actix-js").worker.id);',
    'slow.js': 'module.exports = () => new Promise((r) => setTimeout(r, 200, "slow"));',
    'die.js': 'module.exports = () => { setImmediate(() => { throw new Error("bang"); }); return "dying"; };',
  });

/** One request on a connection that stays open; the id of the worker that has it. */
function hold(url, agent) {
  return new Promise((resolve, reject) => {
    const req = http.get(url, { agent }, (res) => {
      let text = '';
      res.on('data', (data) => (text += data));
      res.on('end', () => resolve(Number(text)));
    });
    req.on('error', reject);
  });
}

for (const balance of ['least_connections', 'round_robin', 'least_inflight']) {
  test(`connections are spread evenly: ${balance}`, async (t) => {
    const a = app(t, `, balance: ${balance}`);
    const s = await a.serve();
    const agents = Array.from({ length: WORKERS * PER_WORKER }, () => new http.Agent({ keepAlive: true }));
    const seen = new Array(WORKERS).fill(0);
    for (const agent of agents) seen[await hold(s.url, agent)]++;
    const { workers } = a.json('status');
    assert.deepEqual(workers.map((w) => w.connections), seen);
    for (const n of seen) assert.ok(n >= PER_WORKER - 2 && n <= PER_WORKER + 2, `${balance}: ${seen}`);
    for (const agent of agents) agent.destroy();
    assert.equal(await s.signal('SIGTERM'), 0);
  });
}

test('four workers share less than 100 MB', async (t) => {
  const a = app(t);
  const s = await a.serve();
  for (let i = 0; i < 200; i++) await get(`${s.url}/`);
  const { pid, engine } = a.json('status');
  const pss = (id) => Number(/^Pss:\s+(\d+) kB/m.exec(fs.readFileSync(`/proc/${id}/smaps_rollup`, 'utf8'))[1]);
  const kib = pss(pid) + pss(engine.pid);
  t.diagnostic(`${Math.round(kib / 1024)} MiB`);
  assert.ok(kib < 100e6 / 1024, `${kib} KiB`);
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('an uncaught exception costs its worker, and no request of the others', async (t) => {
  const a = app(t);
  const s = await a.serve();
  const slow = Array.from({ length: 4 * WORKERS }, () => get(`${s.url}/slow`));
  await until(() => a.json('status').inflight === slow.length);
  assert.equal((await get(`${s.url}/die`)).body, 'dying');
  for (let i = 0; i < 20; i++) assert.equal((await get(`${s.url}/`)).status, 200);
  for (const { body } of await Promise.all(slow)) assert.equal(body, 'slow'); // those of the dying one, too
  await until(() => a.json('status').workers.every((w) => w.state === 'ready') && a.json('status').workers.some((w) => w.restarts === 1));
  const stats = a.json('stats');
  assert.deepEqual(Object.fromEntries(stats.routes.map((r) => [r.route, r.status['2xx']])), { '/': 20, '/slow': slow.length, '/die': 1 });
  assert.equal(stats.server.worker_restarts, 1);
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('what was answered is counted exactly, however often the engine is killed', async (t) => {
  const a = app(t);
  const s = await a.serve();
  const answered = { 200: 0, 404: 0 };
  const reset = { '/': 0, '/nowhere': 0 }; // some of them after the answer was sent and counted
  let over = false;
  const client = async (where) => {
    while (!over) {
      const res = await get(`${s.url}${where}`).catch((err) => err);
      if (res.status) answered[res.status]++;
      else {
        assert.equal(res.code, 'ECONNRESET'); // never refused
        reset[where]++;
      }
    }
  };
  const clients = ['/', '/', '/', '/nowhere'].map(client);
  for (let restarts = 1; restarts <= 3; restarts++) {
    const before = answered[404];
    await until(() => answered[404] > before + 20);
    process.kill(a.json('status').engine.pid, 'SIGKILL');
    await until(() => a.json('status').engine.restarts === restarts && a.json('status').state === 'running');
  }
  over = true;
  await Promise.all(clients);
  assert.equal(await s.signal('SIGTERM'), 0);
  const { routes, server } = a.json('stats');
  for (const [route, status, n, more] of [
    ['/', '2xx', answered[200], reset['/']],
    ['(none)', '4xx', answered[404], reset['/nowhere']],
  ]) {
    const counted = routes.find((r) => r.route === route).status[status];
    assert.ok(counted >= n && counted <= n + more, `${route}: ${counted} counted, ${n} answered, ${more} reset`);
  }
  assert.ok(server.accepted >= answered[200] + answered[404]);
});

/** What a handler does to its worker: [its answer, what the event says]. */
const FAULTS = {
  spin: [504, /did not return within timeouts\.stall \(0\.3 s\)/],
  exit: [502, /(ended by itself \(exit code 3\)|ended the worker)/],
  throw: [200, /uncaught exception: Error: bang/],
};
const HANDLERS = `
exports.ok = () => String(require('actix-js').worker.id);
exports.spin = () => { for (;;); };
exports.exit = () => process.exit(3);
exports.throw = () => { setImmediate(() => { throw new Error('bang'); }); return 'dying'; };
`;

for (const isolation of ['thread', 'process']) {
  for (const workers of [1, 2]) {
    for (const [name, [status, text]] of Object.entries(FAULTS)) {
      test(`${name}, isolation ${isolation}, ${workers} worker(s): no connection is closed, every answer is counted`, async (t) => {
        const a = new App(t, {
          'actix.yaml': `version: 1
server: { workers: ${workers}, listen: "127.0.0.1:0", isolation: ${isolation} }
timeouts: { stall: 300ms }
routes: { /ok: h.js#ok, /spin: h.js#spin, /exit: h.js#exit, /throw: h.js#throw }
`,
          'h.js': HANDLERS,
        });
        const s = await a.serve();
        const clients = Array.from({ length: 6 }, () => new Client(s.port));
        const ask = async (client, target) => (await client.get(target).next()).status;
        for (const client of clients) assert.equal(await ask(client, '/ok'), 200);
        assert.equal(await ask(clients[0], `/${name}`), status);
        for (const client of clients) assert.equal(await ask(client, '/ok'), 200);
        assert.ok(clients.every(({ ended }) => !ended));
        for (const client of clients) client.close();
        await until(() => text.test(s.stderr));
        await until(() => a.json('status').workers.every(({ state }) => state === 'ready'));
        assert.equal(await s.signal('SIGTERM'), 0);
        const counted = Object.fromEntries(a.json('stats').routes.map((r) => [r.route, r.requests]));
        assert.deepEqual(counted, { '/ok': 2 * clients.length, [`/${name}`]: 1 });
      });
    }
  }
}
