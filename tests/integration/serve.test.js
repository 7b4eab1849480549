'use strict';
const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');
const test = require('node:test');
const { App, BIN, alive, get, until } = require('./serve-app');

const handlers = {
  'home.js': "module.exports = () => 'home';",
  'pid.js': 'module.exports = () => ({ pid: process.pid, worker: require("actix-js").worker.id, env: process.env.NODE_ENV, extra: process.env.EXTRA ?? null });',
  'slow.js': "module.exports = () => new Promise((r) => setTimeout(r, 300, 'slow'));",
  'never.js': 'module.exports = () => new Promise(() => undefined);',
  'boom.js': "module.exports = () => { throw new Error('boom'); };",
};
const manifest = (head = '') => `version: 1
${head}
routes:
  /: home.js
  /pid: pid.js
  /slow: slow.js
  /never: never.js
  /boom: boom.js
  /ping: { respond: pong }
  /ready: { health: ready }
`;
const plain = 'server: { workers: 2, listen: "127.0.0.1:0" }';
const app = (t, head = plain, more = {}) => new App(t, { 'actix.yaml': manifest(head), ...handlers, ...more });

test('serves, counts exactly, stops', async (t) => {
  const a = app(t);
  const s = await a.serve();
  assert.match(s.stdout, /^listening on http:\/\/127\.0\.0\.1:\d+\n$/);
  const wanted = { '/': 7, '/ping': 3, '/boom': 2, '/nowhere': 4 };
  for (const [where, n] of Object.entries(wanted)) for (let i = 0; i < n; i++) await get(s.url + where);
  const status = a.json('status');
  assert.equal(status.pid, s.child.pid);
  assert.equal(status.state, 'running');
  assert.equal(status.requests, 16);
  assert.deepEqual(status.addresses, [s.url]);
  assert.match(a.run('status').stdout, /WORKER.*STATE.*CONNECTIONS/);
  assert.equal(a.run('stop').code, 0);
  assert.equal(await s.ended, 0);
  assert.equal(alive(status.engine.pid), false);
  const stats = a.json('stats');
  assert.equal(stats.total.requests, 16);
  assert.equal(stats.total.errors, 2);
  const count = Object.fromEntries(stats.routes.map((r) => [r.route, r.requests]));
  assert.deepEqual(count, { '/': 7, '/ping': 3, '/boom': 2, '(none)': 4 });
  assert.deepEqual(fs.readdirSync(path.join(a.dir, '.actix')).filter((f) => /sock|pid/.test(f)), []);
});

test('stats tells what was counted up to now, also when a second begins meanwhile', async (t) => {
  const a = app(t);
  const s = await a.serve();
  for (let sent = 1; sent <= 5; sent++) {
    await get(`${s.url}/`);
    while (Date.now() % 1000 < 930 + 12 * sent); // stats starts in one second and asks the server in the next
    assert.equal(a.json('stats').total.requests, sent);
  }
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('a killed engine loses no count and no later request', async (t) => {
  const a = app(t);
  const s = await a.serve();
  for (let i = 0; i < 5; i++) await get(`${s.url}/`);
  const before = a.json('status').engine.pid;
  process.kill(before, 'SIGKILL');
  const after = JSON.parse((await get(`${s.url}/pid`)).body);
  assert.notEqual(after.pid, before);
  assert.equal((await until(() => a.json('status').state === 'running' && a.json('status'))).engine.restarts, 1);
  assert.equal(await s.signal('SIGTERM'), 0);
  const stats = a.json('stats');
  assert.equal(stats.total.requests, 6);
  assert.deepEqual(stats.events.map((e) => e.kind).filter((k) => k === 'crash' || k === 'restart'), ['crash', 'restart']);
  assert.match(s.stderr, /was killed by signal 9/);
});

test('nothing outlives a killed supervisor, and the next one starts', async (t) => {
  const a = app(t);
  const s = await a.serve();
  const { engine } = a.json('status');
  await s.signal('SIGKILL');
  await until(() => !alive(engine.pid));
  assert.equal(a.run('status').code, 4);
  const again = await a.serve();
  assert.equal((await get(`${again.url}/`)).body, 'home');
  assert.equal(await again.signal('SIGTERM'), 0);
});

test('the engine minds neither TERM nor INT nor HUP', async (t) => {
  const a = app(t);
  const s = await a.serve();
  const { engine } = a.json('status');
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.kill(engine.pid, signal);
  assert.equal((await get(`${s.url}/`)).body, 'home');
  assert.equal(a.json('status').engine.pid, engine.pid);
  s.child.kill('SIGHUP');
  await until(() => s.stderr.includes('generation 2 serves'));
  assert.equal(await s.signal('SIGINT'), 0);
});

test('requests in progress end before the server does', async (t) => {
  for (const how of ['SIGTERM', 'SIGINT', 'stop']) {
    const a = app(t);
    const s = await a.serve();
    const slow = get(`${s.url}/slow`);
    await until(() => a.json('status').inflight === 1);
    const ended = how === 'stop' ? Promise.resolve(a.run('stop').code) : s.signal(how);
    assert.equal((await slow).body, 'slow');
    assert.equal(await ended, 0);
    assert.equal(await s.ended, 0);
    await assert.rejects(get(`${s.url}/`), { code: 'ECONNREFUSED' });
  }
});

test('a drain that does not end is forced: exit code 5', async (t) => {
  const a = app(t, `${plain}\ntimeouts: { shutdown: 1500ms }`);
  let s = await a.serve();
  get(`${s.url}/never`).catch(() => undefined);
  await until(() => a.json('status').inflight === 1);
  const stop = a.run('stop');
  assert.equal(stop.code, 5);
  assert.match(stop.stderr, /cut off/);
  assert.equal(await s.ended, 5);
  assert.match(s.stderr, /waiting for 1 requests in progress \(ANY \/never: 1\)/);

  s = await a.serve();
  get(`${s.url}/never`).catch(() => undefined);
  await until(() => a.json('status').inflight === 1);
  s.child.kill('SIGINT');
  const first = Date.now();
  await until(() => a.json('status').state === 'stopping' && Date.now() - first > 100);
  assert.equal(await s.signal('SIGINT'), 5);
});

test('lame duck: says not ready, still answers', async (t) => {
  const a = app(t, `${plain}\ntimeouts: { lame_duck: 1500ms }`);
  const s = await a.serve();
  assert.equal((await get(`${s.url}/ready`)).status, 200);
  const ended = s.signal('SIGTERM');
  await until(async () => (await get(`${s.url}/ready`)).status === 503);
  const answer = await get(`${s.url}/`);
  assert.equal(answer.body, 'home');
  assert.equal(answer.headers.connection, 'close');
  assert.equal(await ended, 0);
});

test('--daemon returns when the app answers', async (t) => {
  const a = app(t);
  const { code, stdout } = a.run('serve', '--daemon', '--pid-file', 'here.pid');
  assert.equal(code, 0);
  const url = /listening on (\S+)/.exec(stdout)[1];
  assert.equal((await get(`${url}/`)).body, 'home');
  const { pid } = a.json('status');
  assert.equal(Number(a.read('here.pid')), pid);
  assert.equal(Number(a.read('.actix/actix.pid')), pid);
  process.kill(pid, 'SIGHUP');
  await until(() => a.read('.actix/actix.log').includes('generation 2 serves'));
  assert.equal(a.run('stop').code, 0);
  assert.equal(alive(pid), false);
  assert.equal(fs.existsSync(path.join(a.dir, 'here.pid')), false);

  fs.rmSync(path.join(a.dir, 'home.js'));
  const failed = a.run('serve', '--daemon');
  assert.equal(failed.code, 3);
  assert.match(failed.stderr, /actix\.yaml:\d+:\d+: /);
});

test('what listens: options, environment, .env, manifest', async (t) => {
  const a = app(t, 'server: { workers: 1, listen: "127.0.0.1:0" }');
  const port = async (env, ...args) => {
    const s = await a.serveWith(env, ...args);
    assert.equal((await get({ host: new URL(s.url).hostname, port: s.port, path: '/' })).body, 'home');
    assert.equal(await s.signal('SIGTERM'), 0);
    return s;
  };
  const free = async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await new Promise((r) => server.on('listening', r));
    const n = server.address().port;
    await new Promise((r) => server.close(r));
    return n;
  };
  const [one, two, three, four] = [await free(), await free(), await free(), await free()];
  a.write('.env', `PORT=${four}\nEXTRA=dotenv\n`);
  assert.equal((await port({})).port, four);
  assert.equal((await port({ PORT: three })).port, three);
  assert.equal((await port({ PORT: three, ACTIX_PORT: two })).port, two);
  assert.equal((await port({ PORT: three, ACTIX_PORT: two }, '--port', String(one))).port, one);
  assert.match((await port({ HOST: 'machine-name', PORT: '0' }, '--host', '127.0.0.1')).url, /^http:\/\/127\.0\.0\.1:\d+$/);
  const both = await port({}, '--host', 'localhost', '--port', '0');
  assert.ok(both.urls.length === 1 || new URL(both.urls[0]).port === new URL(both.urls[1]).port);
});

test('Unix sockets, of any length', async (t) => {
  const deep = `${'d'.repeat(60)}/${'e'.repeat(60)}`;
  const a = app(t, `server: { workers: 1, listen: [ { unix: ${deep}/app.sock, mode: 0600 }, "127.0.0.1:0" ], state: ${deep} }`);
  fs.mkdirSync(path.join(a.dir, deep), { recursive: true });
  const s = await a.serve();
  const socket = path.join(a.dir, deep, 'app.sock');
  assert.equal(s.urls[0], `unix:${socket}`);
  assert.equal(fs.statSync(socket).mode & 0o777, 0o600);
  const fd = fs.openSync(path.dirname(socket), 'r'); // Node's own limit is 107 bytes
  assert.equal((await get({ socketPath: `/proc/self/fd/${fd}/app.sock`, path: '/' })).body, 'home');
  fs.closeSync(fd);
  assert.equal(a.json('status').addresses.length, 2);
  assert.equal(a.run('stop').code, 0);
  assert.equal(fs.existsSync(socket), false);
});

test('environment of the handlers, and --workers', async (t) => {
  const a = app(t, `${plain}\nenv: { EXTRA: manifest }`);
  let s = await a.serve('--workers', '3');
  assert.equal(a.json('status').workers.length, 3);
  const seen = JSON.parse((await get(`${s.url}/pid`)).body);
  assert.equal(seen.env, 'production');
  assert.equal(seen.extra, 'manifest');
  await s.signal('SIGTERM');
  a.write('.env', 'EXTRA=dotenv');
  s = await a.serveWith({ NODE_ENV: 'staging' });
  const next = JSON.parse((await get(`${s.url}/pid`)).body);
  assert.equal(next.env, 'staging');
  assert.equal(next.extra, 'dotenv');
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('log files are reopened on USR1', async (t) => {
  const a = app(t, `${plain}\nlog: { output: app.log, access: access.log, format: json }`);
  const s = await a.serve();
  await get(`${s.url}/`);
  await until(() => a.read('access.log').includes('"path":"/"'));
  for (const name of ['app.log', 'access.log']) fs.renameSync(path.join(a.dir, name), path.join(a.dir, `${name}.1`));
  s.child.kill('SIGUSR1');
  await until(() => ['app.log', 'access.log'].every((name) => fs.existsSync(path.join(a.dir, name))));
  await until(async () => { // one may still be written to the old file
    await get(`${s.url}/ping`);
    return a.read('access.log').includes('"path":"/ping"');
  });
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('the control socket survives what clients do to it', async (t) => {
  const a = app(t);
  const s = await a.serve();
  const send = (bytes) =>
    new Promise((done) => {
      let all = '';
      const c = net.connect(path.join(a.dir, '.actix/control.sock'), () => c.end(bytes));
      c.on('data', (d) => (all += d)).on('close', () => done(all)).on('error', () => done(all));
    });
  assert.equal(fs.statSync(path.join(a.dir, '.actix/control.sock')).mode & 0o777, 0o600);
  assert.match(await send('garbage\n'), /"error"/);
  await send(Buffer.alloc(100_000, 0));
  await send('');
  assert.match(await send('{"command":"reload"}\n'), /"reloaded":true/);
  const silent = net.connect(path.join(a.dir, '.actix/control.sock'));
  silent.on('error', () => undefined);
  assert.equal(a.json('status').state, 'running');
  assert.equal(a.run('stop').code, 0);
  assert.equal(await s.ended, 0);
});

test('stop works while the manifest is broken', async (t) => {
  const a = app(t);
  const s = await a.serve();
  a.write('actix.yaml', `${manifest(plain)}\nnonsense: 1\n`);
  assert.equal(a.run('status').code, 0);
  assert.equal(a.run('stop').code, 0);
  assert.equal(await s.ended, 0);
});

test('what cannot start says why in one sentence and leaves nothing', async (t) => {
  const taken = http.createServer().listen(0, '127.0.0.1');
  await new Promise((r) => taken.on('listening', r));
  const { port } = taken.address();
  const old = '#!/bin/sh\necho v16.20.2\n';
  const cases = [
    [plain, ['--port', String(port), '--host', '127.0.0.1'], 1, new RegExp(`127\\.0\\.0\\.1:${port}: the address is in use`)],
    [`server: { listen: "127.0.0.1:${port}" }`, [], 1, new RegExp(`actix\\.yaml:2:\\d+: cannot listen on 127\\.0\\.0\\.1:${port}`)],
    ['server: { node: no-such-node }', [], 1, /cannot find no-such-node in PATH/],
    ['server: { node: ./old-node }', [], 1, /Node 16\.20\.2, which is too old: 18\.19/],
    ['server: { state: home.js/below, listen: "127.0.0.1:0" }', [], 1, /cannot make the state folder/],
    [plain, ['--state', 'home.js/below'], 1, /cannot make the state folder/],
    [plain, ['--inspect=x'], 2, /must be a port or HOST:PORT/],
    [plain, ['--port', 'x'], 2, /--port/],
    [plain, ['--port', '65536'], 2, /--port/],
    [plain, ['--host', 'example.org'], 2, /--host/],
    [plain, ['--workers', '0'], 2, /--workers/],
  ];
  for (const [head, args, code, message] of cases) {
    const a = app(t, head);
    fs.chmodSync(a.write('old-node', old), 0o755);
    const r = a.run('serve', ...args);
    assert.equal(r.code, code, `${args}: ${r.stderr}`);
    assert.match(r.stderr, message);
    assert.equal(r.stdout, '');
    assert.equal(a.run('status').code, /state/.test(head + args) ? a.run('status').code : 4);
  }
  taken.close();
});

test('handlers that cannot be loaded: their place, exit code 3', async (t) => {
  const cases = [
    ['home.js', undefined, /actix\.yaml:\d+:\d+: /],
    ['home.js', "throw new Error('while loading');", /actix\.yaml:4:6: .*while loading/],
    ['home.js', 'module.exports = 7;', /actix\.yaml:4:6: /],
    ['home.js', 'for (;;);', /actix\.yaml:5:6: home\.js did not get ready within timeouts\.startup \(0\.5 s\)/, `${plain}\ntimeouts: { startup: 500ms }`],
    ['home.js', 'process.exit(7);', /actix\.yaml:4:6: .*home\.js.*exit code 7/],
  ];
  for (const [name, text, message, head] of cases) {
    const a = app(t, head);
    if (text === undefined) fs.rmSync(path.join(a.dir, name));
    else a.write(name, text);
    const r = a.run('serve');
    assert.equal(r.code, 3, r.stderr);
    assert.match(r.stderr, message);
  }
});

test('closed standard descriptors are taken by nothing else', async (t) => {
  const a = app(t);
  const child = spawn('sh', ['-c', 'exec "$0" serve <&- >&- 2>&-', BIN], { cwd: a.dir, stdio: 'ignore' });
  const ended = new Promise((done) => child.on('close', done));
  t.after(() => child.kill('SIGKILL'));
  const status = await until(() => a.run('status').code === 0 && a.json('status').state === 'running' && a.json('status'));
  for (const pid of [status.pid, status.engine.pid])
    for (const fd of [0, 1, 2]) assert.equal(fs.readlinkSync(`/proc/${pid}/fd/${fd}`), '/dev/null');
  child.kill('SIGTERM');
  assert.equal(await ended, 0);
});

test('a second serve is refused and names the first', async (t) => {
  const a = app(t);
  const s = await a.serve();
  const r = a.run('serve');
  assert.equal(r.code, 1);
  assert.match(r.stderr, new RegExp(`already being served, by process ${s.child.pid}`));
  assert.equal((await get(`${s.url}/`)).body, 'home');
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('no instance: exit code 4', (t) => {
  const a = app(t);
  for (const command of ['status', 'stop']) {
    const r = a.run(command);
    assert.equal(r.code, 4);
    assert.match(r.stderr, /no instance is running/);
  }
});

test('where the state is named, no manifest is needed', async (t) => {
  const a = app(t);
  const s = await a.serve('--state', 'named');
  for (let i = 0; i < 3; i++) await get(`${s.url}/`);
  const dir = path.join(a.dir, 'named');
  const elsewhere = new App(t, {});
  assert.equal(elsewhere.json('status', '--state', dir).pid, s.child.pid);
  assert.equal(elsewhere.json('stats', '--state', dir).total.requests, 3); // at once: what is not written yet is asked for
  const missing = elsewhere.run('stats', '--state', `${dir}/none`);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /^actix: no metrics database at .*none\/metrics\.db: [^\n]*\n$/);
  assert.equal(elsewhere.run('stop', '--state', `${dir}/none`).code, 4);
  assert.equal(elsewhere.runWith({ ACTIX_STATE: dir }, 'stop').code, 0);
  assert.equal(await s.ended, 0);
  const after = elsewhere.runWith({ STATE_DIRECTORY: dir }, 'stats', '--json');
  assert.equal(after.stderr, '');
  assert.equal(JSON.parse(after.stdout).total.requests, 3);
  assert.ok(JSON.parse(after.stdout).server.rss_bytes > 30e6); // the peak, not what is left at the end
  for (const command of ['status', 'stop', 'stats']) assert.equal(elsewhere.run(command).code, 3);
});

test('a state folder that cannot be used and was not asked for', async (t) => {
  const a = app(t);
  a.write('.actix', 'in the way');
  const s = await a.serve();
  assert.equal((await get(`${s.url}/`)).body, 'home');
  assert.match(s.stderr, /running without metrics database and control socket/);
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('too few open files: fewer connections, said in one line', async (t) => {
  const a = app(t);
  const s = await a.spawn({}, 'sh', '-c', 'ulimit -n 300; exec "$0" serve', BIN);
  assert.equal((await get(`${s.url}/`)).body, 'home');
  assert.match(s.stderr, /limits\.connections is lowered to 172: the limit of open files \(RLIMIT_NOFILE\) is 300/);
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('answers within a second', async (t) => {
  const a = app(t);
  const start = process.hrtime.bigint();
  const s = await a.serve();
  await get(`${s.url}/`);
  const ms = Number(process.hrtime.bigint() - start) / 1e6;
  assert.equal(await s.signal('SIGTERM'), 0);
  t.diagnostic(`${Math.round(ms)} ms from command to answer`);
  assert.ok(ms < 5000, `${ms} ms`); // a busy machine is slow: the figure is what counts
});
