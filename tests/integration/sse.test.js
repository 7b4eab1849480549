'use strict';
// req.sse(): what a client reads, and what the handler learns of it.
const test = require('node:test');
const assert = require('node:assert');
const http = require('node:http');
const { App, get, until } = require('./serve-app');

const files = {
  'actix.yaml': `
server: { listen: 0, workers: 1 }
routes:
  /all: { GET: sse.js#all }
  /beat: { GET: sse.js#beat, timeout: 1s }
  /open: { GET: sse.js#open }
  /flood: { GET: sse.js#flood }
  /bad/:kind: { GET: sse.js#bad }
  /throws: { GET: sse.js#throws }
  /twice: { GET: sse.js#twice }
  /seen: { GET: sse.js#seen }
`,
  'sse.js': `
const seen = {};
exports.seen = () => seen;
exports.all = async (req) => {
  req.addHeader('x-own', '1');
  const s = req.sse({ retry: 1000, heartbeat: false });
  const took = [];
  took.push(await s.send('one\\ntwo\\r\\nthree\\rfour'));
  took.push(await s.send({ data: { a: 1 }, event: 'e', id: 7, retry: 5 }));
  took.push(await s.send({ name: 'json' }));
  took.push(await s.send([1]), await s.send(5), await s.send({ id: 8 }), await s.send(''));
  took.push(await s.comment('c\\nd'));
  took.push(await s.send(String(s.lastEventId)));
  s.close();
  await s.closed;
  took.push(await s.send('late'), await s.comment());
  seen.took = took;
};
exports.beat = (req) => { req.sse({ heartbeat: '20ms' }); };
exports.open = (req) => {
  const s = req.sse();
  s.send('hello');
  s.closed.then(() => { seen.closed = true; });
  req.signal.addEventListener('abort', () => { seen.aborted = true; });
};
exports.flood = async (req) => {
  const s = req.sse();
  const text = 'x'.repeat(65536);
  for (let i = 0; i < 3000; i++) s.send(text);
  await s.closed;
  seen.flooded = true;
};
exports.bad = (req) => {
  const options = { heartbeat: { heartbeat: 'often' }, retry: { retry: -1 }, negative: { heartbeat: -5 } }[req.params.kind];
  req.sse(options);
};
exports.throws = async (req) => { const s = req.sse(); await s.send('x'); throw new Error('after'); };
exports.twice = (req) => { req.sse().close(); try { req.sse(); } catch (err) { seen.twice = err.code; } };
`,
};

test('events, comments and fields are written as the standard has them', async (t) => {
  const s = await new App(t, files).serve();
  const res = await new Promise((resolve) => http.get(`${s.url}/all`, { agent: false, headers: { 'last-event-id': Buffer.from('é').toString('latin1') } }, resolve));
  let text = '';
  for await (const piece of res.setEncoding('utf8')) text += piece;
  const { 'content-type': type, 'cache-control': cache, 'x-accel-buffering': accel, 'x-own': own } = res.headers;
  assert.deepStrictEqual([type, cache, accel, own], ['text/event-stream', 'no-store', 'no', '1']);
  assert.deepStrictEqual(text.split('\n\n'), [
    'retry: 1000',
    'data: one\ndata: two\ndata: three\ndata: four',
    'event: e\nid: 7\nretry: 5\ndata: {"a":1}',
    'data: {"name":"json"}',
    'data: [1]',
    'data: 5',
    'id: 8',
    'data: ',
    ': c\n: d',
    'data: é',
    '',
  ]);
  const { took } = JSON.parse((await get(`${s.url}/seen`)).body);
  assert.deepStrictEqual(took, [...new Array(9).fill(true), false, false]);
});

test('a heartbeat keeps a silent stream alive, beyond the timeout of the handler', async (t) => {
  const s = await new App(t, files).serve();
  const res = await new Promise((resolve) => http.get(`${s.url}/beat`, { agent: false }, resolve));
  let text = '';
  const begin = Date.now();
  res.setEncoding('utf8').on('data', (piece) => (text += piece));
  await until(() => Date.now() - begin > 1300 && text.length > 30);
  assert.match(text, /^(:\n\n)+$/);
  res.destroy();
});

test('a client that goes closes the stream and aborts the signal', async (t) => {
  const s = await new App(t, files).serve();
  const res = await new Promise((resolve) => http.get(`${s.url}/open`, { agent: false }, resolve));
  await new Promise((resolve) => res.once('data', resolve));
  res.destroy();
  await until(async () => {
    const { closed, aborted } = JSON.parse((await get(`${s.url}/seen`)).body);
    return closed && aborted;
  });
});

test('who sends without waiting to a client that does not read is cut off', async (t) => {
  const s = await new App(t, files).serve();
  const res = await new Promise((resolve) => http.get(`${s.url}/flood`, { agent: false }, resolve));
  res.on('error', () => undefined);
  await until(async () => JSON.parse((await get(`${s.url}/seen`)).body).flooded);
  res.destroy();
});

test('wrong options are errors before the head, others end the stream', async (t) => {
  const s = await new App(t, files).serve();
  for (const kind of ['heartbeat', 'retry', 'negative']) assert.strictEqual((await get(`${s.url}/bad/${kind}`)).status, 500, kind);
  await assert.rejects(get(`${s.url}/throws`), { code: 'ECONNRESET' });
  await get(`${s.url}/twice`);
  assert.strictEqual(JSON.parse((await get(`${s.url}/seen`)).body).twice, 'ERR_RESPONSE_SENT');
});
