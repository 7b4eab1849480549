'use strict';
// actix-js/test: an app opened in the process of its tests, as users do it.
const test = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { App, BIN, cleanEnv } = require('./serve-app');

const addon = process.env.ACTIX_ADDON ?? path.resolve(__dirname, '../../build/release/lib/actix/addon');

/** An app that knows the package, and tests that are run by a Node of their own. */
function project(t, files) {
  const app = new App(t, files);
  fs.mkdirSync(path.join(app.dir, 'node_modules'));
  fs.symlinkSync(addon, path.join(app.dir, 'node_modules/actix-js'));
  return app;
}

function node(app, args, env = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: app.dir,
    env: cleanEnv({ ACTIX: BIN, ...env }),
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { code: status, out: stdout + stderr };
}

/** Runs a module to its end: a handle that is left open would keep it. */
function run(app, name, text, env) {
  app.write(name, text);
  const { code, out } = node(app, [name], env);
  assert.strictEqual(code, 0, out);
  return out;
}

const MANIFEST = `version: 1
env: { GREETING: "hello", SECOND: "\${FIRST:-none}" }
uploads: { dir: up, keep: false }
limits: { body: 1KiB }
modules: [app.js]
routes:
  /: handlers/home.js
  /users/:id: handlers/users.js
  /slow: { GET: handlers/slow.js, timeout: 50ms }
  /old: { redirect: /new }
  /ready: { health: ready }
`;
const FILES = {
  'actix.yaml': MANIFEST,
  'db.js': `exports.find = (id) => ({ id, name: 'from the database' });`,
  'app.js': `const { get, onStart, onStop, Server } = require('actix-js');
get('/code', (err, req) => req.sendText('in code'));
globalThis.told = [];
onStart(async () => globalThis.told.push('start'));
onStop(({ reason }) => globalThis.told.push(reason));
globalThis.started = new Server().start();`,
  'handlers/home.js': `module.exports = () => process.env.GREETING + ' ' + process.env.SECOND + ' ' + process.env.NODE_ENV;`,
  'handlers/users.js': `const db = require('../db');
exports.GET = (req) => db.find(req.params.id);
exports.POST = async (req) => ({ got: (await req.text()).length });`,
  'handlers/slow.js': `module.exports = (req) => new Promise((resolve) => { globalThis.entered?.(); req.signal.addEventListener('abort', resolve); });`,
};

const BODY = `
  for (let i = 0; i < 3; i++) {
    const a = await app('actix.yaml', { env: { FIRST: 'first' } });
    assert.match(a.url, /^http:\\/\\/127\\.0\\.0\\.1:\\d+$/);
    const ask = async (to, init) => { const r = await a.fetch(to, init); return [r.status, await r.text()]; };
    assert.deepStrictEqual(await ask('/'), [200, 'hello first test']);
    assert.deepStrictEqual(await ask(new URL('/', a.url)), [200, 'hello first test']);
    assert.deepStrictEqual(await ask(new Request('http://elsewhere/users/7?x=1')), [200, '{"id":"7","name":"from the database"}']);
    assert.deepStrictEqual(await ask('/users/7', { method: 'POST', body: 'abc' }), [200, '{"got":3}']);
    assert.strictEqual((await ask('/users/7', { method: 'POST', body: 'x'.repeat(2000) }))[0], 413);
    assert.strictEqual((await ask('/users/7', { method: 'PUT' }))[0], 405);
    assert.deepStrictEqual(await ask('/code'), [200, 'in code']);
    assert.strictEqual((await ask('/ready'))[0], 200);
    assert.strictEqual((await a.fetch('/old', { redirect: 'manual' })).headers.get('location'), '/new');
    assert.strictEqual((await ask('/slow'))[0], 504);
    await a.close();
    await a.close();
    await assert.rejects(fetch(a.url));
  }
  assert.deepStrictEqual(globalThis.told, ['start', 'stop', 'start', 'stop', 'start', 'stop']);
  assert.strictEqual(globalThis.started, 'Server is started by actix-js/test');
  assert.strictEqual(process.env.GREETING, undefined);
  assert.strictEqual(process.env.FIRST, undefined);
  assert.strictEqual(process.env.NODE_ENV, undefined);
  console.log('all of it');
`;

test('from CommonJS: opened, asked, closed, opened again, and nothing left', (t) => {
  const app = project(t, FILES);
  const out = run(app, 'try.js', `const assert = require('node:assert');
const { app } = require('actix-js/test');
(async () => {${BODY}})();`);
  assert.match(out, /all of it/);
});

test('from ESM', (t) => {
  const app = project(t, FILES);
  assert.match(run(app, 'try.mjs', `import assert from 'node:assert';\nimport { app } from 'actix-js/test';\n${BODY}`), /all of it/);
});

test('handlers that are ES modules', (t) => {
  const app = project(t, {
    'actix.yaml': 'version: 1\nroutes: { /: h.mjs }\n',
    'store.mjs': 'export const store = { get: () => "real" };',
    'h.mjs': 'import { worker } from "actix-js";\nimport { store } from "./store.mjs";\nexport default () => store.get() + worker.id;',
  });
  run(app, 'try.mjs', `import assert from 'node:assert';
import { app } from 'actix-js/test';
import { store } from './store.mjs';
const a = await app();
assert.strictEqual(await (await a.fetch('/')).text(), 'real0');
store.get = () => 'stubbed';
assert.strictEqual(await (await a.fetch('/')).text(), 'stubbed0');
await a.close();`);
});

test('by node:test, with a stub, and with what was covered', (t) => {
  const app = project(t, FILES);
  app.write('test/users.test.js', `const test = require('node:test');
const assert = require('node:assert');
const { app } = require('actix-js/test');
const db = require('../db');
let a;
test.before(async () => (a = await app('actix.yaml')));
test.after(() => a.close());
test('a stub is seen', async (t) => {
  t.mock.method(db, 'find', () => ({ name: 'stub' }));
  assert.deepStrictEqual(await (await a.fetch('/users/1')).json(), { name: 'stub' });
});`);
  const { code, out } = node(app, ['--test', '--experimental-test-coverage', '--test-reporter=tap', 'test/users.test.js']);
  assert.strictEqual(code, 0, out);
  assert.match(out, /# pass 1\n/);
  assert.match(out, /users\.js/);
});

test('what is wrong rejects with the place, and the next app opens', (t) => {
  const app = project(t, {
    ...FILES,
    'bad.yaml': 'version: 1\nroutes:\n  /: 7\nlimits: { body: lots }\n',
    'throws.yaml': 'version: 1\nroutes:\n  /: throws.js\n  /b: db.js\n',
    'throws.js': 'throw new Error("at load");',
    'start.yaml': 'version: 1\nmodules: [start.js]\nroutes: { /a: { respond: a } }\n',
    'start.js': 'require("actix-js").onStart(() => { throw new Error("no database"); });',
  });
  run(app, 'try.js', `const assert = require('node:assert');
const { app } = require('actix-js/test');
(async () => {
  const bad = await app('bad.yaml').catch((err) => err);
  assert.strictEqual(bad.code, 'ERR_MANIFEST');
  assert.deepStrictEqual(bad.problems.map(({ at }) => [at.file, at.line, at.col]), [['bad.yaml', 3, 6], ['bad.yaml', 4, 17]]);
  assert.match(bad.message, /^bad\\.yaml:3:6: .*\\nbad\\.yaml:4:17: /);
  const throwing = await app('throws.yaml').catch((err) => err);
  assert.match(throwing.message, /^throws\\.yaml:3:6: cannot load throws\\.js: at load \\(throws\\.js:1:7\\)$/m);
  assert.match(throwing.message, /^throws\\.yaml:4:7: db\\.js exports no default/m);
  await assert.rejects(app('start.yaml'), /^Error: no database$/);
  await assert.rejects(app('missing.yaml'), /missing\\.yaml/);
  const a = await app('actix.yaml');
  await assert.rejects(app('actix.yaml'), { code: 'ERR_SERVER_RUNNING' });
  assert.strictEqual((await a.fetch('/')).status, 200);
  await a.close();
  const b = await app('bad.yaml').catch(() => app('actix.yaml'));
  assert.strictEqual((await b.fetch('/code')).status, 200);
  await b.close();
})();`);
});

test('routes in code belong to their own app', (t) => {
  const app = project(t, { ...FILES, 'other.yaml': 'version: 1\nroutes: { /x: { respond: x } }\n' });
  run(app, 'try.js', `const assert = require('node:assert');
const { app } = require('actix-js/test');
(async () => {
  for (const [manifest, status] of [['actix.yaml', 200], ['other.yaml', 404], ['actix.yaml', 200]]) {
    const a = await app(manifest);
    assert.strictEqual((await a.fetch('/code')).status, status);
    await a.close();
  }
})();`);
});

test('without a program it says so', (t) => {
  const app = project(t, FILES);
  run(app, 'try.js', `require('actix-js/test').app().then(() => process.exit(1), (err) => require('node:assert').match(err.message, /no program .*nowhere.*ACTIX/));`, {
    ACTIX: '/nowhere/actix',
  });
});

test('a request in progress is answered before close() is done', (t) => {
  const app = project(t, FILES);
  run(app, 'try.js', `const assert = require('node:assert');
const { app } = require('actix-js/test');
(async () => {
  const a = await app('actix.yaml');
  const entered = new Promise((resolve) => (globalThis.entered = resolve));
  const asked = a.fetch('/slow').then((res) => res.status);
  await entered;
  await a.close();
  assert.strictEqual(await asked, 504);
})();`);
});

test('the plan is what the manifest says, and values of the environment', (t) => {
  const app = new App(t, { ...FILES, '.env': 'FROM_FILE=yes\n' });
  const { code, stdout } = app.run('check', '--plan');
  assert.strictEqual(code, 0);
  const { plan, env } = JSON.parse(stdout);
  assert.strictEqual(plan.settings.limit_body, 1024);
  assert.deepStrictEqual(plan.listen, []);
  assert.deepStrictEqual(env, { GREETING: 'hello', SECOND: 'none', NODE_ENV: 'production', FROM_FILE: 'yes' });
  assert.deepStrictEqual(JSON.parse(app.runWith({ GREETING: 'mine' }, 'check', '--plan').stdout).env.GREETING, undefined);
  app.write('actix.yaml', 'version: 1\nroutes: { /: 7 }\n');
  const bad = app.run('check', '--plan');
  assert.deepStrictEqual([bad.code, bad.stdout], [3, '']);
  assert.match(bad.stderr, /^actix\.yaml:2:/);
});
