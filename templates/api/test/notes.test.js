const test = require('node:test');
const assert = require('node:assert');
const { app } = require('actix-js/test');
const { store } = require('../lib/store'); // the very module that the handlers use

let a;
test.before(async () => (a = await app('actix.yaml', { env: { DATABASE: ':memory:' } })));
test.after(() => a.close());

const send = (method, to, body) => a.fetch(to, { method, body: body === undefined ? undefined : JSON.stringify(body) });

test('create, read, update, delete', async () => {
  const made = await send('POST', '/notes', { title: ' first ', text: 'hello' });
  assert.strictEqual(made.status, 201);
  const note = await made.json();
  assert.deepStrictEqual(note, { id: note.id, title: 'first', text: 'hello' });
  const url = made.headers.get('location');
  assert.deepStrictEqual(await (await a.fetch(url)).json(), note);
  assert.deepStrictEqual(await (await send('PUT', url, { title: 'second' })).json(), { id: note.id, title: 'second', text: '' });
  assert.deepStrictEqual(await (await a.fetch('/notes?search=sec')).json(), [{ id: note.id, title: 'second', text: '' }]);
  assert.deepStrictEqual(await (await a.fetch('/notes?search=first')).json(), []);
  assert.strictEqual((await send('DELETE', url)).status, 204);
  assert.strictEqual((await send('DELETE', url)).status, 404);
  assert.strictEqual((await a.fetch(url)).status, 404);
  assert.strictEqual((await send('PUT', url, { title: 'x' })).status, 404);
});

test('what is no note is refused', async () => {
  for (const body of [null, [], {}, { title: '' }, { title: 7 }, { title: 'x'.repeat(201) }, { title: 'x', text: 1 }]) {
    assert.strictEqual((await send('POST', '/notes', body)).status, 422, JSON.stringify(body));
  }
  assert.strictEqual((await a.fetch('/notes', { method: 'POST', body: '{' })).status, 400);
  assert.strictEqual((await a.fetch('/notes', { method: 'POST', body: 'x'.repeat(70_000) })).status, 413);
  assert.strictEqual((await a.fetch('/notes/one')).status, 404);
  assert.strictEqual((await a.fetch('/notes', { method: 'PUT' })).status, 405);
});

test('a database that fails is 500, and says nothing about it', async (t) => {
  t.mock.method(store, 'list', () => {
    throw new Error('disk I/O error');
  });
  const res = await a.fetch('/notes');
  assert.deepStrictEqual([res.status, await res.json()], [500, { error: 'Internal Server Error' }]);
});
