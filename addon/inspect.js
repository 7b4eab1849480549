'use strict';
// --inspect: a debugger may connect to this process, whose main thread is the one worker.  Over a reload the port goes
// from the old engine to the new one: that one waits until it is free.
const inspector = require('node:inspector');
const net = require('node:net');

const RETRY_MS = 50;

let closed = false;

/** "HOST:PORT"; a host with colons has no brackets. */
function parse(address) {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}

/** Resolves with whether the port can be bound: inspector.open() would only complain on stderr. */
function isFree({ host, port }) {
  return new Promise((resolve) => {
    const probe = net.createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

/** Opens it, at once if the port is free, else as soon as it is.  Resolves with whether it is open now. */
async function open(address) {
  const where = parse(address);
  if (closed) return false;
  if (where.port === 0 || (await isFree(where))) {
    if (!closed) inspector.open(where.port, where.host);
    return true;
  }
  setTimeout(() => open(address), RETRY_MS).unref();
  return false;
}

function close() {
  closed = true;
  if (inspector.url() !== undefined) inspector.close();
}

module.exports = { open, close };
