const test = require('node:test');
const assert = require('node:assert');
const { app } = require('actix-js/test');

let a; // the app as actix.yaml says, in this process
test.before(async () => (a = await app('actix.yaml')));
test.after(() => a.close());

const put = (body, type = 'application/json') => a.fetch('/users/2', { method: 'PUT', body, headers: { 'content-type': type } });

test('home', async () => {
  assert.match(await (await a.fetch('/')).text(), /^Hello from /);
});

test('users', async () => {
  assert.deepStrictEqual(await (await a.fetch('/users/1')).json(), { id: '1', name: 'Ada' });
  assert.strictEqual((await a.fetch('/users/2')).status, 404);
  assert.strictEqual((await put('{}')).status, 422);
  assert.strictEqual((await put('{"name":"Grace"}')).status, 201);
  assert.strictEqual((await put('name=Linus', 'application/x-www-form-urlencoded')).status, 201);
  assert.deepStrictEqual(await (await a.fetch('/users/2')).json(), { id: '2', name: 'Linus' });
});

test('errors', async () => {
  assert.strictEqual((await put('{')).status, 400);
  assert.strictEqual((await put(JSON.stringify({ name: 'x'.repeat(70_000) }))).status, 413);
  assert.strictEqual((await a.fetch('/nowhere')).status, 404);
});

test('health, answered by actix itself', async () => {
  assert.strictEqual((await a.fetch('/healthz')).status, 200);
});
