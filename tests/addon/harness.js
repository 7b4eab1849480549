'use strict';
// What the tests of the addon share: where the built addon is, raw HTTP over a socket, and an engine process driven as the
// supervisor drives it.  ACTIX_ADDON names another build's folder.
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { once } = require('node:events');

const ADDON = process.env.ACTIX_ADDON ?? path.join(__dirname, '../../build/release/lib/actix/addon');
const BATCH = 16;
const SETTINGS = { batch: BATCH };

// ---- raw HTTP

/** A connection that collects what comes; ask(text) sends it, take(n) resolves with n whole responses. */
class Client {
  constructor(port) {
    this.socket = net.connect(port, '127.0.0.1');
    this.bytes = Buffer.alloc(0);
    this.ended = false;
    this.waiting = [];
    this.socket.on('data', (chunk) => {
      this.bytes = Buffer.concat([this.bytes, chunk]);
      this.#wake();
    });
    const end = () => {
      this.ended = true;
      this.#wake();
    };
    this.socket.on('end', end);
    this.socket.on('error', end);
  }

  #wake() {
    for (const wake of this.waiting.splice(0)) wake();
  }

  send(bytes) {
    this.socket.write(bytes);
    return this;
  }

  get(target, extra = '') {
    return this.send(`GET ${target} HTTP/1.1\r\nHost: t\r\n${extra}\r\n`);
  }

  post(target, body, extra = '') {
    return this.send(
      Buffer.concat([
        Buffer.from(`POST ${target} HTTP/1.1\r\nHost: t\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${extra}\r\n`),
        Buffer.from(body),
      ]),
    );
  }

  async next() {
    for (;;) {
      const response = this.#whole();
      if (response !== undefined) return response;
      if (this.ended)
        throw new Error(`the connection ended within a response: ${this.bytes.toString('latin1').slice(0, 300)}`);
      await new Promise((wake) => this.waiting.push(wake));
    }
  }

  async take(n) {
    const all = [];
    while (all.length < n) all.push(await this.next());
    return all;
  }

  async end() {
    while (!this.ended) await new Promise((wake) => this.waiting.push(wake));
  }

  #whole() {
    const at = this.bytes.indexOf('\r\n\r\n');
    if (at < 0) return undefined;
    const [first, ...lines] = this.bytes.toString('latin1', 0, at).split('\r\n');
    const headers = lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 2),
    ]);
    const length = Number(headers.find(([name]) => name === 'content-length')?.[1] ?? 0);
    if (this.bytes.length < at + 4 + length) return undefined;
    const body = this.bytes.subarray(at + 4, at + 4 + length);
    this.bytes = this.bytes.subarray(at + 4 + length);
    return { status: Number(first.split(' ')[1]), headers, body, text: body.toString('utf8') };
  }

  close() {
    this.socket.destroy();
  }
}

/** One request on its own connection. */
async function request(port, method, target, body) {
  const client = new Client(port);
  if (body === undefined) client.send(`${method} ${target} HTTP/1.1\r\nHost: t\r\n\r\n`);
  else client.post(target, body);
  const response = await client.next();
  client.close();
  return response;
}

// ---- plain native worker on this thread

function nativeRoute(method, pattern, more = {}) {
  return {
    pattern,
    method,
    kind: 'handler',
    name: 'test',
    headers: '',
    timeout_us: 10_000_000,
    body_max: 1 << 20,
    ...more,
  };
}

function engineOptions(more = {}) {
  return {
    workers: 1,
    balance: 'least_connections',
    fds: [],
    settings: SETTINGS,
    minReady: 1,
    segmentFd: -1,
    stallUs: -1,
    mailboxFd: -1,
    controlFd: -1,
    log: { output: 'off', format: 'json', level: 2, access: 'off', accessFormat: 'text' },
    ...more,
  };
}

/** A native worker that listens; handle(slot, gen, route) is called for each request. */
function serve(native, routes, handle, more = {}) {
  const engine = native.engineNew(engineOptions());
  const batch = native.batchNew(BATCH);
  const events = [];
  const dispatch = () => {
    const n = batch[0];
    let i = 0;
    for (; i < n && batch[1] === 0; i++) {
      batch[2] = i;
      handle(batch[8 + 3 * i], batch[9 + 3 * i], batch[10 + 3 * i]);
    }
    return i;
  };
  const event = more.event ?? ((slot, gen, why) => events.push({ slot, gen, why }));
  native.workerNew({ engine, id: 0, settings: { ...SETTINGS, ...more.settings }, routes, batch, dispatch, event });
  const url = native.workerBind(more.host ?? '127.0.0.1', 0, 16);
  const close = () =>
    new Promise((resolve) => {
      native.workerClose(() => {
        native.engineFree(engine);
        resolve();
      });
    });
  return { url, port: Number(new URL(url).port), engine, batch, events, close };
}

/** native.sendString, which takes its numbers from the batch. */
function sendString(native, batch, slot, gen, word, ...body) {
  batch.set([slot, gen, word], 3);
  return native.sendString(...body);
}

// ---- an engine process

const UPLOADS = { dir: os.tmpdir(), keep: false, file: 1 << 20, files: 5, fields: 50, field: 65536 };

function planRoute(root, [method, pattern, target, more = {}], line) {
  const at = { file: 'actix.yaml', line, col: 3 };
  const [file, name] = (target ?? '').split('#');
  const base = {
    pattern,
    method,
    name: target ?? 'fixed',
    headers: '',
    timeout_us: 10_000_000,
    body_max: 1 << 20,
    uploads: UPLOADS,
    at,
  };
  if (target === undefined) return { ...base, kind: 'fixed', status: 200, body: 'fixed', ...more };
  const route = { ...base, kind: 'handler', module: path.join(root, file), byExports: method === '*', ...more };
  if (name !== undefined) route.export = name;
  if (method === '*') route.method = 'ANY';
  return route;
}

/** files: name => source; routes: [METHOD or '*', pattern, 'file#export', more]. */
function makePlan(root, { files = {}, routes = [], modules = [], ...more }) {
  for (const [name, source] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    fs.writeFileSync(path.join(root, name), source);
  }
  return {
    generation: 1,
    first: true,
    root,
    manifest: path.join(root, 'actix.yaml'),
    dev: false,
    workers: 1,
    balance: 'round_robin',
    minReady: 1,
    heapMb: 0,
    startup_us: 10_000_000,
    shutdown_us: 5_000_000,
    settings: { batch: 256 },
    log: { output: 'stderr', format: 'json', level: 2, access: 'off', accessFormat: 'text' },
    uploads: UPLOADS,
    modules: modules.map((file) => ({ file: path.join(root, file), at: { file: 'actix.yaml', line: 1, col: 1 } })),
    routes: routes.map((route, i) => planRoute(root, route, 10 + i)),
    listen: [],
    segmentFd: -1,
    mailboxFd: -1,
    stall_us: -1,
    isolation: 'thread',
    slot: 0,
    ...more,
  };
}

function planFile(root, plan) {
  const file = path.join(root, '.plan.json');
  fs.writeFileSync(file, JSON.stringify(plan));
  return fs.openSync(file, 'r');
}

/** A folder that goes with the test program, also where an engine did not start or a test failed. */
function temporary(name) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), name));
  folders.push(dir);
  return dir;
}

const folders = [];
process.on('exit', () => folders.forEach((dir) => fs.rmSync(dir, { recursive: true, force: true })));

class Engine {
  constructor(root, child, port) {
    this.root = root;
    this.child = child;
    this.port = port;
    this.messages = [];
    this.out = '';
    this.err = '';
    this.waiting = [];
    this.exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
    child.stdout.on('data', (text) => this.#grow('out', text));
    child.stderr.on('data', (text) => this.#grow('err', text));
    let rest = '';
    child.stdio[4].on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      this.messages.push(...lines.map((line) => JSON.parse(line)));
      this.#wake();
    });
    child.stdio[4].on('error', () => undefined);
  }

  #grow(name, text) {
    this[name] += text;
    this.#wake();
  }

  #wake() {
    for (const wake of this.waiting.splice(0)) wake();
  }

  /** Resolves with what `find` finds as soon as it does. */
  async until(find) {
    for (;;) {
      const found = find(this);
      if (found) return found;
      await new Promise((wake) => this.waiting.push(wake));
    }
  }

  message(type, more = () => true) {
    return this.until(({ messages }) => messages.find((m) => m.type === type && more(m)));
  }

  tell(message) {
    this.child.stdio[4].write(`${JSON.stringify(message)}\n`);
  }

  async stop() {
    this.tell({ type: 'stop', reason: 'stop' });
    return this.exited;
  }
}

/** Starts engine.js with a listening socket; does not wait for it to be ready. */
async function startEngine(options) {
  const root = temporary('actix-engine-');
  const plan = makePlan(root, options);
  const listener = net.createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  plan.listen = [{ fd: 5, url: `http://127.0.0.1:${port}` }];
  const planFd = planFile(root, plan);
  const args = [...(options.nodeOptions ?? []), path.join(ADDON, 'engine.js'), '--plan-fd', '3', '--control-fd', '4'];
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe', planFd, 'pipe', listener._handle.fd],
    env: { ...process.env, NODE_ENV: 'production', ...options.env },
  });
  fs.closeSync(planFd);
  listener.close();
  return new Engine(root, child, port);
}

/** The CheckResult of check.js. */
async function check(options) {
  const root = temporary('actix-check-');
  const planFd = planFile(root, makePlan(root, options));
  const child = spawn(process.execPath, [path.join(ADDON, 'check.js'), '--plan-fd', '4'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit', 'pipe', planFd],
    env: { ...process.env, ACTIX_CHECK: '1' },
  });
  fs.closeSync(planFd);
  let text = '';
  child.stdio[3].on('data', (chunk) => (text += chunk));
  await once(child, 'close');
  return JSON.parse(text.trim().split('\n').at(-1));
}

module.exports = { ADDON, BATCH, Client, request, nativeRoute, engineOptions, serve, sendString, startEngine, check };
