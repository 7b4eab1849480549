const test = require('node:test');
const assert = require('node:assert');
const { app } = require('actix-js/test');

let a; // the app as actix.yaml says, in this process
test.before(async () => (a = await app('actix.yaml')));
test.after(() => a.close());

test('routes of app.js', async () => {
  assert.match(await (await a.fetch('/')).text(), /^Hello from /);
  assert.deepStrictEqual(await (await a.fetch('/users/1')).json(), { id: '1', name: 'Ada' });
  assert.strictEqual((await a.fetch('/users/9')).status, 404);
  assert.strictEqual((await a.fetch('/users/9', { method: 'PUT', body: '{}' })).status, 400);
  assert.strictEqual((await a.fetch('/users/9', { method: 'PUT', body: '{"name":"Linus"}' })).status, 201);
  assert.strictEqual((await a.fetch('/users/9', { method: 'DELETE' })).status, 200);
});

test('a route of actix.yaml', async () => {
  assert.strictEqual((await a.fetch('/healthz')).status, 200);
});
