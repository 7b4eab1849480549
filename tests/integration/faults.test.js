'use strict';
// What fails below the server: no descriptors, a database that cannot be written, a clock that leaps.  Faults are made with a
// library that stands before libc's calls (faults_shim.c) and with another program at the database (faults_db.c); both are
// compiled here.  In each case clients are answered, nothing is counted twice, and what is lost is told.
const assert = require('node:assert/strict');
const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { before, after, test } = require('node:test');
const { App, alive, get, until } = require('./serve-app');

// ---- tools

const tools = fs.mkdtempSync(path.join(os.tmpdir(), 'actix-faults-'));
const shim = path.join(tools, 'shim.so');
const db = path.join(tools, 'db');

function compile(...args) {
  const { status, stderr, error } = spawnSync(process.env.CC?.split(' ')[0] ?? 'gcc', ['-std=gnu11', '-D_GNU_SOURCE', '-O1', '-Wall', '-Wextra', '-Werror', ...args], { encoding: 'utf8' });
  assert.equal(status, 0, error?.message ?? stderr);
}

before(() => {
  compile('-shared', '-fPIC', '-o', shim, path.join(__dirname, 'faults_shim.c'), '-ldl');
  compile('-o', db, path.join(__dirname, 'faults_db.c'), '-lsqlite3');
});
after(() => fs.rmSync(tools, { recursive: true, force: true }));

const { EMFILE, ENOSPC, EIO, EPERM } = os.constants.errno;
const FAULTS = ['clock', 'memfd', 'accept', 'pair', 'write', 'open', 'acceptsRefused', 'dbRefused'];

/** The page that the library looks at. */
class Faults {
  constructor(a) {
    this.file = a.write('faults.page', '\0'.repeat(FAULTS.length * 8));
    this.env = { LD_PRELOAD: shim, FAULTS: this.file };
  }

  set(name, value) {
    const fd = fs.openSync(this.file, 'r+');
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    fs.writeSync(fd, bytes, 0, 8, FAULTS.indexOf(name) * 8);
    fs.closeSync(fd);
  }

  get(name) {
    return Number(fs.readFileSync(this.file).readBigInt64LE(FAULTS.indexOf(name) * 8));
  }
}

function sql(a, text) {
  const { status, stdout, stderr } = spawnSync(db, [a.database, text], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

function app(t, { workers = 1, metrics = '' } = {}) {
  const a = new App(t, { 'home.js': "module.exports = () => 'home';" });
  a.database = path.join(a.dir, 'data/metrics.db');
  fs.mkdirSync(path.dirname(a.database));
  a.write('actix.yaml', `version: 1
server: { workers: ${workers}, listen: "127.0.0.1:0" }
metrics: { database: "${a.database}", interval: 100ms${metrics} }
routes:
  /: home.js
  /ping: { respond: pong }
`);
  return a;
}

const ask = async (s, n) => {
  for (let i = 0; i < n; i++) assert.equal((await get(`${s.url}/`)).body, 'home');
};

const total = (a) => a.json('stats').total;

async function stop(s) {
  assert.equal(await s.signal('SIGTERM'), 0, s.stderr);
}

// ---- descriptors

for (const workers of [1, 2])
  test(`no descriptor to accept with, ${workers} worker(s): clients wait, nobody is refused, nothing spins`, async (t) => {
    const a = app(t, { workers });
    const f = new Faults(a);
    const s = await a.serveWith(f.env);
    await ask(s, 3);
    f.set('accept', EMFILE);
    const waiting = Array.from({ length: 20 }, () => get(`${s.url}/`));
    await until(() => f.get('acceptsRefused') > 0);
    const began = f.get('acceptsRefused');
    await new Promise((r) => setTimeout(r, 300)); // what is measured is how often it tries within a time
    const tries = f.get('acceptsRefused') - began;
    assert.ok(tries < 60, `${tries} tries in 300 ms`);
    assert.equal(a.json('status').state, 'running');
    f.set('accept', 0);
    for (const answer of await Promise.all(waiting)) assert.equal(answer.body, 'home');
    await stop(s);
    assert.equal(total(a).requests, 23);
  });

test('an engine that cannot be started, for want of descriptors or memfd, is tried again', async (t) => {
  for (const [fault, errno] of [['pair', EMFILE], ['memfd', EPERM]]) {
    const a = app(t);
    const f = new Faults(a);
    const s = await a.serveWith(f.env);
    await ask(s, 2);
    const { engine } = a.json('status');
    f.set(fault, errno);
    process.kill(engine.pid, 'SIGKILL');
    await until(() => !alive(engine.pid));
    const waits = get(`${s.url}/`); // the listening socket stays: it is accepted later
    await until(() => /cannot|failed/.test(s.stderr.slice(s.stderr.indexOf('signal 9'))));
    assert.ok(alive(s.child.pid));
    f.set(fault, 0);
    assert.equal((await waits).body, 'home');
    await stop(s);
    assert.equal(total(a).requests, 3);
  }
});

test('memfd refused at the start: one sentence, nothing left behind', async (t) => {
  const a = app(t);
  const f = new Faults(a);
  f.set('memfd', EPERM);
  const { code, stderr } = a.runWith(f.env, 'serve');
  assert.notEqual(code, 0);
  assert.match(stderr, /Operation not permitted/);
  assert.ok(stderr.trim().split('\n').length <= 3, stderr);
  assert.equal(a.run('status').code, 4);
});

// ---- the database

for (const [name, errno] of [['full (ENOSPC)', ENOSPC], ['broken (EIO)', EIO]])
  test(`the database's disk is ${name} for a while: no request notices, nothing is lost or counted twice`, async (t) => {
    const a = app(t);
    const f = new Faults(a);
    const s = await a.serveWith(f.env);
    await ask(s, 5);
    await until(() => total(a).requests === 5);
    f.set('write', errno);
    for (let i = 0; i < 4; i++) {
      const seen = f.get('dbRefused');
      await ask(s, 5);
      await until(() => f.get('dbRefused') > seen);
    }
    assert.match(s.stderr, /metrics cannot be written now/);
    assert.equal(s.stderr.match(/metrics cannot be written now/g).length, 1);
    assert.equal(total(a).requests, 5);
    f.set('write', 0);
    await until(() => total(a).requests === 25);
    await until(() => s.stderr.includes('metrics are written again'));
    await ask(s, 5);
    await stop(s);
    const stats = a.json('stats');
    assert.equal(stats.total.requests, 30);
    assert.equal(stats.server.dropped, 0);
    assert.equal(sql(a, 'PRAGMA integrity_check'), 'ok');
  });

test('a real file system that is full, then freed', { skip: process.getuid() !== 0 && 'mounting wants root' }, async (t) => {
  let data;
  t.after(() => data && spawnSync('umount', ['-l', data])); // before the app's own folder goes
  const a = app(t, { metrics: ', requests: all' });
  data = path.join(a.dir, 'data');
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', data], { encoding: 'utf8' });
  if (mounted.status !== 0) return t.skip(`no tmpfs here: ${mounted.stderr.trim()}`);
  const s = await a.serve();
  await ask(s, 5);
  await until(() => total(a).requests === 5);
  const stuffing = path.join(data, 'stuffing');
  const fd = fs.openSync(stuffing, 'w');
  for (let size = 1 << 16; size >= 1; size >>= 1)
    try {
      for (;;) if (fs.writeSync(fd, Buffer.alloc(size)) < size) break;
    } catch (e) {
      assert.equal(e.code, 'ENOSPC');
    }
  fs.closeSync(fd);
  for (let i = 0; i < 60 && !s.stderr.includes('metrics cannot be written now'); i++) await ask(s, 50);
  assert.match(s.stderr, /metrics cannot be written now/);
  const asked = a.json('status').requests;
  fs.rmSync(stuffing);
  await until(() => s.stderr.includes('metrics are written again'));
  await stop(s);
  const stats = a.json('stats');
  assert.equal(stats.total.requests, asked);
  assert.equal(Number(sql(a, 'SELECT count(*) FROM requests')) + stats.server.dropped, asked);
  assert.equal(sql(a, 'PRAGMA integrity_check'), 'ok');
});

test('another program holds the database locked for longer than anybody waits', async (t) => {
  const a = app(t);
  const s = await a.serve();
  await ask(s, 3);
  await until(() => total(a).requests === 3);
  const other = spawn(db, [a.database, 'BEGIN EXCLUSIVE; INSERT INTO events VALUES(1, \'x\', \'y\')', 'wait'], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => other.kill('SIGKILL'));
  await new Promise((done) => other.stdout.once('data', done));
  await ask(s, 20);
  await until(() => s.stderr.includes('metrics cannot be written now'));
  await ask(s, 20);
  assert.match(s.stderr, /locked/);
  other.stdin.end();
  await until(() => s.stderr.includes('metrics are written again'));
  await stop(s);
  const stats = a.json('stats');
  assert.equal(stats.total.requests, 43);
  assert.equal(stats.server.dropped, 0);
  assert.equal(sql(a, "SELECT count(*) FROM events WHERE kind = 'x'"), '0');
});

test('locked all the way through the stop: it still ends, exit 0', async (t) => {
  const a = app(t);
  const s = await a.serve();
  await ask(s, 3);
  await until(() => total(a).requests === 3);
  const other = spawn(db, [a.database, 'BEGIN EXCLUSIVE', 'wait'], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => other.kill('SIGKILL'));
  await new Promise((done) => other.stdout.once('data', done));
  await ask(s, 2);
  await stop(s);
  other.stdin.end();
  assert.match(s.stderr, /metrics cannot be written/);
});

test('the folder of the database is removed, and comes back', async (t) => {
  const a = app(t);
  const s = await a.serve();
  await ask(s, 4);
  await until(() => total(a).requests === 4);
  fs.rmSync(path.join(a.dir, 'data'), { recursive: true });
  await ask(s, 6);
  await until(() => s.stderr.includes('metrics cannot be written now'));
  await ask(s, 6);
  fs.mkdirSync(path.join(a.dir, 'data'));
  await until(() => s.stderr.includes('metrics are written again'));
  await ask(s, 1);
  await stop(s);
  assert.equal(total(a).requests, 13); // what was in the old file went with it
});

test('no descriptor to open the database with, while running', async (t) => {
  const a = app(t);
  const f = new Faults(a);
  const s = await a.serveWith(f.env);
  await ask(s, 4);
  await until(() => total(a).requests === 4);
  f.set('open', EMFILE);
  for (const name of fs.readdirSync(path.join(a.dir, 'data'))) fs.rmSync(path.join(a.dir, 'data', name));
  await ask(s, 6);
  await until(() => s.stderr.includes('metrics cannot be written now'));
  f.set('open', 0);
  await until(() => s.stderr.includes('metrics are written again'));
  await stop(s);
  assert.equal(total(a).requests, 6);
});

test('no descriptor to open the database with, at the start: one sentence', async (t) => {
  const a = app(t);
  const f = new Faults(a);
  f.set('open', EMFILE);
  const { code, stderr } = a.runWith(f.env, 'serve');
  assert.notEqual(code, 0);
  assert.match(stderr, /metrics\.db.*unable to open/);
  f.set('open', 0);
  const s = await a.serveWith(f.env);
  await ask(s, 1);
  await stop(s);
});

test('a corrupt and a newer database are set aside, and do not stop a start', async (t) => {
  const a = app(t);
  let s = await a.serve();
  await ask(s, 3);
  await stop(s);
  sql(a, 'PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE)');
  s = await a.serve();
  await ask(s, 2);
  assert.match(s.stderr, /set aside as \S*metrics\.db\.v99/);
  await stop(s);
  assert.equal(total(a).requests, 2);
  const bytes = fs.readFileSync(a.database);
  bytes.fill(0x5a, 0, 2000);
  fs.writeFileSync(a.database, bytes);
  s = await a.serve();
  await ask(s, 1);
  assert.match(s.stderr, /set aside as \S*metrics\.db\.corrupt-\d{8}T\d{6}Z/);
  await stop(s);
  const stats = a.json('stats');
  assert.equal(stats.total.requests, 1);
  assert.ok(stats.events.some((e) => /set aside/.test(e.text)));
  const names = fs.readdirSync(path.join(a.dir, 'data')).filter((n) => /\.(v99|corrupt-[^-]*)$/.test(n));
  assert.equal(names.length, 2, names.join(' '));
});

test('a database that is spoiled while it is used', async (t) => {
  const a = app(t);
  const s = await a.serve();
  await ask(s, 3);
  await until(() => total(a).requests === 3);
  sql(a, 'PRAGMA wal_checkpoint(TRUNCATE)');
  const fd = fs.openSync(a.database, 'r+');
  fs.writeSync(fd, Buffer.alloc(fs.fstatSync(fd).size, 0x5a), 0, undefined, 0);
  fs.closeSync(fd);
  const aside = () => fs.readdirSync(path.join(a.dir, 'data')).some((n) => n.includes('.corrupt-'));
  for (let i = 0; i < 100 && !aside(); i++) await ask(s, 5);
  assert.ok(aside());
  await ask(s, 1);
  await stop(s);
  assert.equal(sql(a, 'PRAGMA integrity_check'), 'ok');
});

// ---- the clock

test('the wall clock leaps forth and back by hours', async (t) => {
  const a = app(t, { metrics: ', requests: all, retention: 1h' });
  const f = new Faults(a);
  const s = await a.serveWith(f.env);
  let asked = 0;
  for (const hours of [0, 10, -20, 3, 0]) {
    f.set('clock', hours * 3600);
    await ask(s, 5);
    asked += 5;
    const seen = asked;
    await until(() => Number(sql(a, 'SELECT sum(count) FROM request_stats')) === seen);
  }
  const status = a.json('status');
  assert.ok(status.uptime_s === undefined || (status.uptime_s >= 0 && status.uptime_s < 3600), JSON.stringify(status));
  await stop(s);
  assert.equal(sql(a, 'SELECT sum(count) FROM request_stats'), '25');
  assert.equal(sql(a, 'SELECT count(*) FROM requests'), '25');
  assert.equal(sql(a, 'SELECT count(*) FROM requests WHERE duration_us < 0 OR duration_us > 10000000'), '0');
  assert.equal(sql(a, 'SELECT count(*) FROM request_stats WHERE queue_us < 0 OR handler_us < 0 OR send_us < 0 OR max_us > 10000000'), '0');
  assert.equal(sql(a, 'SELECT count(*) FROM server_stats WHERE cpu_us < 0 OR cpu_us > 100000000'), '0');
});

test('counts are not lost when the clock stands in the past or the future at the stop', async (t) => {
  for (const hours of [-30, 30]) {
    const a = app(t);
    const f = new Faults(a);
    const s = await a.serveWith(f.env);
    await ask(s, 2);
    f.set('clock', hours * 3600);
    const slow = net.connect(s.port, '127.0.0.1'); // timeouts are not the wall clock's business
    await new Promise((done) => slow.once('connect', done));
    slow.write('GET /ping HTTP/1.1\r\nHost: a\r\n');
    await ask(s, 2);
    slow.write('\r\n');
    const [answer] = await Promise.all([new Promise((done) => slow.once('data', (d) => done(String(d))))]);
    assert.match(answer, /^HTTP\/1\.1 200 /);
    slow.destroy();
    await stop(s);
    assert.equal(sql(a, 'SELECT sum(count) FROM request_stats'), '5');
  }
});
