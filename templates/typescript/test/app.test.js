import test from 'node:test';
import assert from 'node:assert';
import { app } from 'actix-js/test';

let a; // the app as actix.yaml says, in this process
test.before(async () => (a = await app('actix.yaml')));
test.after(() => a.close());

test('home', async () => {
  assert.match(await (await a.fetch('/')).text(), /^Hello from /);
});

test('users', async () => {
  const put = (body) => a.fetch('/users/2', { method: 'PUT', body });
  assert.deepStrictEqual(await (await a.fetch('/users/1')).json(), { id: '1', name: 'Ada' });
  assert.strictEqual((await a.fetch('/users/2')).status, 404);
  assert.strictEqual((await put('{}')).status, 422);
  assert.strictEqual((await put('{"name":"Grace"}')).status, 201);
  assert.deepStrictEqual(await (await a.fetch('/users/2')).json(), { id: '2', name: 'Grace' });
});
