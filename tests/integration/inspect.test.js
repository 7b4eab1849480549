'use strict';
// --inspect: a debugger connects to the one worker, holds it for as long as it likes, and finds it again after a reload.
const assert = require('node:assert/strict');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');
const test = require('node:test');
const { App, get, until } = require('./serve-app');

const BIN = process.env.ACTIX ?? path.join(__dirname, '../../build/release/bin/actix');
const manifest = 'version: 1\nserver: { listen: "127.0.0.1:0", workers: 2 }\ntimeouts: { handler: 100ms, stall: 100ms }\nroutes: { /: home.js, /slow: slow.js, /spin: spin.js }\n';
const files = {
  'actix.yaml': manifest,
  'home.js': "const { worker } = require('actix-js');\nmodule.exports = () => ({ count: worker.count, isolation: worker.isolation, main: require('node:worker_threads').isMainThread });",
  'slow.js': "module.exports = () => new Promise((r) => setTimeout(r, 400, 'slow'));",
  'spin.js': 'module.exports = () => { for (const end = Date.now() + 600; Date.now() < end;); return "spun"; };',
};

function freePort() {
  return new Promise((resolve) => {
    const s = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = s.address();
      s.close(() => resolve(port));
    });
  });
}

const list = (port) => get(`http://127.0.0.1:${port}/json/list`).then((r) => JSON.parse(r.body), () => []);

/** Sends one message of the protocol over a hand-made WebSocket, resolves with the text of the answer. */
function evaluate(url, expression) {
  return new Promise((resolve, reject) => {
    const { hostname: host, port, pathname } = new URL(url);
    const headers = { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': Buffer.from('0123456789abcdef').toString('base64') };
    const req = http.request({ host, port, path: pathname, headers, agent: false });
    req.on('error', reject);
    req.on('upgrade', (res, socket) => {
      const text = Buffer.from(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } }));
      socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text])); // short enough, mask 0
      socket.on('data', (data) => {
        socket.destroy();
        resolve(data.toString('latin1'));
      });
    });
    req.end();
  });
}

for (const command of ['serve', 'dev']) {
  test(`${command}: one worker on the main thread, no stall, no handler timeout`, async (t) => {
    const a = new App(t, files);
    const port = await freePort();
    const s = await a.spawn({}, BIN, command, `--inspect=${port}`);
    assert.match(s.stderr, new RegExp(`^one worker, for a debugger at 127\\.0\\.0\\.1:${port}; timeouts\\.stall, handler and startup are off$`, 'm'));
    assert.deepEqual(JSON.parse((await get(`${s.url}/`)).body), { count: 1, isolation: 'process', main: true });
    assert.equal((await get(`${s.url}/slow`)).body, 'slow');
    assert.equal((await get(`${s.url}/spin`)).body, 'spun');
    const [target] = await list(port);
    assert.match(await evaluate(target.webSocketDebuggerUrl, '6 * 7'), /"value":42/);
    if (command === 'serve') assert.equal(a.run('reload').code, 0);
    else a.write('home.js', "module.exports = () => 'again';");
    await until(async () => {
      const [next] = await list(port);
      return next !== undefined && next.id !== target.id;
    });
    assert.equal(await s.signal('SIGTERM'), 0);
  });
}

test('what is no address is refused', (t) => {
  const a = new App(t, files);
  for (const bad of ['x', '99999', 'host:', ':1', 'a:b']) {
    const r = a.run('serve', `--inspect=${bad}`);
    assert.equal(r.code, 2, bad);
    assert.equal(r.stderr.split('\n')[0], `actix: --inspect must be a port or HOST:PORT (found '${bad}')`);
  }
});
