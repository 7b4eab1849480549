'use strict';
// `actix request`: to the running app, or to a server of its own of which nothing is left.
const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { App, cleanEnv } = require('./serve-app');

const BIN = process.env.ACTIX ?? path.join(__dirname, '../../build/release/bin/actix');
const manifest = (listen = '"127.0.0.1:0"') => `version: 1\nserver: { listen: ${listen}, workers: 1 }\nroutes:\n  /echo/:id: echo.js\n  /bytes: bytes.js\n  /slow: slow.js\n`;
const files = {
  'actix.yaml': manifest(),
  'echo.js': 'module.exports = (req) => ({ method: req.method, id: req.params.id, query: req.query, body: req.getBodyString(), headers: req.headers });',
  'bytes.js': 'module.exports = () => Buffer.from([0xff, 0, 1]);',
  'slow.js': "module.exports = () => { console.log('said by the handler'); return new Promise((r) => setTimeout(r, 120, 'slow')); };",
};
const leftovers = () => fs.readdirSync('/tmp').filter((name) => name.startsWith('actix-request-')).length;

test('a server of its own: response on stdout, time by phase on stderr, nothing left', (t) => {
  const before = leftovers();
  const a = new App(t, files);
  const r = a.run('request', 'post', '/echo/7?x=1', '-d', '{"a":1}', '-H', 'X-Mine: yes');
  assert.equal(r.code, 0, r.stderr);
  const [head, body] = r.stdout.split('\n\n');
  assert.match(head, /^HTTP\/1\.1 200 OK\nContent-Type: application\/json; charset=utf-8\n/);
  const got = JSON.parse(body);
  assert.deepEqual([got.method, got.id, got.query, got.body], ['POST', '7', { x: '1' }, '{"a":1}']);
  assert.deepEqual([got.headers['x-mine'], got.headers['content-type'], got.headers['content-length']], ['yes', 'application/json', '7']);
  assert.match(r.stderr, /^\na server of its own: connect \S+, wait \S+, receive \S+, total \S+\nin the server: queue \S+, handler \S+, send \S+\n$/);
  assert.equal(fs.existsSync(path.join(a.dir, '.actix')), false);
  assert.equal(leftovers(), before);
});

test('the running app; --fresh goes past it', async (t) => {
  const a = new App(t, files);
  const s = await a.serve();
  const told = a.json('request', 'GET', '/slow');
  assert.deepEqual([told.status, told.body, told.server, told.server_us], [200, 'slow', s.url, null]);
  const { connect, wait, receive, total } = told.time_us;
  assert.ok(wait >= 100_000 && Math.abs(connect + wait + receive - total) < 10, JSON.stringify(told.time_us));
  const own = a.json('request', 'GET', '/slow', '--fresh');
  assert.equal(own.server, null);
  assert.ok(own.server_us.handler >= 100_000 && own.server_us.handler <= own.time_us.total, JSON.stringify(own));
  assert.equal(a.json('stats').total.requests, 1);
  await s.signal('SIGTERM');
});

test('over a Unix socket', async (t) => {
  const a = new App(t, { ...files, 'actix.yaml': manifest('"unix:app.sock"') });
  const s = await a.serve();
  const told = a.json('request', 'GET', '/echo/x');
  assert.equal(JSON.parse(told.body).headers.host, 'localhost');
  assert.match(told.server, /^unix:/);
  await s.signal('SIGTERM');
});

test('bodies from a file and from standard input, bytes, and statuses that are no success', (t) => {
  const a = new App(t, { ...files, 'form.txt': 'a=1&b=2' });
  const form = JSON.parse(a.json('request', 'PUT', '/echo/f', '-d', '@form.txt').body);
  assert.deepEqual([form.body, form.headers['content-type']], ['a=1&b=2', 'application/x-www-form-urlencoded']);
  const { stdout } = spawnSync(BIN, ['request', 'PUT', '/echo/f', '-d', '@-', '--json'], { cwd: a.dir, env: cleanEnv(), input: 'piped', encoding: 'utf8' });
  assert.equal(JSON.parse(JSON.parse(stdout).body).body, 'piped');
  const bytes = a.json('request', 'GET', '/bytes');
  assert.deepEqual([bytes.body, bytes.encoding, bytes.bytes], ['/wAB', 'base64', 3]);
  const missing = a.json('request', 'GET', '/nope');
  assert.deepEqual([missing.status, JSON.parse(missing.body).path], [404, '/nope']);
  const handler = a.run('request', 'GET', '/slow');
  assert.match(handler.stderr, /^said by the handler\n/m);
});

test('what cannot be sent', (t) => {
  const a = new App(t, files);
  const run = (...args) => {
    const { code, stderr } = a.run('request', ...args);
    return [code, stderr.split('\n')[0]];
  };
  assert.deepEqual(run('GET'), [2, "actix: 'request' needs METHOD PATH"]);
  assert.deepEqual(run('GET', 'nope'), [2, "actix: a path starts with / (found 'nope')"]);
  assert.deepEqual(run('GET', '/bytes', '-H', 'nonsense'), [1, "actix: a header is 'name: value' (found 'nonsense')"]);
  assert.equal(run('GET', '/bytes', '-d', '@not-there')[0], 1);
  a.write('bytes.js', 'nonsense(');
  const broken = a.run('request', 'GET', '/bytes');
  assert.equal(broken.code, 3);
  assert.match(broken.stderr, /^actix\.yaml:5:11: cannot load bytes\.js: SyntaxError/);
  a.write('actix.yaml', 'version: 1\nroutes: 3\n');
  assert.equal(a.run('request', 'GET', '/bytes').code, 3);
});
