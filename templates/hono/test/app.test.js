import test from 'node:test';
import assert from 'node:assert';
import { app } from 'actix-js/test';

let a; // the app as actix.yaml says, in this process
test.before(async () => (a = await app('actix.yaml')));
test.after(() => a.close());

test('text, JSON, parameters', async () => {
  const home = await a.fetch('/');
  assert.match(await home.text(), /^Hello from /);
  assert.match(home.headers.get('server-timing'), /^app;dur=/);
  const echo = await a.fetch('/echo', { method: 'POST', body: '{"a":1}', headers: { 'content-type': 'application/json' } });
  assert.deepStrictEqual(await echo.json(), { a: 1 });
  assert.deepStrictEqual(await (await a.fetch('/users/1')).json(), { id: '1', name: 'Ada' });
  assert.strictEqual((await a.fetch('/users/2')).status, 404);
  assert.strictEqual((await a.fetch('/nowhere')).status, 404);
});

test('cookies', async () => {
  const res = await a.fetch('/visits', { headers: { cookie: 'visits=4' } });
  assert.deepStrictEqual(await res.json(), { visits: 5 });
  assert.match(res.headers.get('set-cookie'), /^visits=5;/);
});

test('server-sent events', async () => {
  const res = await a.fetch('/events');
  assert.match(res.headers.get('content-type'), /^text\/event-stream/);
  assert.match(await res.text(), /data: event 1\nid: 1\n\n.*data: event 3\nid: 3\n\n/s);
});

test('health, answered by actix itself', async () => {
  assert.strictEqual((await a.fetch('/healthz')).status, 200);
});
