'use strict';
// Each template as `actix new` gives it: checked, served, asked; the Actix-JS one also by plain Node.
const test = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { File } = require('node:buffer'); // global from Node 20 on
const { execFileSync, spawn } = require('node:child_process');
const { addon } = require('./support');

const actix = process.env.ACTIX ?? path.resolve(addon, '../../../bin/actix');
const env = { ...process.env, NODE_TEST_CONTEXT: undefined, PORT: undefined, HOST: undefined };

function scaffold(t, template) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'actix-new-'));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  execFileSync(actix, ['new', path.join(dir, 'app'), '--template', template], { env });
  return path.join(dir, 'app');
}

/** Starts a program that prints its URL; it is stopped and awaited after the test. */
function run(t, file, args, cwd) {
  const child = spawn(file, args, { cwd, env });
  const ended = new Promise((resolve) => child.on('close', (code) => resolve(code)));
  t.after(() => {
    child.kill();
    return ended;
  });
  return new Promise((resolve, reject) => {
    let said = '';
    const look = (bytes) => {
      said += bytes;
      const found = /(?:listening on|running at) (http:\/\/[0-9.:]+\d)/.exec(said);
      if (found !== null && (args[0] !== 'serve' || said.includes('listening on'))) resolve(found[1]);
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    ended.then((code) => reject(new Error(`ended with ${code}: ${said}`)));
  });
}

const ask = async (url, init) => {
  const res = await fetch(url, init);
  return [res.status, await res.text()];
};

function form() {
  const data = new FormData();
  data.append('name', 'me');
  data.append('photo', new File(['12345'], 'p.png', { type: 'image/png' }));
  return data;
}

test('template default', async (t) => {
  const dir = scaffold(t, 'default');
  execFileSync(actix, ['check', '--strict'], { cwd: dir, env });
  const url = await run(t, actix, ['serve', '--port', '0', '--workers', '1'], dir);
  assert.deepStrictEqual(await ask(`${url}/`), [200, 'Hello from app!\n']);
  assert.match((await ask(`${url}/time`))[1], /^\{"time":"20.*","worker":0\}$/);
  assert.deepStrictEqual(await ask(`${url}/users/1`), [200, '{"id":"1","name":"Ada"}']);
  assert.deepStrictEqual(await ask(`${url}/users/9`), [404, '{"error":"no such user","path":"/users/9"}']);
  assert.deepStrictEqual(await ask(`${url}/users/9`, { method: 'PUT', body: '{"name":"Linus"}' }), [201, '{"id":"9","name":"Linus"}']);
  assert.strictEqual((await ask(`${url}/users/9`, { method: 'PUT', body: '{' }))[0], 400);
  assert.strictEqual((await ask(`${url}/users/9`, { method: 'PUT', body: '{}' }))[0], 422);
  assert.deepStrictEqual(await ask(`${url}/users/9`, { method: 'DELETE' }), [204, '']);
  assert.strictEqual((await ask(`${url}/users/9`))[0], 404);
  assert.match((await ask(`${url}/contact`))[1], /<form/);
  assert.deepStrictEqual(await ask(`${url}/contact`, { method: 'POST', body: form() }), [200, '{"hello":"me","photo":{"name":"p.png","size":5}}']);
  assert.deepStrictEqual(fs.readdirSync(path.join(dir, 'uploads')), []);
  assert.strictEqual((await ask(`${url}/healthz`))[0], 200);
});

async function askActixJs(url) {
  assert.deepStrictEqual(await ask(`${url}/`), [200, 'Hello from app!\n']);
  assert.deepStrictEqual(await ask(`${url}/users/1`), [200, '{"id":"1","name":"Ada"}']);
  assert.deepStrictEqual(await ask(`${url}/users/9`), [404, 'no such user']);
  assert.deepStrictEqual(await ask(`${url}/users/9`, { method: 'PUT', body: '{"name":"Linus"}' }), [201, '{"id":"9","name":"Linus"}']);
  assert.deepStrictEqual(await ask(`${url}/users/9`, { method: 'DELETE' }), [200, '']);
  assert.deepStrictEqual(await ask(`${url}/slow`), [200, 'done\n']);
  assert.deepStrictEqual(await ask(`${url}/echo`, { method: 'POST', body: 'ä' }), [200, 'ä']);
  assert.deepStrictEqual(await ask(`${url}/contact`, { method: 'POST', body: form() }), [200, '{"hello":"me","photo":{"name":"p.png","size":5}}']);
}

test('template actix-js', async (t) => {
  const dir = scaffold(t, 'actix-js');
  execFileSync(actix, ['check', '--strict'], { cwd: dir, env });
  await askActixJs(await run(t, actix, ['serve', '--port', '0', '--workers', '1'], dir));
  assert.deepStrictEqual(fs.readdirSync(path.join(dir, 'uploads')), []);
});

test('template actix-js by plain Node', async (t) => {
  const dir = scaffold(t, 'actix-js');
  const app = path.join(dir, 'app.js');
  fs.writeFileSync(app, fs.readFileSync(app, 'utf8').replace('port: 3001', 'port: 0')); // the test takes no fixed port
  fs.mkdirSync(path.join(dir, 'node_modules'));
  fs.symlinkSync(addon, path.join(dir, 'node_modules', 'actix-js'));
  await askActixJs(await run(t, process.execPath, ['app.js'], dir));
  assert.deepStrictEqual(fs.readdirSync(path.join(dir, 'uploads')), []);
});
