const test = require('node:test');
const assert = require('node:assert');
const { app } = require('actix-js/test');

let a; // the app as actix.yaml says, in this process
test.before(async () => (a = await app('actix.yaml')));
test.after(() => a.close());

test('home', async () => {
  const res = await a.fetch('/');
  assert.strictEqual(res.status, 200);
  assert.match(await res.text(), /^Hello from /);
});

test('users come and go', async () => {
  const put = (body) => a.fetch('/users/9', { method: 'PUT', body: JSON.stringify(body) });
  assert.strictEqual((await a.fetch('/users/9')).status, 404);
  assert.strictEqual((await put({})).status, 422);
  assert.strictEqual((await put({ name: 'Linus' })).status, 201);
  assert.deepStrictEqual(await (await a.fetch('/users/9')).json(), { id: '9', name: 'Linus' });
  assert.strictEqual((await a.fetch('/users/9', { method: 'DELETE' })).status, 204);
  assert.strictEqual((await a.fetch('/users/9')).status, 404);
});

test('the form takes a file', async () => {
  const form = new FormData();
  form.append('name', 'me');
  form.append('photo', new Blob(['12345']), 'me.png');
  const res = await a.fetch('/contact', { method: 'POST', body: form });
  assert.deepStrictEqual(await res.json(), { hello: 'me', photo: { name: 'me.png', size: 5 } });
});
