'use strict';
// The commands as a person types them: what they print, where, and how they exit.  `serve`, `status` and `stop` have their
// own file; here they only make numbers for `stats`.
const { test, describe, before, after } = require('node:test');
const assert = require('node:assert/strict');
const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const ACTIX = path.resolve(process.env.ACTIX ?? path.join(__dirname, '../../build/release/bin/actix'));

/** The environment without what would change the outcome. */
function environment(extra) {
  const env = { ...process.env, ...extra };
  for (const name of Object.keys(env)) {
    if (!(extra && name in extra) && (/^(ACTIX_|NO_COLOR$|PORT$|HOST$|STATE_DIRECTORY$|RUNTIME_DIRECTORY$)/.test(name))) delete env[name];
  }
  return env;
}

function actix(args, { cwd, env } = {}) {
  const r = spawnSync(ACTIX, args, { cwd, env: environment(env), encoding: 'utf8', timeout: 30000 });
  return { code: r.status, out: r.stdout, err: r.stderr };
}

function folder(t) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'actix-cli-'));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Writes an app: { 'actix.yaml': text, 'handlers/a.js': text }. */
function app(t, files) {
  const dir = folder(t);
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(dir, name)), { recursive: true });
    fs.writeFileSync(path.join(dir, name), text);
  }
  return dir;
}

const HOME = 'module.exports = () => "hello";\n';
const lines = (text) => text.split('\n').filter(Boolean);

describe('usage', () => {
  test('no command is an error that shows the commands', () => {
    const r = actix([]);
    assert.equal(r.code, 2);
    assert.equal(r.out, '');
    assert.match(r.err, /^Usage: actix COMMAND/);
  });

  test('--help, -h, help and --version', () => {
    for (const args of [['--help'], ['-h'], ['help']]) {
      const r = actix(args);
      assert.equal(r.code, 0);
      assert.match(r.out, /\n {2}serve .*\n/);
      assert.equal(r.err, '');
    }
    for (const args of [['--version'], ['-V'], ['stats', '-V']]) assert.match(actix(args).out, /^actix \d+\.\d+\.\d+\n$/);
  });

  test('every command has its help', () => {
    for (const name of ['new', 'serve', 'check', 'routes', 'stats', 'status', 'stop', 'version', 'help']) {
      const direct = actix([name, '--help']);
      assert.equal(direct.code, 0, name);
      assert.match(direct.out, new RegExp(`^Usage: actix ${name}\\b`));
      assert.equal(actix(['help', name]).out, direct.out);
    }
  });

  const mistakes = [
    [['stast'], "no command 'stast'; did you mean 'stats'?"],
    [['qwertz'], "no command 'qwertz'; 'actix help' lists them"],
    [['help', 'sevre'], "no command 'sevre'; did you mean 'serve'?"],
    [['stats', '--sinc', '1h'], "no option '--sinc'; did you mean '--since'?"],
    [['stats', '--since'], '--since needs a value: --since TIME'],
    [['stats', '--json=1'], "--json takes no value (found '1')"],
    [['stats', '--by', 'rute'], "--by must be one of route, status, time, worker (found 'rute'); did you mean 'route'?"],
    [['stats', '--since', 'noon'], "--since: 'noon' is no time; write 1h, 14:00, 2026-11-22 or 2026-11-22T14:00:00Z"],
    [['stats', '--since', '1h', '--until', '2h'], '--since (1h) is not before --until (2h)'],
    [['stats', '--json', '--csv'], '--json and --csv exclude each other'],
    [['check', '--template', 'x'], "no option '--template' for 'check'; 'new' has it"],
    [['check', 'actix.yaml'], "'check' does not know what to do with 'actix.yaml'; a manifest is named with -c"],
    [['new'], "'new' needs a folder: actix new DIR"],
  ];
  for (const [args, message] of mistakes) {
    test(`actix ${args.join(' ')}`, () => {
      const r = actix(args);
      assert.equal(r.code, 2);
      assert.equal(r.out, '');
      assert.equal(lines(r.err)[0], `actix: ${message}`);
    });
  }

  for (const name of ['top']) {
    test(`${name} is refused for now`, () => {
      for (const args of [[name], [name, '--json'], ['--no-color', name, 'x']]) {
        const r = actix(args);
        assert.equal(r.code, 2);
        assert.equal(r.err, `actix: '${name}' is not supported yet\n`);
      }
    });
  }

  test('options before the command', (t) => {
    const dir = app(t, { 'site.yaml': 'version: 1\nroutes: { /: home.js }\n', 'home.js': HOME });
    assert.equal(actix(['-c', 'site.yaml', '--json', 'check', '--no-load'], { cwd: dir }).code, 0);
    assert.equal(actix(['check', '--no-load'], { cwd: dir, env: { ACTIX_CONFIG: 'site.yaml' } }).code, 0);
  });

  test('help manifest lists the keys', () => {
    const r = actix(['help', 'manifest']);
    assert.equal(r.code, 0);
    for (const key of ['server.listen', 'limits.body', 'timeouts.handler', 'metrics.retention']) assert.ok(r.out.includes(key), key);
  });

  test('a full disk is no success', () => {
    if (!fs.existsSync('/dev/full')) return;
    const full = fs.openSync('/dev/full', 'w');
    const r = spawnSync(ACTIX, ['version'], { stdio: ['ignore', full, 'pipe'], encoding: 'utf8' });
    fs.closeSync(full);
    assert.equal(r.status, 1);
    assert.match(r.stderr, /cannot write to standard output/);
  });
});

describe('version', () => {
  test('names Node and the libraries', () => {
    const r = actix(['version']);
    assert.equal(r.code, 0);
    assert.match(r.out, /^actix \d+\.\d+\.\d+\nnode \d+\.\d+\.\d+ \(.*\)\n/);
    const j = JSON.parse(actix(['version', '--json']).out);
    assert.match(j.node.version, /^\d+\.\d+\.\d+$/);
    for (const name of ['libuv', 'libyaml', 'sqlite', 'jansson']) assert.match(j.libraries[name], /^\d+\.\d+/);
  });

  test('is no error without Node', () => {
    const r = actix(['version'], { env: { PATH: '/nonexistent' } });
    assert.equal(r.code, 0);
    assert.match(r.out, /\nnode not found: /);
    assert.equal(JSON.parse(actix(['version', '--json'], { env: { PATH: '/nonexistent' } }).out).node, null);
  });
});

describe('new', () => {
  for (const template of ['default', 'actix-js']) {
    test(`template ${template} makes an app that passes its check`, (t) => {
      const parent = folder(t);
      const made = actix(['new', 'My Shop', '--template', template], { cwd: parent });
      assert.equal(made.err, '');
      assert.equal(made.code, 0);
      assert.match(made.out, /^created My Shop from template .*, \d+ files\n\nnext:\n {2}cd 'My Shop'\n {2}actix serve\n$/);
      const dir = path.join(parent, 'My Shop');
      assert.equal(
        fs.readFileSync(path.join(dir, 'types/actix-js/index.d.ts'), 'utf8'),
        fs.readFileSync(path.join(path.dirname(ACTIX), '../lib/actix/addon/index.d.ts'), 'utf8'),
      );
      JSON.parse(fs.readFileSync(path.join(dir, 'jsconfig.json'), 'utf8'));
      for (const name of fs.readdirSync(dir, { recursive: true }))
        if (fs.statSync(path.join(dir, name)).isFile()) assert.ok(!fs.readFileSync(path.join(dir, name), 'utf8').includes('{{name}}'), name);
      assert.match(fs.readFileSync(path.join(dir, 'README.md'), 'utf8'), /my-shop/);
      const check = actix(['check'], { cwd: dir });
      assert.equal(check.code, 0, check.err); // what the app itself prints is on stderr
      assert.match(check.out, /^actix\.yaml: ok, /);
      assert.ok(JSON.parse(actix(['routes', '--json'], { cwd: dir }).out).routes.length > 3);
    });
  }

  test('refuses a folder that is not empty, and leaves it alone', (t) => {
    const dir = app(t, { 'README.md': 'mine' });
    const r = actix(['new', dir]);
    assert.equal(r.code, 1);
    assert.equal(r.err, `actix: ${dir} is not empty (it has README.md); --force writes into it all the same\n`);
    assert.deepEqual(fs.readdirSync(dir), ['README.md']);
    assert.equal(actix(['new', dir, '--force']).code, 0);
    assert.notEqual(fs.readFileSync(path.join(dir, 'README.md'), 'utf8'), 'mine');
  });

  test('fills the current folder, and one with a fresh .git', (t) => {
    const dir = folder(t);
    fs.mkdirSync(path.join(dir, '.git'));
    const r = actix(['new', '.'], { cwd: dir });
    assert.equal(r.code, 0);
    assert.match(r.out, /next:\n {2}actix serve\n$/);
  });

  test('other mistakes', (t) => {
    const dir = app(t, { file: '' });
    assert.match(actix(['new', 'file'], { cwd: dir }).err, /^actix: file is no folder\n/);
    const r = actix(['new', 'x', '-t', 'defualt'], { cwd: dir });
    assert.equal(r.code, 2);
    assert.match(r.err, /^actix: no template 'defualt'; did you mean 'default'\?\n/);
    assert.ok(!fs.existsSync(path.join(dir, 'x')));
  });

  test('--list tells what each template is', () => {
    const r = actix(['new', '--list']);
    assert.equal(r.code, 0);
    assert.match(r.out, /^TEMPLATE +ABOUT/);
    for (const name of ['default', 'actix-js']) assert.match(r.out, new RegExp(`^${name} +\\S`, 'm'));
  });
});

const TEN_MISTAKES = `version: 1
sever: {}
server:
  workers: none
  listen: 99999
limits:
  body: 3 apples
timeouts:
  handler: 10
routes:
  /: handlers/home.js
  users: handlers/home.js
  /a/:x/:x: handlers/home.js
  /missing: handlers/hom.js
  /old: { redirect: /new, stauts: 301 }
  /both: { respond: x, redirect: /y }
`;

describe('check', () => {
  test('one line for a good app', (t) => {
    const dir = app(t, { 'actix.yaml': 'version: 1\nroutes: { /: home.js }\n', 'home.js': HOME });
    assert.deepEqual(actix(['check'], { cwd: dir }), { code: 0, out: 'actix.yaml: ok, 1 route, every handler loads\n', err: '' });
    assert.deepEqual(actix(['check', '--no-load'], { cwd: dir }), { code: 0, out: 'actix.yaml: ok, 1 route (handlers not loaded)\n', err: '' });
    assert.deepEqual(JSON.parse(actix(['check', '--json'], { cwd: dir }).out), { ok: true, errors: [], warnings: [] });
  });

  test('ten mistakes: ten lines with their places, in order, exit 3', (t) => {
    const dir = app(t, { 'actix.yaml': TEN_MISTAKES, 'handlers/home.js': HOME });
    const r = actix(['check'], { cwd: dir });
    assert.equal(r.code, 3);
    assert.equal(r.out, '');
    const places = lines(r.err).map((line) => /^actix\.yaml:(\d+):(\d+): \S/.exec(line));
    assert.ok(places.every(Boolean), r.err);
    assert.deepEqual(places.map((m) => Number(m[1])), [2, 4, 5, 7, 9, 12, 13, 14, 15, 16]);
    assert.match(r.err, /^actix\.yaml:2:1: .*did you mean server/m);
    const j = JSON.parse(actix(['check', '--json'], { cwd: dir }).out);
    assert.equal(j.ok, false);
    assert.equal(j.errors.length, 10);
    assert.deepEqual(Object.keys(j.errors[0]), ['file', 'line', 'col', 'message']);
  });

  test('errors of the manifest and of its handlers in one run', (t) => {
    const dir = app(t, {
      'actix.yaml': 'version: 1\nsever: {}\nroutes:\n  /: home.js\n  /boom: boom.js\n  /e: home.js#nix\n  /gone: gone.js\n',
      'home.js': HOME,
      'boom.js': 'throw new Error("no luck");\n',
    });
    const r = actix(['check'], { cwd: dir });
    assert.equal(r.code, 3);
    const got = lines(r.err);
    assert.equal(got.length, 4, r.err);
    assert.match(got[0], /^actix\.yaml:2:1: /);
    assert.match(got[1], /^actix\.yaml:5:10: .*no luck/);
    assert.match(got[2], /^actix\.yaml:6:7: .*nix/);
    assert.match(got[3], /^actix\.yaml:7:10: .*gone\.js/);
    assert.equal(lines(actix(['check', '--no-load'], { cwd: dir }).err).length, 2);
  });

  test('a handler that never finishes loading does not hang the check', (t) => {
    const dir = app(t, { 'actix.yaml': 'version: 1\nroutes: { /: home.js }\n', 'home.js': 'for (;;);\n' });
    const r = actix(['check'], { cwd: dir });
    assert.notEqual(r.code, 0);
    assert.equal(lines(r.err).length, 1, r.err);
  });

  test('what handlers print is no output of the check', (t) => {
    const dir = app(t, { 'actix.yaml': 'version: 1\nroutes: { /: home.js }\n', 'home.js': `console.log("noise");${HOME}` });
    const r = actix(['check', '--json'], { cwd: dir });
    assert.deepEqual(JSON.parse(r.out), { ok: true, errors: [], warnings: [] });
  });

  test('no manifest: the paths tried; -c of a missing file: its name', (t) => {
    const dir = folder(t);
    const r = actix(['check'], { cwd: dir });
    assert.equal(r.code, 3);
    assert.match(r.err, /^actix: no manifest: tried .*actix\.yaml and .*actix\.yml/);
    assert.match(actix(['check', '-c', 'nix.yaml'], { cwd: dir }).err, /^actix: .*nix\.yaml/);
  });

  test('later -c files are laid over earlier ones', (t) => {
    const dir = app(t, { 'a.yaml': 'version: 1\nroutes: { /: home.js }\n', 'b.yaml': 'routes: { /b: nix.js }\n', 'home.js': HOME });
    assert.match(actix(['check', '-c', 'a.yaml', '-c', 'b.yaml'], { cwd: dir }).err, /^b\.yaml:1:15: /);
  });

  test('--strict makes warnings errors', (t) => {
    const dir = app(t, { 'actix.yaml': 'version: 1\nroutes:\n  /: { respond: x, status: 204 }\n' });
    const lax = actix(['check'], { cwd: dir });
    assert.equal(lax.code, 0);
    assert.match(lax.err, /^actix\.yaml:3:\d+: warning: /);
    const strict = actix(['check', '--strict'], { cwd: dir });
    assert.equal(strict.code, 3);
    assert.doesNotMatch(strict.err, /warning/);
  });

  test('without Node: one sentence', (t) => {
    const dir = app(t, { 'actix.yaml': 'version: 1\nroutes: { /: home.js }\n', 'home.js': HOME });
    const r = actix(['check'], { cwd: dir, env: { PATH: '/nonexistent' } });
    assert.equal(r.code, 1);
    assert.match(r.err, /^actix: cannot find node in PATH[^\n]*\n$/);
  });
});

describe('routes', () => {
  const files = {
    'actix.yaml':
      'version: 1\nmodules: [more.js]\nroutes:\n  /: home.js\n  /u/:id:\n    GET: { handler: u.js#show, timeout: 2s }\n  /both: u.js\n' +
      '  /old: { redirect: /new }\n  /slow: { handler: home.js, timeout: off }\n',
    'home.js': HOME,
    'u.js': 'exports.show = () => 1; exports.GET = () => 1; exports.PUT = () => 2;\n',
    'more.js': 'require("actix-js").get("/code", (err, req) => req.sendText("x"));\n',
  };

  test('table', (t) => {
    const r = actix(['routes'], { cwd: app(t, files) });
    assert.equal(r.err, '');
    assert.equal(r.code, 0);
    const rows = lines(r.out).map((line) => line.trim().split(/ +/));
    assert.deepEqual(rows[0], ['METHOD', 'PATH', 'HANDLER', 'TIMEOUT']);
    for (const row of [
      ['ANY', '/', 'home.js', '10s'],
      ['GET', '/u/:id', 'u.js#show', '2s'],
      ['ANY', '/old', 'redirect', '-'],
      ['ANY', '/slow', 'home.js', 'off'],
    ])
      assert.ok(rows.some((x) => x.join() === row.join()), `${row} in\n${r.out}`);
    assert.ok(rows.some((x) => x[0] === 'PUT' && x[1] === '/both'));
    assert.ok(rows.some((x) => x[0] === 'GET' && x[1] === '/code'));
    assert.doesNotMatch(r.out, / \n/);
  });

  test('--json, with and without loading', (t) => {
    const dir = app(t, files);
    const all = JSON.parse(actix(['routes', '--json'], { cwd: dir }).out).routes;
    assert.deepEqual(all.find((x) => x.path === '/u/:id'), {
      method: 'GET', path: '/u/:id', handler: 'u.js#show', timeout_ms: 2000, file: 'actix.yaml', line: 6,
    });
    assert.equal(all.find((x) => x.path === '/slow').timeout_ms, null);
    const plain = JSON.parse(actix(['routes', '--json', '--no-load'], { cwd: dir }).out).routes;
    assert.deepEqual(plain.map((x) => `${x.method} ${x.path}`), ['ANY /', 'GET /u/:id', 'ANY /both', 'ANY /old', 'ANY /slow']);
  });

  test('a handler that does not load: the rest of the table, and exit 3', (t) => {
    const dir = app(t, { ...files, 'u.js': 'throw new Error("no luck")' });
    const r = actix(['routes'], { cwd: dir });
    assert.equal(r.code, 3);
    assert.match(r.err, /^actix\.yaml:\d+:\d+: .*no luck/);
    assert.match(r.out, /^ANY +\/ +home\.js/m);
  });
});

/** Serves `dir` on a free port; the promise gives its URL, and fails with what was said instead. */
function serve(dir) {
  const child = spawn(ACTIX, ['serve', '--port', '0', '--host', '127.0.0.1', '--workers', '1'], { cwd: dir, env: environment(), stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '', err = '';
  child.stderr.on('data', (d) => (err += d));
  return new Promise((resolve, reject) => {
    child.on('exit', (code) => reject(new Error(`serve ended with ${code}: ${err}`)));
    child.stdout.on('data', (d) => {
      out += d;
      const m = /listening on (http:\/\/\S+)/.exec(out);
      if (m) resolve({ url: m[1], child });
    });
  });
}

describe('stats', () => {
  let dir, url, child;
  const stop = () =>
    new Promise((resolve) => {
      if (!child || child.exitCode !== null || child.signalCode !== null) return resolve();
      child.on('exit', resolve);
      child.kill('SIGTERM');
    });

  before(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'actix-stats-'));
    fs.writeFileSync(
      path.join(dir, 'actix.yaml'),
      'version: 1\nmetrics: { interval: 100ms }\nroutes:\n  /: h.js#home\n  /u/:id:\n    GET: h.js#user\n    POST: h.js#user\n  /boom: h.js#boom\n',
    );
    fs.writeFileSync(
      path.join(dir, 'h.js'),
      'exports.home = () => "hello";\nexports.user = (req) => ({ id: req.params.id });\nexports.boom = () => { throw new Error("no luck"); };\n',
    );
    ({ url, child } = await serve(dir));
    for (let i = 0; i < 7; i++) await (await fetch(url)).text();
    for (let i = 0; i < 5; i++) await (await fetch(`${url}/u/${i}`)).text();
    for (let i = 0; i < 3; i++) await (await fetch(`${url}/u/x`, { method: 'POST', body: 'abc' })).text();
    for (let i = 0; i < 2; i++) await (await fetch(`${url}/boom`)).text();
    await (await fetch(`${url}/nix`)).text();
  });
  after(async () => {
    await stop();
    fs.rmSync(dir, { recursive: true, force: true });
  });

  /** The numbers that must be there, whether the server runs or not. */
  function verify(j) {
    assert.equal(j.total.requests, 18);
    assert.equal(j.total.errors, 2);
    const by = Object.fromEntries(j.routes.map((r) => [`${r.method} ${r.route}`, r]));
    const count = (name) => by[name]?.requests;
    assert.deepEqual([count('GET /u/:id'), count('POST /u/:id')], [5, 3]);
    const home = j.routes.find((r) => r.route === '/');
    assert.deepEqual([home.requests, home.errors, home.status['2xx']], [7, 0, 7]);
    const boom = j.routes.find((r) => r.route === '/boom');
    assert.deepEqual([boom.requests, boom.errors, boom.status['5xx']], [2, 2, 2]);
    const none = j.routes.find((r) => r.route === '(none)');
    assert.deepEqual([none.requests, none.status['4xx']], [1, 1]);
  }

  test('while the server runs', async () => {
    let j;
    for (let i = 0; i < 100; i++) { // the writer's interval is 100 ms
      j = JSON.parse(actix(['stats', '--json'], { cwd: dir }).out);
      if (j.total.requests === 18) break;
      await new Promise((r) => setTimeout(r, 50));
    }
    verify(j);
  });

  test('after it has stopped: the shape of the JSON, exactly', async () => {
    await stop();
    const j = JSON.parse(actix(['stats', '--json'], { cwd: dir }).out);
    verify(j);
    assert.deepEqual(Object.keys(j), ['since', 'until', 'total', 'routes', 'server', 'events']);
    assert.match(j.since, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.deepEqual(Object.keys(j.total), ['requests', 'errors', 'rps', 'bytes_in', 'bytes_out', 'latency_us']);
    assert.deepEqual(Object.keys(j.total.latency_us), ['mean', 'p50', 'p90', 'p99', 'max']);
    for (const r of j.routes) {
      assert.deepEqual(Object.keys(r), ['method', 'route', 'requests', 'errors', 'status', 'rps', 'latency_us', 'split_us']);
      assert.deepEqual(Object.keys(r.status), ['1xx', '2xx', '3xx', '4xx', '5xx', 'aborted']);
      assert.deepEqual(Object.keys(r.split_us), ['queue', 'handler', 'send']);
      assert.equal(Object.values(r.status).reduce((a, b) => a + b), r.requests);
    }
    assert.equal(j.routes.reduce((n, r) => n + r.requests, 0), j.total.requests);
    assert.ok(j.events.some((e) => e.kind === 'start'));
    assert.ok(j.events.some((e) => e.kind === 'stop'));
  });

  test('table', () => {
    const r = actix(['stats'], { cwd: dir });
    assert.equal(r.code, 0);
    assert.equal(r.err, '');
    assert.match(r.out, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d to /);
    assert.match(r.out, /^METHOD +ROUTE +REQUESTS +ERRORS +2XX +4XX +REQ\/S +MEAN/m);
    assert.match(r.out, /^\S+ +\/ +7 +0 +7 +0 /m);
    assert.match(r.out, /^total +18 +2 +15 +1 /m);
    assert.match(r.out, /\bstart\b/);
    assert.ok(!r.out.includes('\x1b'));
    assert.match(actix(['stats', '--utc'], { cwd: dir }).out, /^\S+ \S+Z to \S+ \S+Z\n/);
  });

  test('--by and --csv', () => {
    const csv = lines(actix(['stats', '--csv'], { cwd: dir }).out).map((line) => line.split(','));
    assert.equal(csv.length, 6);
    assert.ok(csv.every((row) => row.length === csv[0].length));
    assert.equal(csv[0].slice(0, 4).join(), 'method,route,requests,errors');
    assert.deepEqual(csv.find((row) => row[0] === 'POST').slice(0, 4), ['POST', '/u/:id', '3', '0']);
    const status = lines(actix(['stats', '--by', 'status', '--csv'], { cwd: dir }).out).slice(1).map((line) => line.split(',').slice(0, 2));
    assert.deepEqual(status, [['2xx', '15'], ['5xx', '2'], ['4xx', '1']]);
    for (const by of ['time', 'worker']) {
      const j = JSON.parse(actix(['stats', '--by', by, '--json'], { cwd: dir }).out);
      verify(j);
      assert.equal(j.by, by);
      assert.equal(j.rows.reduce((n, r) => n + r.requests, 0), 18);
    }
  });

  test('--route', () => {
    const one = (route) => JSON.parse(actix(['stats', '--json', '--route', route], { cwd: dir }).out).total.requests;
    assert.deepEqual([one('/u/:id'), one('POST /u/:id'), one('/nothing')], [8, 3, 0]);
  });

  test('an empty window says when the last request was', () => {
    const r = actix(['stats', '--until', '2020-01-01'], { cwd: dir });
    assert.equal(r.code, 0);
    assert.match(r.out, /no requests in this window; the last one was at \d{4}-\d\d-\d\d /);
    const j = JSON.parse(actix(['stats', '--until', '2020-01-01', '--json'], { cwd: dir }).out);
    assert.equal(j.total.requests, 0);
    assert.match(j.last_request, /^\d{4}-.*Z$/);
    const of = (route) => actix(['stats', '--route', route, '--until', '2020-01-01'], { cwd: dir }).out;
    assert.match(of('/u/:id'), /no requests of \/u\/:id in this window; the last one was at /);
    assert.match(of('/nothing'), /no requests of \/nothing in this window, and none before it\n/);
  });

  test('--db and --state from anywhere', (t) => {
    const other = folder(t);
    verify(JSON.parse(actix(['stats', '--json', '--db', path.join(dir, '.actix/metrics.db')], { cwd: other }).out));
    verify(JSON.parse(actix(['stats', '--json', '-c', path.join(dir, 'actix.yaml')], { cwd: other }).out));
    verify(JSON.parse(actix(['stats', '--json'], { cwd: other, env: { ACTIX_DB: path.join(dir, '.actix/metrics.db') } }).out));
  });

  test('a manifest that is broken now hides nothing', (t) => {
    const file = path.join(dir, 'actix.yaml'), good = fs.readFileSync(file);
    t.after(() => fs.writeFileSync(file, good));
    fs.writeFileSync(file, 'routes: [');
    const r = actix(['stats', '--json'], { cwd: dir });
    assert.equal(r.code, 0);
    assert.match(r.err, /^actix: the manifest cannot be read/);
    verify(JSON.parse(r.out));
  });

  test('no database: one sentence', (t) => {
    const fresh = app(t, { 'actix.yaml': 'version: 1\nroutes: { /: { respond: x } }\n' });
    const r = actix(['stats'], { cwd: fresh });
    assert.equal(r.code, 1);
    assert.equal(r.out, '');
    assert.match(r.err, /^actix: no metrics database at .*metrics\.db: [^\n]*\n$/);
    const off = app(t, { 'actix.yaml': 'version: 1\nmetrics: { database: off }\nroutes: { /: { respond: x } }\n' });
    assert.match(actix(['stats'], { cwd: off }).err, /^actix: metrics\.database is off in actix\.yaml/);
    assert.ok(!fs.existsSync(path.join(fresh, '.actix')));
  });

  test('a file that is no database: one sentence', (t) => {
    const bad = app(t, { 'x.db': 'this is no database at all, but long enough to have a header'.repeat(20) });
    const r = actix(['stats', '--db', 'x.db'], { cwd: bad });
    assert.equal(r.code, 1);
    assert.equal(lines(r.err).length, 1);
  });
});
