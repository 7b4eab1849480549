'use strict';
// Handlers that do not come back while the server stops, and a server that is itself held up.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const test = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { App, BIN, get, until } = require('./serve-app');

const files = {
  'spin.js': `module.exports = () => { require('node:fs').writeFileSync('spins', ''); for (;;); };`,
  'later.js': `module.exports = async () => { await new Promise((r) => setTimeout(r, 200)); require('node:fs').writeFileSync('spins', ''); for (;;); };`,
  'busy.js': `module.exports = () => { require('node:fs').writeFileSync('busy', ''); const end = Date.now() + 300; while (Date.now() < end); return 'done'; };`,
  'home.js': `module.exports = () => 'home';`,
};

const manifest = (workers, stall) => `version: 1
server: { workers: ${workers}, listen: "127.0.0.1:0", quarantine: { kills: 1000, within: 60s, for: 1s } }
timeouts: { stall: ${stall}, shutdown: 10s }
routes: { /: home.js, /spin: spin.js, /later: later.js, /busy: busy.js }
`;

function app(t, workers, stall = '500ms') {
  return new App(t, { ...files, 'actix.yaml': manifest(workers, stall) });
}

const exists = (a, name) => until(() => fs.existsSync(`${a.dir}/${name}`));

for (const workers of [1, 2]) {
  test(`what waits beside a handler that spins is answered at stop, of ${workers} workers`, { timeout: 60_000 }, async (t) => {
    const a = app(t, workers);
    const s = await a.serve();
    const spins = get(`${s.url}/spin`);
    await exists(a, 'spins');
    const others = Array.from({ length: 4 }, () => get(`${s.url}/`));
    await sleep(50); // they are in the kernel's queue, or in that of a worker
    s.child.kill('SIGTERM');
    assert.equal((await spins).status, 504);
    for (const answer of await Promise.all(others)) assert.equal(answer.body, 'home');
    assert.equal(await s.ended, 0, s.stderr);
  });

  test(`a handler that begins to spin after the stop has begun is answered, of ${workers} workers`, { timeout: 60_000 }, async (t) => {
    const a = app(t, workers);
    const s = await a.serve();
    const spins = get(`${s.url}/later`);
    await sleep(50);
    s.child.kill('SIGTERM');
    assert.equal((await spins).status, 504);
    assert.equal(await s.ended, 0, s.stderr);
  });
}

test('time for which the whole engine stands still is not held against a handler', { timeout: 60_000 }, async (t) => {
  const a = app(t, 1, '1s');
  const s = await a.serve();
  const engine = Number(fs.readFileSync(`/proc/${s.child.pid}/task/${s.child.pid}/children`, 'utf8').trim().split(' ')[0]);
  const busy = get(`${s.url}/busy`);
  await exists(a, 'busy');
  process.kill(engine, 'SIGSTOP');
  await sleep(1500);
  process.kill(engine, 'SIGCONT');
  assert.equal((await busy).body, 'done');
  assert.doesNotMatch(s.stderr, /timeouts\.stall/);
});

test('workers that stall one close behind the other are all replaced', { timeout: 60_000 }, async (t) => {
  const a = app(t, 3, '200ms');
  const s = await a.serve();
  for (let round = 0; round < 4; round++) {
    const spins = await Promise.all(Array.from({ length: 6 }, () => get(`${s.url}/spin`)));
    assert.deepEqual(spins.map(({ status }) => status), Array(6).fill(504));
  }
  await until(() => a.json('status').workers.every(({ state }) => state === 'ready'));
  s.child.kill('SIGTERM');
  assert.equal(await s.ended, 0, s.stderr);
});

test('a take-over without a free descriptor closes nobody', { timeout: 60_000 }, async (t) => {
  const a = app(t, 2, '300ms');
  const s = await a.spawn({}, 'bash', '-c', 'ulimit -n 300; exec "$0" serve', BIN);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 150 });
  const ask = (path) =>
    new Promise((resolve, reject) => {
      const req = http.get(`${s.url}${path}`, { agent }, (res) => res.resume().on('end', () => resolve({ status: res.statusCode, reused: req.reusedSocket })));
      req.on('error', reject);
    });
  const all = (n, path) => Promise.all(Array.from({ length: n }, () => ask(path)));
  const before = await all(150, '/');
  assert.ok(before.every(({ status }) => status === 200));
  assert.equal((await get(`${s.url}/spin`)).status, 504);
  for (const { status, reused } of await all(150, '/')) assert.deepEqual({ status, reused }, { status: 200, reused: true });
  agent.destroy();
});
