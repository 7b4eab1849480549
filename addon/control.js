'use strict';
// The engine's end of the control channel: one JSON object a line, both ways (plan.d.ts: FromEngine, ToEngine).  When the
// supervisor is gone, so is the engine.
const net = require('node:net');
const native = require('./native');

const MESSAGE_MAX = 65536; // the supervisor's messages are short

class Control {
  #socket;

  constructor(fd) {
    this.fd = fd;
    this.#socket = new net.Socket({ fd, readable: true, writable: true });
  }

  listen(receive) {
    const socket = this.#socket;
    let rest = '';
    socket.setEncoding('utf8');
    socket.on('data', (text) => {
      rest += text;
      const lines = rest.split('\n');
      rest = lines.pop();
      if (rest.length > MESSAGE_MAX) native.exitNow(1);
      for (const line of lines) if (line !== '') receive(JSON.parse(line));
    });
    // At once: a worker may be stuck, and process.exit() would wait for it.
    socket.on('end', () => native.exitNow(1));
    socket.on('error', () => native.exitNow(1));
  }

  /** `then` is called when it is written. */
  tell(message, then) {
    this.#socket.write(`${JSON.stringify(message)}\n`, then);
  }

  event(kind, text, worker) {
    this.tell({ type: 'event', kind, text, worker });
  }

  /** For the quarantine: what a worker died of, in which route ({ method, pattern }, null where nobody can say). */
  killed(worker, route, why) {
    this.tell({ type: 'killed', worker, route, why });
  }
}

module.exports = { Control };
