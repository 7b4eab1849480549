'use strict';
// node server.js PORT [sync|async]: the benchmark's requests on the yardstick.  PORT 0 takes a free one; it is printed.
// async: handlers are async functions that await an async send.
const native = require('./yardstick.node');

const [port = '0', how = 'sync'] = process.argv.slice(2);
const batch = new Uint32Array(257); // how many, then their indices

class Request {
  constructor(index) {
    this.index = index;
  }
  getPath() {
    return native.target(this.index);
  }
  getHeader(name) {
    return native.header(this.index, name);
  }
  getBody() {
    return native.body(this.index);
  }
  sendText(text) {
    native.send(this.index, 0, text);
  }
  sendObject(value) {
    native.send(this.index, 1, JSON.stringify(value));
  }
  async sendTextAsync(text) {
    native.send(this.index, 0, text);
  }
  async sendObjectAsync(value) {
    native.send(this.index, 1, JSON.stringify(value));
  }
  async setStatusAsync() {
    return true;
  }
}

const handlers = {
  sync: {
    hello: (r) => r.sendText('Hello World'),
    readJson: (r) => r.sendObject({ message: 'Hello JSON', timestamp: Date.now() }),
    writeJson: (r) => r.sendObject({ received: JSON.parse(r.getBody()), timestamp: Date.now() }),
    echo: (r) => r.sendObject({ echo: r.getBody(), timestamp: Date.now() }),
    user: (r, id) => r.sendText(id),
  },
  async: {
    async hello(r) {
      await r.setStatusAsync(200);
      await r.sendTextAsync('Hello World');
    },
    async readJson(r) {
      await r.sendObjectAsync({ message: 'Hello JSON', timestamp: Date.now() });
    },
    async writeJson(r) {
      await r.sendObjectAsync({ received: JSON.parse(r.getBody()), timestamp: Date.now() });
    },
    async echo(r) {
      await r.sendObjectAsync({ echo: r.getBody(), timestamp: Date.now() });
    },
    async user(r, id) {
      await r.sendTextAsync(id);
    },
  },
}[how];

function answer(r) {
  const path = r.getPath();
  if (path === '/') handlers.hello(r);
  else if (path.startsWith('/users/')) handlers.user(r, path.slice(7));
  else if (path === '/echo') handlers.echo(r);
  else if (r.getHeader('content-length')) handlers.writeJson(r);
  else handlers.readJson(r);
}

function dispatch() {
  const n = batch[0];
  for (let i = 1; i <= n; i++) answer(new Request(batch[i]));
}

if (!handlers || !/^\d+$/.test(port)) {
  console.error('usage: node server.js PORT [sync|async]');
  process.exit(2);
}
const taken = native.start(Number(port), batch.buffer, dispatch);
if (taken < 0) {
  console.error(`cannot listen on 127.0.0.1:${port}: ${require('node:util').getSystemErrorName(taken)}`);
  process.exit(1);
}
console.log(taken);
