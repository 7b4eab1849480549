'use strict';
// What the tests share: the built package, a raw client, a server on a free port.
const net = require('node:net');
const path = require('node:path');

/** The built package; ACTIX_ADDON names another build's folder. */
const addon = process.env.ACTIX_ADDON ?? path.resolve(__dirname, '../../build/release/lib/actix/addon');
const api = require(addon);
const registry = require(path.join(addon, 'registry.js'));
const native = require(path.join(addon, 'native.js'));

/** Registers `routes` ({ 'GET /path': handler }, as a handler module's) and starts a server; stopped after the test. */
async function serve(t, routes, options = {}) {
  for (const [key, handler] of Object.entries(routes)) {
    const [method, pattern] = key.split(' ');
    registry.add(method, pattern, handler, false);
  }
  return started(t, options);
}

async function started(t, options = {}) {
  const server = new api.Server({ host: '127.0.0.1', port: 0, ...options });
  const url = /http:\/\/[^ ]+/.exec(server.start())[0];
  t.after(async () => {
    await server.stop().catch((err) => {
      if (err.code !== 'ERR_SERVER_NOT_RUNNING') throw err;
    });
    api.cleanupRouter();
  });
  return { server, url, port: Number(new URL(url).port) };
}

/** Sends bytes, resolves with everything that comes back until the server closes. */
function raw(port, bytes) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes));
    const got = [];
    socket.on('data', (b) => got.push(b));
    socket.on('end', () => resolve(Buffer.concat(got).toString('latin1')));
    socket.on('error', reject);
  });
}

/** A request of its own connection, as text. */
const request = (method, target, headers = [], body = '') =>
  [`${method} ${target} HTTP/1.1`, 'Host: test', 'Connection: close', ...headers, '', body].join('\r\n');

/** A promise and the function that resolves it. */
function later() {
  let resolve;
  const promise = new Promise((r) => (resolve = r));
  return { promise, resolve };
}

module.exports = { addon, api, registry, native, serve, started, raw, request, later };
