'use strict';
// Workers that get stuck, die or run out of memory, with real clients: who gets which answer, whose connection stays, and
// what the supervisor is told.
const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { Client, request, startEngine } = require('./harness');

const STALL_US = 300_000;

/** The native module of fixtures/stuck.c, built with the headers that the addon is built with. */
const stuck = (() => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'actix-stuck-'));
  process.on('exit', () => fs.rmSync(dir, { recursive: true, force: true }));
  const file = path.join(dir, 'stuck.node');
  const headers = ['../../node_modules/node-api-headers/include', path.join(process.execPath, '../../include/node')]
    .map((name) => path.resolve(__dirname, name))
    .find((name) => fs.existsSync(path.join(name, 'node_api.h')));
  const source = path.join(__dirname, 'fixtures/stuck.c');
  const { status, stderr } = spawnSync('cc', ['-shared', '-fPIC', '-O1', '-w', `-I${headers}`, '-o', file, source]);
  assert.equal(status, 0, String(stderr));
  return file;
})();

const HANDLERS = `
const { worker } = require('actix-js');
const fs = require('fs');
const born = Math.random();
const native = require(${JSON.stringify(stuck)});
exports.ok = () => ({ id: worker.id, born });
exports.hang = () => new Promise(() => {});
exports.slow = () => new Promise((answer) => setTimeout(answer, 400, 'slow'));
exports.spin = () => { for (;;); };
exports.regex = () => /^(a+)+$/.test('a'.repeat(50) + 'b');
exports.wait = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
exports.micro = async () => { for (;;) await null; };
exports.parse = () => JSON.parse('[' + '0,'.repeat(5e7) + '0]').length;
exports.exec = () => require('child_process').execSync('sleep 2');
exports.fifo = () => {
  const name = 'fifo' + worker.id;
  require('child_process').execFileSync('mkfifo', [name]);
  return fs.readFileSync(fs.openSync(name, 'r+'));
};
exports.loop = () => native.loop();
exports.die = () => native.die();
exports.crash = () => native.crash();
exports.exit = () => process.exit(7);
exports.late = () => {
  setTimeout(() => {
    for (const end = Date.now() + 150; Date.now() < end; );
    process.exit(7);
  }, 0);
  return 'not yet';
};
exports.hog = () => { const all = []; for (;;) all.push(new Array(1000).fill({}).map(() => ({}))); };
exports.array = () => new Array(2e8).fill({});
exports.map = () => { const m = new Map(); for (let i = 0; ; i++) m.set(i, i); };
exports.throw = () => { setImmediate(() => { throw new Error('bang'); }); return 'dying'; };
exports.reject = () => { Promise.reject(new Error('nobody cares')); return 'fine'; };
// Said before: whoever waits for it knows that the handler runs.
for (const name of ['hang', 'slow', 'spin', 'regex', 'wait', 'micro', 'parse', 'exec', 'fifo', 'loop']) {
  const handler = exports[name];
  exports[name] = (req) => { console.error('entered ' + name); return handler(req); };
}
`;
const NAMES = [...HANDLERS.matchAll(/^exports\.(\w+)/gm)].map(([, name]) => name);

const entered = (engine, name) => engine.until(({ err }) => err.includes(`entered ${name}\n`));

async function start(workers, more = {}) {
  const engine = await startEngine({
    workers,
    stall_us: STALL_US,
    files: { 'h.js': HANDLERS },
    routes: NAMES.map((name) => ['GET', `/${name}`, `h.js#${name}`]),
    ...more,
  });
  running.add(engine);
  await engine.message('ready');
  return engine;
}

const running = new Set();
test.afterEach(() => {
  for (const { child } of running) child.kill('SIGKILL'); // of a test that failed
  running.clear();
});

/** Connections by the worker that has them. */
async function connect(engine, n) {
  const clients = Array.from({ length: n }, () => new Client(engine.port));
  for (const client of clients) {
    const { id, born } = JSON.parse((await client.get('/ok').next()).text);
    Object.assign(client, { id, born });
  }
  return clients;
}

const statusOf = async (client, target) => (await client.get(target).next()).status;

/** Everyone still has the connection of before, and an answer on it. */
async function allServed(clients) {
  for (const client of clients) {
    assert.equal(await statusOf(client, '/ok'), 200);
    assert.equal(client.ended, false);
  }
}

async function stop(engine, clients) {
  for (const client of clients) client.close();
  assert.deepEqual(await engine.stop(), { code: 0, signal: null });
}

const event = (engine, kind) => engine.message('event', (m) => m.kind === kind);

// ---- stuck

for (const workers of [1, 2]) {
  for (const [name, answers] of [
    ['spin', [504]],
    ['regex', [504]],
    ['wait', [504]],
    ['exec', [504]],
    ['micro', [504, 502]],
  ]) {
    test(`${name}, ${workers} worker(s): answered while it is stuck, nobody else loses a connection`, async () => {
      const engine = await start(workers);
      const clients = await connect(engine, 4 * workers);
      const [victim, beside, behind, ...idle] = clients.filter(({ id }) => id === 0);
      const others = clients.filter(({ id }) => id !== 0);
      const awaiting = statusOf(beside, '/hang');
      await entered(engine, 'hang'); // in a batch of its own
      const own = statusOf(victim, `/${name}`);
      await entered(engine, name);
      const later = statusOf(behind, '/ok'); // unread: its worker is busy
      assert.ok(answers.includes(await own), `${name} itself`);
      assert.ok([502, 504].includes(await awaiting), 'the one that awaits beside it');
      if (name !== 'micro') assert.equal(await awaiting, 502);
      assert.equal(await later, 200);
      await allServed([...clients]);
      assert.ok(others.every((client) => client.id === 1));
      assert.match((await event(engine, 'stall')).text, /worker 0: .*(timeouts\.stall \(0\.3 s\))/);
      const killed = await engine.message('killed');
      assert.deepEqual([killed.worker, killed.why], [0, 'stall']);
      if (name !== 'micro') assert.deepEqual(killed.route, { method: 'GET', pattern: `/${name}` });
      await event(engine, 'restart');
      assert.ok(idle.length > 0);
      await stop(engine, clients);
    });
  }
}

test('requests of one connection behind the one that spins are run by another worker', async () => {
  const engine = await start(2);
  const [client] = await connect(engine, 1);
  client.send(
    ['/ok', '/spin', '/ok', '/ok'].map((target) => `GET ${target} HTTP/1.1\r\nHost: t\r\n\r\n`).join(''),
  );
  const answers = await client.take(4);
  assert.deepEqual(answers.map(({ status }) => status), [200, 504, 200, 200]);
  const [first, , ...rest] = answers.filter(({ status }) => status === 200).map(({ text }) => JSON.parse(text));
  assert.equal(first.born, client.born);
  for (const { born } of rest) assert.notEqual(born, client.born);
  await stop(engine, [client]);
});

test('a native loop makes a zombie, and asks for a new engine; a blocked read is interrupted', async () => {
  const engine = await start(3);
  const clients = await connect(engine, 6);
  const of = (id) => clients.find((client) => client.id === id);
  const stuckOnes = [statusOf(of(0), '/loop'), statusOf(of(1), '/fifo')];
  assert.deepEqual(await Promise.all(stuckOnes), [504, 504]);
  await allServed(clients);
  const { why } = await engine.message('renew');
  assert.equal(why, 'zombie worker');
  engine.tell({ type: 'workers' });
  const { workers, zombies } = await engine.message('workers');
  assert.deepEqual([workers.map(({ state }) => state), zombies], [['ready', 'ready', 'ready'], 1]); // the reader has ended
  await allServed(clients);
  await stop(engine, clients); // does not wait for the zombie
});

// ---- dying

for (const [name, why, text] of [
  ['exit', 'exit', /worker 0: it ended by itself \(exit code 7\) in GET \/exit/],
  ['hog', 'heap', /worker 0: out of memory \(limits\.heap\)/],
]) {
  for (const workers of [1, 2]) {
    test(`${name}, ${workers} worker(s): what was entered is answered 502, no other connection ends`, async () => {
      const engine = await start(workers, { heapMb: 32, stall_us: 10_000_000 });
      const clients = await connect(engine, 4 * workers);
      const [victim, beside] = clients.filter(({ id }) => id === 0);
      const awaiting = statusOf(beside, '/hang');
      await entered(engine, 'hang');
      assert.equal(await statusOf(victim, `/${name}`), 502);
      assert.equal(await awaiting, 502);
      await allServed(clients);
      assert.match((await event(engine, 'crash')).text, text);
      const killed = await engine.message('killed');
      assert.deepEqual([killed.worker, killed.why], [0, why]);
      await stop(engine, clients);
    });
  }
}

for (const name of ['array', 'map', 'die']) {
  test(`${name}: V8 aborts, and the process lives on`, async () => {
    const engine = await start(2, { stall_us: 20_000_000, heapMb: 64 });
    const clients = await connect(engine, 6);
    const victim = clients.find(({ id }) => id === 0);
    assert.equal(await statusOf(victim, `/${name}`), 502);
    await allServed(clients);
    assert.match((await event(engine, 'crash')).text, /V8 abort.*limits\.heap/);
    assert.deepEqual((await engine.message('killed')).route, { method: 'GET', pattern: `/${name}` });
    assert.equal((await engine.message('renew')).why, 'aborted thread');
    await stop(engine, clients);
  });
}

test('a segmentation fault is the end of the engine', async () => {
  const engine = await start(2);
  new Client(engine.port).get('/crash');
  assert.equal((await engine.exited).signal, 'SIGSEGV');
});

for (const workers of [1, 2]) {
  test(`an uncaught exception, ${workers} worker(s): no connection is closed, requests in progress finish`, async () => {
    const engine = await start(workers);
    const clients = await connect(engine, 4 * workers);
    const [victim, beside] = clients.filter(({ id }) => id === 0);
    const slow = beside.get('/slow').next();
    await entered(engine, 'slow');
    assert.equal((await victim.get('/throw').next()).text, 'dying');
    assert.equal((await slow).text, 'slow');
    await allServed(clients);
    const { route, why } = await engine.message('killed');
    assert.deepEqual([route?.pattern ?? null, why], [null, 'crash']); // the stack is that of a timer: which route, it does not say
    await event(engine, 'restart');
    await stop(engine, clients);
  });
}

test('a first failure is made good at once, more in a row wait longer and longer', async () => {
  const engine = await start(1);
  const times = [];
  for (let i = 0; i < 3; i++) {
    const began = Date.now();
    engine.messages.length = 0;
    assert.equal((await request(engine.port, 'GET', '/throw')).text, 'dying');
    await event(engine, 'restart');
    times.push(Date.now() - began);
  }
  assert.ok(times[1] >= 100 && times[2] >= 200, String(times));
  await stop(engine, []);
});

test('an unhandled rejection kills nothing', async () => {
  const engine = await start(1);
  const [client] = await connect(engine, 1);
  assert.equal((await client.get('/reject').next()).text, 'fine');
  await engine.until(({ err }) => /unhandled rejection: Error: nobody cares.*"route":/.test(err));
  assert.equal(JSON.parse((await client.get('/ok').next()).text).born, client.born);
  assert.ok(engine.messages.every(({ type }) => type !== 'killed'));
  await stop(engine, [client]);
});

// ---- isolation: process

test('isolation: process: the watchdog tells the supervisor itself', async () => {
  const engine = await start(1, { isolation: 'process' });
  const [client] = await connect(engine, 1);
  client.get('/spin');
  await engine.message('renew'); // the connection waits for the process that takes the place of this one
  const told = engine.messages.slice(1);
  assert.deepEqual(told.map(({ type }) => type), ['event', 'killed', 'renew']);
  assert.match(told[0].text, /worker 0: GET \/spin.* did not return within timeouts\.stall \(0\.3 s\)/);
  assert.deepEqual(told[1].route, { method: 'GET', pattern: '/spin' });
  engine.child.kill('SIGKILL');
  await engine.exited;
});

test('what comes in the turn in which a worker ends is entered by none of its handlers: another worker runs all of it', async () => {
  const engine = await start(1);
  const clients = await connect(engine, 4);
  assert.equal(await statusOf(clients[0], '/late'), 200);
  const answers = await Promise.all(clients.map((client) => statusOf(client, '/ok')));
  assert.deepEqual(answers, [200, 200, 200, 200]);
  await stop(engine, clients);
});
