'use strict';
// `actix reload` and HUP: a new generation beside the old one, with real processes and real clients.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const test = require('node:test');
const { App, alive, get, until } = require('./serve-app');

const handlers = {
  'home.js': "module.exports = () => 'one';",
  'env.js': 'module.exports = () => ({ color: process.env.COLOR ?? null, generation: require("actix-js").worker.generation });',
  'slow.js': "module.exports = () => new Promise((r) => setTimeout(r, 400, 'slow'));",
  'body.js': 'module.exports = (req) => String(req.getBodySize());',
};
const routes = '  /: home.js\n  /env: env.js\n  /slow: slow.js\n  /body: { POST: body.js }\n';
const plain = 'server: { workers: 2, listen: "127.0.0.1:0" }';
const manifest = (head = plain, more = '') => `version: 1\n${head}\nroutes:\n${routes}${more}`;
const app = (t, head = plain, more = {}) => new App(t, { 'actix.yaml': manifest(head), ...handlers, ...more });

/** The engines of the generations before are gone. */
const settled = (a) =>
  until(() => {
    const s = a.json('status');
    return s.engines.length === 1 && s.state === 'running' && s;
  });
const body = async (url) => (await get(url)).body;

test('new code and a new manifest, told item by item', async (t) => {
  const a = app(t);
  const s = await a.serve();
  const before = a.json('status');
  assert.equal(await body(`${s.url}/`), 'one');
  a.write('home.js', "module.exports = () => 'two';");
  a.write('actix.yaml', manifest(`${plain}\ntimeouts: { handler: 2s }\nmetrics: { database: other.db }\nenv: { COLOR: secret-value }`, '  /new: { respond: new }\n').replace('  /slow: slow.js\n', ''));
  const r = a.run('reload');
  assert.equal(r.code, 0, r.stderr);
  for (const line of ['timeouts.handler: 10s -> 2s', 'routes: + ANY /new (respond 200 new)', 'routes: - ANY /slow', 'env: + COLOR', 'needs a restart: metrics.database: metrics.db -> other.db', 'reloaded: generation 2 serves'])
    assert.ok(r.stdout.split('\n').includes(line), `${line} in ${r.stdout}`);
  assert.ok(!r.stdout.includes('secret-value'));
  assert.equal(await body(`${s.url}/`), 'two');
  assert.equal(await body(`${s.url}/new`), 'new');
  assert.equal((await get(`${s.url}/slow`)).status, 404);
  assert.deepEqual(JSON.parse(await body(`${s.url}/env`)), { color: 'secret-value', generation: 2 });
  const after = await settled(a);
  assert.equal(after.generation, 2);
  assert.equal(after.pid, before.pid);
  assert.notEqual(after.engine.pid, before.engine.pid);
  assert.equal(alive(before.engine.pid), false);
  assert.equal(await s.signal('SIGTERM'), 0);
  assert.ok(!s.stderr.includes('secret-value'));
  a.write('actix.yaml', manifest());
  assert.deepEqual(a.json('stats').events.filter((e) => e.kind === 'reload').length, 1);
});

test('nothing changed: says so and loads the code anew', async (t) => {
  const a = app(t);
  const s = await a.serve();
  a.write('home.js', "module.exports = () => 'again';");
  const r = a.run('reload');
  assert.equal(r.code, 0);
  assert.match(r.stdout, /nothing changed in the manifest/);
  assert.equal(await body(`${s.url}/`), 'again');
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('a manifest that is not valid: every error, exit code 3, nothing changed', async (t) => {
  const a = app(t);
  const s = await a.serve();
  const before = a.json('status');
  a.write('actix.yaml', `${manifest()}nonsense: 1\nlimits: { body: x }\n`);
  const r = a.run('reload');
  assert.equal(r.code, 3);
  assert.match(r.stderr, /actix\.yaml:8:1: /);
  assert.match(r.stderr, /actix\.yaml:9:17: /);
  assert.match(r.stderr, /not reloaded, the app runs on as it was: the manifest is not valid/);
  assert.equal(await body(`${s.url}/`), 'one');
  const after = a.json('status');
  assert.equal(after.engine.pid, before.engine.pid);
  assert.equal(after.generation, 1);
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('a handler that does not load, and one that does not come back: exit code 1, the old one goes on', async (t) => {
  const a = app(t);
  const s = await a.serve();
  const { engine } = a.json('status');
  const cases = [
    ["throw new Error('no luck');", /actix\.yaml:5:6: cannot load home\.js: no luck/],
    ["require('actix-js').onStart(async () => { throw new Error('no start'); }); module.exports = () => 1;", /no start/],
    ['process.exit(3);', /exit code 3/],
    ['for (;;);', /timeouts\.startup \((0\.7 s|700 ms)\)/, '700ms'],
  ];
  for (const [text, message, startup = '30s'] of cases) {
    a.write('home.js', text);
    a.write('actix.yaml', manifest(`${plain}\ntimeouts: { startup: ${startup} }`));
    const r = a.run('reload');
    assert.equal(r.code, 1, `${text}: ${r.stdout}${r.stderr}`);
    assert.match(r.stderr, message);
    assert.equal(await body(`${s.url}/`), 'one');
    assert.equal((await settled(a)).engine.pid, engine.pid);
  }
  a.write('home.js', "module.exports = () => 'mended';");
  a.write('actix.yaml', manifest());
  assert.equal(a.run('reload').code, 0);
  assert.equal(await body(`${s.url}/`), 'mended');
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('addresses: unchanged ones stay, new ones open, old ones close', async (t) => {
  const a = app(t, 'server: { workers: 1, listen: ["127.0.0.1:0", "unix:old.sock"] }');
  const s = await a.serve();
  const [first] = s.urls;
  a.write('actix.yaml', manifest('server: { workers: 1, listen: ["127.0.0.1:0", "unix:new.sock"] }'));
  const r = a.run('reload');
  assert.equal(r.code, 0, r.stderr);
  assert.match(r.stdout, /listen: - unix:.*old\.sock/);
  assert.match(r.stdout, /listen: \+ unix:.*new\.sock/);
  const status = await settled(a);
  assert.deepEqual(status.addresses, [first, `unix:${path.join(a.dir, 'new.sock')}`]);
  assert.equal(await body(`${first}/`), 'one');
  assert.equal((await get({ socketPath: path.join(a.dir, 'new.sock'), path: '/' })).body, 'one');
  assert.equal(fs.existsSync(path.join(a.dir, 'old.sock')), false);

  const taken = http.createServer().listen(0, '127.0.0.1');
  await new Promise((done) => taken.on('listening', done));
  a.write('actix.yaml', manifest(`server: { workers: 1, listen: ["127.0.0.1:0", "127.0.0.1:${taken.address().port}"] }`));
  const refused = a.run('reload');
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /actix\.yaml:2:\d+: cannot listen on 127\.0\.0\.1:\d+: the address is in use/);
  assert.deepEqual(a.json('status').addresses, status.addresses);
  assert.equal((await get({ socketPath: path.join(a.dir, 'new.sock'), path: '/' })).body, 'one');
  taken.close();
  assert.equal(await s.signal('SIGTERM'), 0);
  assert.equal(fs.existsSync(path.join(a.dir, 'new.sock')), false);
});

test('who may connect to a Unix socket changes with it, or the reload says why not', async (t) => {
  const head = (mode, more = '') => `server: { workers: 1, listen: { unix: app.sock, mode: ${mode}${more} } }\nadmin: { listen: { unix: admin.sock, mode: ${mode} } }`;
  const a = app(t, head('0660'));
  const s = await a.serve();
  const mode = (name) => fs.statSync(path.join(a.dir, name)).mode & 0o777;
  const ino = fs.statSync(path.join(a.dir, 'app.sock')).ino;
  assert.deepEqual([mode('app.sock'), mode('admin.sock')], [0o660, 0o660]);
  a.write('actix.yaml', manifest(head('0600')));
  const r = a.run('reload');
  assert.equal(r.code, 0, r.stderr);
  assert.match(r.stdout, /^listen: ~ unix:.*app\.sock mode 0600$/m);
  assert.deepEqual([mode('app.sock'), mode('admin.sock')], [0o600, 0o600]);
  assert.equal(fs.statSync(path.join(a.dir, 'app.sock')).ino, ino);
  assert.equal((await get({ socketPath: path.join(a.dir, 'app.sock'), path: '/' })).body, 'one');
  a.write('actix.yaml', manifest(head('0666', ', group: no-such-group')));
  const refused = a.run('reload');
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /actix\.yaml:2:\d+: no group is called no-such-group/);
  assert.deepEqual([mode('app.sock'), mode('admin.sock')], [0o600, 0o600]);
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('environment, limits, workers and log change with the generation', async (t) => {
  const a = app(t, `${plain}\nlog: { output: one.log, level: error }`, { '.env': 'COLOR=red\n' });
  const s = await a.serve();
  assert.equal(JSON.parse(await body(`${s.url}/env`)).color, 'red');
  a.write('.env', 'COLOR=blue\n');
  a.write('actix.yaml', manifest('server: { workers: 3, listen: "127.0.0.1:0" }\nlimits: { body: 10 }\nlog: { output: two.log, level: info, format: json }'));
  const r = a.run('reload');
  assert.equal(r.code, 0, r.stderr);
  assert.match(r.stdout, /^\.env: ~ COLOR$/m);
  assert.match(r.stdout, /^log\.output: one\.log -> two\.log$/m);
  assert.match(r.stdout, /^server\.workers: 2 -> 3$/m);
  assert.equal(JSON.parse(await body(`${s.url}/env`)).color, 'blue');
  assert.equal(a.json('status').workers.length, 3);
  const status = await new Promise((done) => {
    const req = http.request(`${s.url}/body`, { method: 'POST', agent: false }, (res) => done(res.resume().statusCode));
    req.on('error', done); // after the answer it is of no interest
    req.end('more than ten bytes');
  });
  assert.equal(status, 413);
  assert.match(a.read('two.log'), /generation 2 serves/);
  assert.equal(a.read('one.log').includes('generation 2'), false);
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('the manifest behind a link is found anew: a switch of the link deploys', async (t) => {
  const a = new App(t, { 'r1/actix.yaml': manifest(), 'r2/actix.yaml': manifest() });
  for (const [name, text] of Object.entries(handlers)) for (const dir of ['r1', 'r2']) a.write(`${dir}/${name}`, text.replace("'one'", `'${dir}'`));
  fs.symlinkSync('r1', path.join(a.dir, 'current'));
  const s = await a.serve('-c', 'current/actix.yaml', '--state', 'state');
  assert.equal(await body(`${s.url}/`), 'r1');
  fs.symlinkSync('r2', path.join(a.dir, 'next'));
  fs.renameSync(path.join(a.dir, 'next'), path.join(a.dir, 'current'));
  const r = a.run('reload', '--state', 'state');
  assert.equal(r.code, 0, r.stderr);
  assert.equal(await body(`${s.url}/`), 'r2');
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('a request in progress ends where it began; a second reload is refused while one runs', async (t) => {
  const a = app(t);
  const s = await a.serve();
  const slow = get(`${s.url}/slow`);
  await until(() => a.json('status').inflight === 1);
  const { spawn } = require('node:child_process');
  const { BIN } = require('./serve-app');
  a.write('home.js', "require('actix-js').onStart(() => new Promise((r) => setTimeout(r, 700))); module.exports = () => 'two';");
  const first = spawn(BIN, ['reload'], { cwd: a.dir, stdio: 'ignore' });
  const ended = new Promise((done) => first.on('close', done));
  await until(() => a.json('status').state === 'reloading');
  const second = a.run('reload');
  assert.equal(second.code, 1);
  assert.match(second.stderr, /a reload is already running/);
  assert.equal(await body(`${s.url}/`), 'one');
  assert.equal((await slow).body, 'slow');
  assert.equal(await ended, 0);
  assert.equal(await body(`${s.url}/`), 'two');
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('stop while a reload runs: the reload fails, nothing stays', async (t) => {
  const a = app(t);
  const s = await a.serve();
  a.write('home.js', "require('actix-js').onStart(() => new Promise(() => undefined)); module.exports = () => 'two';");
  s.child.kill('SIGHUP');
  const { engines } = await until(() => a.json('status').engines.length === 2 && a.json('status'));
  assert.equal(await s.signal('SIGTERM'), 0);
  for (const { pid } of engines) assert.equal(alive(pid), false);
});

test('no instance: exit code 4', (t) => {
  assert.equal(app(t).run('reload').code, 4);
});

/** Clients that keep their connections and pause between requests; what went wrong is counted. */
function clients(url, n) {
  const seen = { answers: 0, failed: [], closed: 0 };
  let on = true;
  const one = async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    let socket;
    while (on) {
      await new Promise((done) => {
        const req = http.get(url, { agent }, (res) => {
          if (socket !== undefined && socket !== req.socket) seen.closed++;
          socket = req.socket;
          if (res.statusCode !== 200) seen.failed.push(res.statusCode);
          if (res.headers.connection === 'close') seen.closed++;
          res.resume().on('end', done).on('error', (err) => done(seen.failed.push(err.code)));
          seen.answers++;
        });
        req.on('error', (err) => done(seen.failed.push(err.code)));
      });
      await new Promise((r) => setTimeout(r, Math.random() * 30));
    }
    agent.destroy();
  };
  const all = Promise.all(Array.from({ length: n }, one));
  return {
    seen,
    stop: () => {
      on = false;
      return all;
    },
  };
}

test('under load: no request fails, no connection is closed', async (t) => {
  const a = app(t);
  const s = await a.serve();
  const load = clients(`${s.url}/`, 24);
  await until(() => load.seen.answers > 100);
  for (let i = 2; i <= 5; i++) {
    assert.equal(a.run('reload').code, 0);
    assert.equal((await settled(a)).generation, i);
  }
  await load.stop();
  t.diagnostic(`${load.seen.answers} answers, ${load.seen.failed.length} failed, ${load.seen.closed} closed`);
  assert.deepEqual(load.seen.failed, []);
  assert.equal(load.seen.closed, 0);
  assert.equal(await s.signal('SIGTERM'), 0);
});
