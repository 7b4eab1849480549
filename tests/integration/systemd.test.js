'use strict';
// The app under a service manager, whose part manager.c plays: what it is told, when, and what it passes.
const assert = require('node:assert/strict');
const { execFileSync, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, test } = require('node:test');
const { Installed, NEWER } = require('./installed');
const { App, BIN, alive, get, until } = require('./serve-app');

const tools = fs.mkdtempSync(path.join(os.tmpdir(), 'actix-manager-'));
const MANAGER = path.join(tools, 'manager');
execFileSync('cc', ['-D_GNU_SOURCE', '-Wall', '-o', MANAGER, path.join(__dirname, 'manager.c')]);
after(() => fs.rmSync(tools, { recursive: true, force: true }));

const files = (head = 'server: { listen: "127.0.0.1:0", workers: 1 }', routes = '{ /: home.js, /env: env.js }') => ({
  'actix.yaml': `version: 1\n${head}\nroutes: ${routes}\n`,
  'home.js': "module.exports = () => 'home';\n",
  'env.js': 'module.exports = () => Object.keys(process.env).filter((n) => /^(NOTIFY|WATCHDOG|LISTEN)_/.test(n));\n',
});

/** Serves under the manager; `notify` is a path or @NAME. */
async function managed(t, files, { notify, watchdog = 0, sockets = 0, kind: Kind = App } = {}) {
  const a = new Kind(t, files);
  notify ??= path.join(a.dir, 'notify');
  const s = await a.spawn({}, MANAGER, notify, String(watchdog), String(sockets), a.bin ?? BIN, 'serve');
  const pid = Number(/^pid: (\d+)$/m.exec(s.stderr)[1]);
  t.after(() => alive(pid) && process.kill(pid, 'SIGKILL'));
  const messages = () => [...s.stderr.matchAll(/^notify: (.*)$/gm)].map((m) => Object.fromEntries(m[1].split('|').map((l) => [l.slice(0, l.indexOf('=')), l.slice(l.indexOf('=') + 1)])));
  const told = (name, from = 0) => until(() => messages().slice(from).find((m) => name in m));
  return { a, s, pid, messages, told };
}

const engine = (a) => a.json('status').engines[0].pid;

for (const kind of ['path', 'abstract'])
  test(`start and stop are told (${kind} socket), and handlers see nothing of it`, async (t) => {
    const notify = kind === 'path' ? undefined : `@actix-test-${process.pid}`;
    const { s, pid, messages, told } = await managed(t, files(), { notify });
    const ready = await told('READY');
    assert.equal(ready.READY, '1');
    assert.equal(Number(ready.MAINPID), pid);
    assert.match(ready.STATUS, /^running: generation 1, engines: 1 of 1 ready, workers: 1$/);
    assert.ok(messages().findIndex((m) => 'READY' in m) > messages().findIndex((m) => /^starting/.test(m.STATUS)));
    assert.ok(messages().some((m) => Number(m.EXTEND_TIMEOUT_USEC) > 0));
    assert.deepEqual(JSON.parse((await get(`${s.url}/env`)).body), []);
    process.kill(pid, 'SIGTERM');
    const stopping = await told('STOPPING');
    assert.match(stopping.STATUS, /^stopping/);
    assert.equal(await s.ended, 0);
    assert.ok(!messages().some((m) => 'WATCHDOG' in m));
  });

test('a reload is told from begin to end, by signal and by command, also a failed one', async (t) => {
  const { a, s, pid, messages, told } = await managed(t, files());
  await told('READY');
  for (const [break_, ask] of [
    [false, () => process.kill(pid, 'SIGHUP')],
    [false, () => a.run('reload')],
    [true, () => process.kill(pid, 'SIGHUP')],
    [true, () => a.run('reload')],
  ]) {
    const from = messages().length;
    const before = process.hrtime.bigint() / 1000n;
    a.write('home.js', break_ ? 'throw new Error("bad");' : "module.exports = () => 'home';");
    ask();
    const begin = await told('RELOADING', from);
    assert.equal(begin.RELOADING, '1');
    assert.ok(BigInt(begin.MONOTONIC_USEC) >= before);
    const end = await told('READY', from);
    assert.equal(end.READY, '1');
    assert.equal(/; the last reload failed: /.test(end.STATUS), break_, end.STATUS);
    const list = messages().slice(from);
    assert.ok(list.findIndex((m) => 'RELOADING' in m) < list.findIndex((m) => 'READY' in m));
    assert.equal((await get(s.url)).body, 'home');
  }
  // a second signal while one runs: its sender waits for a begin that is not older than the signal
  const from = messages().length;
  a.write('home.js', 'const end = Date.now() + 500; while (Date.now() < end); module.exports = () => 1;');
  process.kill(pid, 'SIGHUP');
  await told('RELOADING', from);
  process.kill(pid, 'SIGHUP');
  await until(() => messages().slice(from).filter((m) => 'RELOADING' in m).length === 2);
  await told('READY', from);
  assert.equal(messages().slice(from).filter((m) => 'READY' in m).length, 1);
  process.kill(pid, 'SIGTERM');
  assert.equal(await s.ended, 0);
});

test('the watchdog is fed while JavaScript moves, and not while its only engine stands still', async (t) => {
  const { a, s, pid, messages, told } = await managed(t, files('server: { listen: "127.0.0.1:0", workers: 1 }\ntimeouts: { stall: 300ms }'), { watchdog: 200_000 });
  await told('READY');
  const fed = () => messages().filter((m) => m.WATCHDOG === '1').length;
  const first = fed();
  await until(() => fed() > first + 5);
  const node = engine(a);
  process.kill(node, 'SIGSTOP');
  t.after(() => alive(node) && process.kill(node, 'SIGCONT'));
  // no more than stall allows; then silence for longer than WATCHDOG_USEC
  let last = fed();
  await until(async () => {
    await new Promise((r) => setTimeout(r, 400));
    const now = fed();
    const silent = now === last;
    last = now;
    return silent;
  });
  process.kill(node, 'SIGCONT');
  await until(() => fed() > last + 2);
  assert.equal((await get(s.url)).body, 'home');
  process.kill(pid, 'SIGTERM');
  assert.equal(await s.ended, 0);
});

test('lame duck and drain: told to stop at once, the timeout is extended, the watchdog fed to the end', async (t) => {
  const head = 'server: { listen: "127.0.0.1:0", workers: 1 }\ntimeouts: { lame_duck: 500ms }';
  const { s, pid, messages, told } = await managed(t, files(head), { watchdog: 100_000 });
  await told('READY');
  const from = messages().length;
  process.kill(pid, 'SIGTERM');
  await told('STOPPING', from);
  await told('EXTEND_TIMEOUT_USEC', from);
  assert.equal((await get(s.url)).body, 'home');
  assert.equal(await s.ended, 0);
  assert.ok(messages().slice(from).filter((m) => m.WATCHDOG === '1').length >= 2);
});

test('an engine that dies changes the status', async (t) => {
  const { a, pid, s, messages, told } = await managed(t, files());
  await told('READY');
  const from = messages().length;
  process.kill(engine(a), 'SIGKILL');
  await until(() => messages().slice(from).some((m) => /^restarting: .*0 of 1 ready/.test(m.STATUS)));
  await until(() => messages().slice(from).some((m) => /^running: .*1 of 1 ready/.test(m.STATUS)));
  process.kill(pid, 'SIGTERM');
  assert.equal(await s.ended, 0);
});

test('sockets that are passed replace server.listen, and outlive a reload', async (t) => {
  const { a, pid, s, told } = await managed(t, files('server: { listen: "127.0.0.1:1", workers: 1 }'), { sockets: 2 });
  await told('READY');
  assert.equal(s.urls.length, 2);
  for (const url of s.urls) assert.equal((await get(url)).body, 'home');
  assert.equal(a.run('reload').code, 0);
  for (const url of s.urls) assert.equal((await get(url)).body, 'home');
  assert.deepEqual(JSON.parse((await get(`${s.url}/env`)).body), []);
  process.kill(pid, 'SIGTERM');
  assert.equal(await s.ended, 0);
});

test('an upgrade is a reload to the manager: same process, sockets that were passed, watchdog', async (t) => {
  const { a, pid, s, messages, told } = await managed(t, files('server: { listen: "127.0.0.1:1", workers: 1 }'), { sockets: 1, watchdog: 200_000, kind: Installed });
  await told('READY');
  a.installVersion(NEWER);
  const from = messages().length;
  process.kill(pid, 'SIGHUP');
  await told('RELOADING', from);
  const ready = await told('READY', from);
  assert.match(ready.STATUS, /^running: generation 2/);
  assert.equal(a.status().version, NEWER);
  assert.equal(a.status().pid, pid);
  assert.equal((await get(s.url)).body, 'home');
  const fed = messages().length;
  await told('WATCHDOG', fed);
  assert.deepEqual(JSON.parse((await get(`${s.url}/env`)).body), []);
  process.kill(pid, 'SIGTERM');
  await told('STOPPING', from);
  assert.equal(await s.ended, 0);
});

test('a start that fails is told as a stop, and never as ready', async (t) => {
  const a = new App(t, files());
  a.write('home.js', 'throw new Error("bad");');
  await assert.rejects(a.spawn({}, MANAGER, path.join(a.dir, 'notify'), '0', '0', BIN, 'serve'), (e) => {
    assert.equal(e.code, 3);
    assert.match(e.stderr, /^notify: STOPPING=1/m);
    assert.doesNotMatch(e.stderr, /READY=1/);
    return true;
  });
});

test('a notification socket that is none is a line in the log', async (t) => {
  const a = new App(t, files());
  const s = await a.serveWith({ NOTIFY_SOCKET: 'nonsense' });
  assert.match(s.stderr, /NOTIFY_SOCKET is neither a path nor an abstract name \(found 'nonsense'\)/);
  assert.equal((await get(s.url)).body, 'home');
  assert.equal(await s.signal('SIGTERM'), 0);
});

const UNITS = path.join(__dirname, '../../packaging/systemd');
const analyze = spawnSync('systemd-analyze', ['--version']).status === 0;

test('the units are accepted by systemd-analyze, and expose little', { skip: !analyze && 'there is no systemd-analyze' }, () => {
  const dir = fs.mkdtempSync(path.join(tools, 'units-'));
  for (const name of ['actix@.service', 'actix@.socket']) {
    // a program that is there: the package may not be installed
    fs.writeFileSync(path.join(dir, name), fs.readFileSync(path.join(UNITS, name), 'utf8').replaceAll('/usr/bin/actix', '/bin/true'));
    const r = spawnSync('systemd-analyze', ['verify', '--man=no', path.join(dir, name)], { encoding: 'utf8' });
    assert.equal(`${r.status} ${r.stdout}${r.stderr}`, '0 ');
  }
  const r = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=30', path.join(dir, 'actix@.service')], { encoding: 'utf8' });
  assert.equal(r.status, 0, r.stdout.split('\n').slice(-3).join('\n') + r.stderr);
});

const NOBODY = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];

function noOtherUser() {
  if (process.getuid() !== 0) return 'needs root';
  return spawnSync(NOBODY[0], [...NOBODY.slice(1), 'test', '-x', BIN]).status === 0 ? false : `other users may not run ${BIN}`;
}

test('as the unit runs it: another user, an app that it cannot write to behind a link that a deploy switches', { skip: noOtherUser() }, async (t) => {
  const a = new App(t, { 'r1/actix.yaml': files()['actix.yaml'], 'r1/home.js': "module.exports = () => 'one';", 'r1/env.js': 'module.exports = () => 1;' });
  fs.cpSync(path.join(a.dir, 'r1'), path.join(a.dir, 'r2'), { recursive: true });
  a.write('r2/home.js', "module.exports = () => 'two';");
  const app = path.join(a.dir, 'app');
  fs.symlinkSync('r1', app);
  fs.chmodSync(a.dir, 0o755);
  const state = path.join(a.dir, 'state');
  fs.mkdirSync(state, 0o750);
  fs.chownSync(state, 65534, 65534);
  const s = await a.spawn({ ACTIX_STATE: state, PWD: app }, 'sh', '-c', `cd ${app} && exec ${NOBODY.join(' ')} --no-new-privs --bounding-set -all "$0" serve`, BIN);
  assert.equal((await get(s.url)).body, 'one');
  fs.unlinkSync(app);
  fs.symlinkSync('r2', app);
  assert.equal(a.run('reload', '--state', state).code, 0);
  assert.equal((await get(s.url)).body, 'two');
  assert.equal(a.run('stop', '--state', state).code, 0);
  assert.equal(await s.ended, 0);
});
