'use strict';
// `actix dev`: a change is in service a moment later, and nothing that runs or is connected notices; what is broken is told
// where people look.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const test = require('node:test');
const { App, get, until } = require('./serve-app');

const BIN = process.env.ACTIX ?? path.join(__dirname, '../../build/release/bin/actix');
const manifest = (more = '') => `version: 1
server: { listen: "127.0.0.1:0" }
routes:
  /: handlers/home.js
  /boom: handlers/boom.js
${more}`;
const files = {
  'actix.yaml': manifest(),
  'lib/word.js': "module.exports = 'one';",
  'handlers/home.js': "const word = require('../lib/word');\nmodule.exports = () => word;",
  'handlers/boom.js': "module.exports = () => {\n  const nothing = null;\n  return nothing.field;\n};",
};
const app = (t, more = {}) => new App(t, { ...files, ...more });
const dev = (a, env = {}, ...args) => a.spawn(env, BIN, 'dev', ...args);
const body = async (url) => (await get(url)).body;
const becomes = (url, text) => until(async () => (await body(url)) === text);

function ask(url, accept) {
  return new Promise((resolve, reject) => {
    http
      .get(url, { headers: { accept }, agent: false }, (res) => {
        let text = '';
        res.on('data', (data) => (text += data)).on('end', () => resolve({ status: res.statusCode, type: res.headers['content-type'], text }));
      })
      .on('error', reject);
  });
}

test('handlers, what they import, the manifest and .env are watched', async (t) => {
  const a = app(t);
  const s = await dev(a);
  assert.equal(await body(`${s.url}/`), 'one');
  a.write('lib/word.js', "module.exports = 'two';");
  await becomes(`${s.url}/`, 'two');
  await until(() => /^reloaded in \d+ ms: lib\/word\.js$/m.test(s.stdout));
  a.write('handlers/home.js', 'module.exports = () => `${process.env.NODE_ENV} ${process.env.COLOR}`;');
  await becomes(`${s.url}/`, 'development undefined');
  a.write('.env', 'COLOR=red\n');
  await becomes(`${s.url}/`, 'development red');
  a.write('actix.yaml', manifest('  /new: handlers/new/deep.js\n'));
  await until(() => s.stderr.includes('not reloaded'));
  a.write('handlers/new/deep.js', "module.exports = () => 'deep';"); // in a folder that is new
  await becomes(`${s.url}/new`, 'deep');
  a.write('handlers/new/deep.js', "module.exports = () => 'deeper';");
  await becomes(`${s.url}/new`, 'deeper');
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('a file from outside the folder, and data that is required, are watched; what nobody loads is not', async (t) => {
  const a = app(t, { 'app/actix.yaml': 'version: 1\nserver: { listen: "127.0.0.1:0" }\nroutes: { /: home.js }\n', 'app/home.js': "module.exports = () => require('../shared').word + require('./data.json').n;", 'shared.js': "exports.word = 'a';", 'app/data.json': '{ "n": 1 }', 'app/other.json': '{}' });
  const s = await dev(a, {}, '-c', 'app/actix.yaml');
  a.write('app/home.js', "const word = require('../shared').word + require('./data.json').n;\nmodule.exports = () => word;");
  await becomes(`${s.url}/`, 'a1');
  await until(() => s.stdout.includes('reloaded in'));
  a.write('shared.js', "exports.word = 'b';");
  await becomes(`${s.url}/`, 'b1');
  await until(() => s.stdout.split('reloaded in').length === 3);
  a.write('app/other.json', '{ "x": 1 }');
  a.write('app/data.json', '{ "n": 2 }');
  await becomes(`${s.url}/`, 'b2');
  assert.ok(!s.stdout.includes('other.json'));
});

test('modules from outside the folder that are imported are watched, also those of later', async (t) => {
  const a = app(t, { 'app/actix.yaml': 'version: 1\nserver: { listen: "127.0.0.1:0" }\nroutes: { /: home.mjs }\n', 'app/home.mjs': "import { word } from '../shared.mjs';\nexport default async () => word + (await import('../late.mjs')).word;", 'shared.mjs': "export const word = 'a';", 'late.mjs': "export const word = '1';" });
  const s = await dev(a, {}, '-c', 'app/actix.yaml');
  assert.equal(await body(`${s.url}/`), 'a1');
  // what was loaded is told soon, not at once: written again until it is seen
  await until(async () => a.write('shared.mjs', "export const word = 'b';") && (await body(`${s.url}/`)) === 'b1');
  await until(async () => a.write('late.mjs', "export const word = '2';") && (await body(`${s.url}/`)) === 'b2');
});

test('more than one worker: what is wrong is told once', async (t) => {
  const a = app(t, { 'handlers/home.js': 'nonsense(' });
  const s = await dev(a, {}, '--workers', '2');
  assert.equal(s.stderr.split('cannot load handlers/home.js').length, 2);
  a.write('handlers/home.js', "module.exports = () => 'up';");
  await becomes(`${s.url}/`, 'up');
  a.write('handlers/home.js', 'nonsense((');
  await until(() => s.stderr.includes('not reloaded'));
  assert.equal(s.stderr.split('\nactix.yaml:4:6: cannot load handlers/home.js').length, 2);
});

test('no connection is closed and no request refused while changes come', async (t) => {
  const a = app(t);
  const s = await dev(a);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const sockets = new Set();
  const one = () =>
    new Promise((resolve, reject) => {
      const req = http.get(`${s.url}/`, { agent }, (res) => {
        let text = '';
        res.on('data', (data) => (text += data)).on('end', () => resolve([res.statusCode, text]));
      });
      req.on('socket', (socket) => sockets.add(socket)).on('error', reject);
    });
  for (let n = 1; n <= 3; n++) {
    a.write('lib/word.js', `module.exports = 'v${n}';`);
    await until(async () => {
      const [status, text] = await one();
      assert.equal(status, 200);
      return text === `v${n}`;
    });
  }
  assert.equal(sockets.size, 1);
  agent.destroy();
});

test('a broken save is told with its lines; the code from before goes on', async (t) => {
  const a = app(t);
  const s = await dev(a);
  a.write('handlers/home.js', 'const a = 1;\nmodule.exports = () => {\n  return a +;\n};\n');
  await until(() => s.stderr.includes('not reloaded, the code from before goes on'));
  assert.match(s.stderr, /actix\.yaml:4:6: cannot load handlers\/home\.js: SyntaxError: Unexpected token ';'/);
  assert.match(s.stderr, /\nhandlers\/home\.js:3:13\n {5}1 \| const a = 1;\n {5}2 \| module\.exports = \(\) => \{\n> {4}3 \| {3}return a \+;\n {7}\| {13}\^\n {5}4 \| \};\n/);
  assert.equal(await body(`${s.url}/`), 'one');
  a.write('actix.yaml', manifest().replace('routes:', 'routs:'));
  await until(() => /routs/.test(s.stderr));
  assert.match(s.stderr, /actix\.yaml:3:1: .*routs.*\n\n(?:.*\n)*?> {4}3 \| routs:\n {7}\| \^\n/);
  assert.equal(await body(`${s.url}/`), 'one');
  a.write('actix.yaml', manifest());
  a.write('handlers/home.js', "module.exports = () => 'mended';");
  await becomes(`${s.url}/`, 'mended');
});

test('code that does not load at the start: every path tells, until it is mended', async (t) => {
  const a = app(t, { 'handlers/home.js': "module.exports = () => 'x';\nthrow new Error('no <luck>');" });
  const s = await dev(a);
  const json = await ask(`${s.url}/any/path`, '*/*');
  assert.equal(json.status, 500);
  assert.match(json.type, /^application\/json/);
  const told = JSON.parse(json.text);
  assert.match(told.errors[0].message, /cannot load handlers\/home\.js: no <luck>/);
  assert.deepEqual([path.basename(told.errors[0].at.file), told.errors[0].at.line, told.errors[0].at.col], ['home.js', 2, 7]);
  const page = await ask(`${s.url}/`, 'text/html,application/xhtml+xml');
  assert.deepEqual([page.status, page.type], [500, 'text/html; charset=utf-8']);
  assert.match(page.text, /no &lt;luck&gt;.*handlers\/home\.js:2:7<\/h2>/s);
  a.write('handlers/home.js', "throw new Error('another');"); // still broken: the page follows
  await until(async () => (await ask(`${s.url}/`, '*/*')).text.includes('another'));
  assert.ok(!s.stdout.includes('reloaded'));
  a.write('handlers/home.js', "module.exports = () => 'at last';");
  await becomes(`${s.url}/`, 'at last');
});

test('an onStart hook that fails at the start', async (t) => {
  const a = app(t, { 'handlers/home.js': "require('actix-js').onStart(() => { throw new Error('no database'); });\nmodule.exports = () => 'x';" });
  const s = await dev(a);
  assert.match((await ask(`${s.url}/`, '*/*')).text, /an onStart hook failed: .*no database/);
  a.write('handlers/home.js', "module.exports = () => 'up';");
  await becomes(`${s.url}/`, 'up');
});

test('what a handler throws: a page, JSON with the stack, and the lines on the terminal', async (t) => {
  const a = app(t);
  const s = await dev(a);
  const page = await ask(`${s.url}/boom`, 'text/html');
  assert.deepEqual([page.status, page.type], [500, 'text/html; charset=utf-8']);
  assert.match(page.text, /<mark> {3}3 \| {3}return nothing\.field;\n {5}\| {18}\^<\/mark>/);
  const json = await ask(`${s.url}/boom`, 'application/json');
  assert.match(JSON.parse(json.text).stack, /handlers\/boom\.js:3:18/);
  await until(() => s.stderr.includes('> '));
  assert.match(s.stderr, /GET \/boom: the handler failed: TypeError: .*\n\nhandlers\/boom\.js:3:18\n/);
});

test('one line for each request, in colour only on a terminal', async (t) => {
  const a = app(t);
  const s = await dev(a);
  await get(`${s.url}/?x=1`);
  await get(`${s.url}/nope`);
  await until(() => s.stdout.includes('/nope'));
  assert.match(s.stdout, /^GET \/\?x=1 200 \d+\.\d ms$/m);
  assert.match(s.stdout, /^GET \/nope 404 \d+\.\d ms$/m);
  assert.ok(!s.stdout.includes('\x1b'));
});

test('lines in colour on a terminal, and not with NO_COLOR', { skip: !fs.existsSync('/usr/bin/script') && 'needs script(1)' }, async (t) => {
  for (const [env, colored] of [[{ TERM: 'xterm' }, true], [{ TERM: 'xterm', NO_COLOR: '1' }, false]]) {
    const a = app(t);
    const s = await a.spawn(env, '/usr/bin/script', '-qefc', `${BIN} dev`, '/dev/null');
    try {
      await get(`${s.url}/`);
      await get(`${s.url}/nope`);
      await until(() => s.stdout.includes('/nope'));
    } finally {
      a.run('stop'); // script(1) does not take it along
    }
    assert.equal(s.stdout.includes('GET / \x1b[32m200\x1b[0m'), colored);
    assert.equal(s.stdout.includes('GET /nope \x1b[33m404\x1b[0m'), colored);
  }
});

test('one worker unless asked for more; what is not valid at the start ends it', async (t) => {
  const a = app(t, { 'handlers/home.js': "module.exports = () => String(require('actix-js').worker.count);" });
  const s = await dev(a);
  assert.equal(await body(`${s.url}/`), '1');
  await s.signal('SIGTERM');
  const two = await dev(a, {}, '--workers', '2');
  assert.equal(await body(`${two.url}/`), '2');
  await two.signal('SIGTERM');
  a.write('actix.yaml', manifest('  nope: 1\n'));
  await assert.rejects(dev(a), (err) => err.code === 3 && /> {4}6 \|/.test(err.stderr) === false && /actix\.yaml:6:3/.test(err.stderr));
});
