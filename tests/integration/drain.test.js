'use strict';
// timeouts.drain: streams of an old generation run on beside the new one, for so long and no longer.
const assert = require('node:assert/strict');
const net = require('node:net');
const test = require('node:test');
const { App, alive, get, until } = require('./serve-app');

const files = (timeouts, more = '') => ({
  'actix.yaml': `
server: { listen: "127.0.0.1:0", workers: 1${more} }
timeouts: ${timeouts}
routes:
  /: a.js
  /open: { GET: a.js#open }
`,
  'a.js': `
const { worker } = require('actix-js');
exports.default = () => String(worker.generation);
exports.open = (req) => {
  const s = req.sse({ heartbeat: false });
  let n = 0;
  const timer = setInterval(() => { s.send('g' + worker.generation + '-' + n++); if (require('node:fs').existsSync('end')) s.close(); }, 20);
  s.closed.then(() => { clearInterval(timer); console.error('closed in generation ' + worker.generation); });
};
module.exports = Object.assign(exports.default, exports);
`,
});

/** A connection of its own, and all that came on it. */
function open(t, port) {
  const c = { text: '', over: false };
  c.socket = net.connect(port, '127.0.0.1', () => c.socket.write('GET /open HTTP/1.1\r\nHost: a\r\n\r\n'));
  c.socket.setEncoding('latin1').on('data', (data) => (c.text += data));
  c.socket.on('error', () => undefined).on('close', () => (c.over = true));
  t.after(() => c.socket.destroy());
  return c;
}

const count = (c) => c.text.split('g1-').length - 1;

for (const isolation of ['thread', 'process'])
  test(`a stream runs on over two reloads, and its connection goes on with the newest generation (${isolation})`, async (t) => {
    const a = new App(t, files('{ shutdown: 100ms }', `, isolation: ${isolation}`));
    const s = await a.serve();
    const c = open(t, s.port);
    await until(() => count(c) > 1);
    assert.equal(a.run('reload').code, 0);
    assert.equal(a.run('reload').code, 0);
    assert.equal((await get(`${s.url}/`)).body, '3');
    const then = Date.now();
    await until(() => Date.now() - then > 1000 && count(c) > 40); // shutdown and its grace are long over
    assert.equal(c.over, false);
    a.write('end', '');
    await until(() => c.text.endsWith('0\r\n\r\n'));
    c.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await until(() => c.text.endsWith('\r\n\r\n3'));
    await until(() => a.json('status').engines.length === 1);
    assert.doesNotMatch(s.stderr, /is killed|cannot/);
    assert.equal(await s.signal('SIGTERM'), 0, s.stderr);
  });

test('at the end of timeouts.drain streams are cut, their handlers hear of it, and the old engine ends by itself', async (t) => {
  const a = new App(t, files('{ drain: 300ms }'));
  const s = await a.serve();
  const { pid } = a.json('status').engine;
  const c = open(t, s.port);
  await until(() => count(c) > 1);
  assert.equal(a.run('reload').code, 0);
  await until(() => c.over);
  assert.doesNotMatch(c.text, /\r\n0\r\n\r\n$/); // the client can tell it from an end
  await until(() => /closed in generation 1/.test(s.stderr) && !alive(pid));
  assert.doesNotMatch(s.stderr, /is killed/);
  assert.equal((await get(`${s.url}/`)).body, '2');
  assert.equal(await s.signal('SIGTERM'), 0, s.stderr);
});

test('a stop does not wait for timeouts.drain', async (t) => {
  const a = new App(t, files('{ shutdown: 200ms, drain: off }'));
  const s = await a.serve();
  const { pid } = a.json('status').engine;
  const c = open(t, s.port);
  await until(() => count(c) > 1);
  assert.equal(a.run('reload').code, 0);
  assert.equal(await s.signal('SIGTERM'), 5, s.stderr);
  assert.match(s.stderr, /within timeouts\.shutdown: the engine is killed, with 1 requests/);
  await until(() => c.over && !alive(pid));
});
