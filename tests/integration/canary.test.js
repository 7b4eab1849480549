'use strict';
// No answer carries another request's bytes.  Thousands of requests, each with a canary of its own in path, field and
// body, interleaved, pipelined, cut, left and answered too late: whatever comes back holds that canary and no other.
// Slots, buffers and connections are recycled all the while.  Under a build of the address sanitizer (ACTIX names one) it
// sees as well whatever is read after its end.  CANARY_SEED and CANARY_ROUNDS ask for other or more.
const assert = require('node:assert/strict');
const { fork } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const test = require('node:test');
const { App, BIN, get, sanitized, sanitizer, until } = require('./serve-app');

const ADDON = process.env.ACTIX_ADDON ?? path.join(path.dirname(fs.realpathSync(BIN)), '../lib/actix/addon');
const SEED = Number(process.env.CANARY_SEED ?? 1);
const ROUNDS = Number(process.env.CANARY_ROUNDS ?? 24);
const CLIENTS = 16;
const KEPT = 64;

const noFinding = (text) => assert.doesNotMatch(text, /AddressSanitizer|runtime error:/, text);

// ---- the handlers, for `actix serve` and for a plain Node: (req) => value

const handlers = {
  sync: `(req) => say(req)`,
  micro: `async (req) => { await null; return say(req); }`,
  timer: `async (req) => { await wait(req.path.length % 5); return say(req); }`,
  before: `async (req) => { const text = say(req); await wait(2); return text; }`,
  bytes: `(req) => Buffer.from(req.getPath().repeat(size(req)))`,
  big: `async (req) => { await null; return Buffer.from(say(req).repeat(20 * size(req))); }`,
  response: `async (req) => new Response(req.getUri().repeat(size(req)), { headers: { 'x-said': req.headers['x-canary'] } })`,
  object: `(req) => ({ path: req.path, headers: req.headers, body: req.getBodyString(), query: req.query })`,
  field: `(req) => { req.addHeader('X-Said', req.getHeader('x-canary')); return say(req); }`,
  throws: `(req) => { throw Object.assign(new Error(req.getPath()), { status: 400 }); }`,
  rejects: `async (req) => { await wait(1); throw Object.assign(new Error(req.getPath()), { status: 422 }); }`,
  // Answered 504 by the server; what it says then is nobody's.
  slow: `async (req) => { await wait(150); keep(req); return say(req); }`,
  late: `(req) => { setTimeout(() => { try { req.sendText(say(req)); } catch { /* gone */ } keep(req); }, 120); }`,
  // Kept beyond its end: it may say nothing more, or what it is.
  kept: `(req) => { keep(req); return say(req); }`,
  unread: `(req) => { keep(req); return 'nothing read'; }`,
};

const common = `
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const size = (req) => 1 + Number(req.getHeader('x-size') ?? 0);
const say = (req) => [req.getPath(), req.getHeader('x-canary'), req.getBodyString(), req.getQueryString()].join(' ');
const canaries = (text) => String(text).match(/CANARY[0-9a-f]{10}Z/g) ?? [];
const kept = globalThis.kept ??= [];
globalThis.mixed ??= [];
const attempt = (read) => { try { return read(); } catch { return ''; } };
/** Looks at a request that has ended, in the midst of others. */
function look(req) {
  const seen = [() => req.getPath(), () => req.getHeader('x-canary'), () => req.getUri(), () => req.getBodyString(), () => JSON.stringify(req.getHeaders()), () => req.getQueryString(), () => String(req.getBodyBuffer()), () => req.params.path];
  const all = new Set(seen.flatMap((read) => canaries(attempt(read))));
  if (all.size > 1) globalThis.mixed.push([...all]);
  attempt(() => req.sendText('CANARY0000000000Z'));
}
/** Not before its handler has returned: it would still be open. */
function keep(req) {
  setImmediate(() => {
    kept.push(req);
    if (kept.length > ${KEPT}) look(kept.splice(Math.floor(Math.random() * kept.length), 1)[0]);
  });
}
`;

// ---- the requests

/** xorshift32 */
function generator(seed) {
  let x = seed | 0 || 1;
  return (n) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % n;
  };
}

let counted = 0;
const newCanary = () => `CANARY${(++counted).toString(16).padStart(10, '0')}Z`;

function bodyOf(random, canary) {
  const body = canary.repeat(random(3) ? random(40) : random(800));
  if (random(2)) return { fields: `Content-Length: ${body.length}\r\n`, text: body };
  let text = '';
  for (let at = 0; at < body.length; ) {
    const n = 1 + random(Math.min(body.length - at, 9000));
    text += `${n.toString(16)};${canary}\r\n${body.slice(at, at + n)}\r\n`;
    at += n;
  }
  return { fields: 'Transfer-Encoding: chunked\r\n', text: `${text}0\r\nX-Trailer: ${canary}\r\n\r\n` };
}

const NAMES = Object.keys(handlers);
/** { text, canary, head: answered without a body, says: what must hold the canary } */
function someRequest(random) {
  const canary = newCanary();
  const name = random(20) ? NAMES[random(NAMES.length)] : 'nowhere';
  const method = random(12) === 0 ? 'HEAD' : random(2) ? 'POST' : 'GET';
  const { fields, text } = method === 'POST' ? bodyOf(random, canary) : { fields: '', text: '' };
  const padding = random(4) ? '' : `X-Padding: ${canary.repeat(random(100))}\r\n`;
  const head = `${method} /${name}/${canary}?q=${canary} HTTP/1.1\r\nHost: ${canary}\r\nX-Canary: ${canary}\r\nX-Size: ${random(50)}\r\n${padding}${fields}\r\n`;
  return { text: head + text, canary, head: method === 'HEAD', silent: method === 'HEAD' || ['unread', 'slow', 'late'].includes(name) };
}

// ---- a client

class Client {
  constructor(port) {
    this.socket = net.connect({ port, host: '127.0.0.1', noDelay: true }).setEncoding('latin1');
    this.parts = '';
    this.expected = [];
    this.answered = 0;
    this.closed = new Promise((resolve) => this.socket.on('close', resolve));
    this.socket.on('error', () => undefined).on('data', (text) => this.take(text));
    this.closed.then(() => this.wake?.());
  }

  take(text) {
    this.parts += text;
    try {
      while (this.expected.length > 0 && this.takeOne());
    } catch (err) {
      this.failed = err;
    }
    if (this.expected.length === 0 || this.failed) this.wake?.();
  }

  takeOne() {
    const end = this.parts.indexOf('\r\n\r\n') + 4;
    if (end < 4) return false;
    const [want] = this.expected;
    const length = want.head ? 0 : Number(/^Content-Length: (\d+)\r$/m.exec(this.parts.slice(0, end))[1]);
    if (this.parts.length < end + length) return false;
    this.check(this.parts.slice(0, end + length), want);
    this.parts = this.parts.slice(end + length);
    this.expected.shift();
    this.answered++;
    return true;
  }

  check(answer, want) {
    const found = new Set(answer.match(/CANARY[0-9a-f]{10}Z/g));
    assert.ok(found.size <= 1 && (found.size === 0 || found.has(want.canary)), `${[...found]} for ${want.canary}: ${want.text.slice(0, 80)}`);
    assert.ok(want.silent || answer.startsWith('HTTP/1.1 504') || found.has(want.canary), `no canary for ${want.text.slice(0, 80)}: ${answer.slice(0, 300)}`);
    // A piece of one, too, would be somebody's.
    const rest = answer.replaceAll(want.canary, '');
    assert.doesNotMatch(rest, /CANARY|ANARY0|00Z/, want.text.slice(0, 80));
  }

  /** Sends all in pieces; may leave in the middle.  Resolves when all is answered or the connection is closed. */
  async ask(random, requests, leaves) {
    const answered = new Promise((resolve) => (this.wake = resolve));
    const bytes = Buffer.from(requests.map((r) => r.text).join(''), 'latin1');
    const stop = leaves ? random(bytes.length) : bytes.length;
    this.expected.push(...requests);
    if (random(8) === 0) this.socket.pause();
    for (let at = 0; at < stop && !this.socket.destroyed; ) {
      const n = random(2) ? stop - at : 1 + random(stop - at);
      this.socket.write(bytes.subarray(at, at + n));
      at += n;
      await new Promise(setImmediate);
    }
    if (leaves && random(2)) this.socket.resetAndDestroy();
    else if (leaves) this.socket.destroy();
    else if (this.socket.isPaused()) setTimeout(() => this.socket.resume(), random(30));
    await answered;
    if (this.failed) throw this.failed;
  }
}

/** Each client asks, and every now and then leaves; `over` ends it early.  Returns how many answers were looked at. */
async function storm(port, seed, rounds, over = () => false) {
  let answered = 0;
  await Promise.all(
    Array.from({ length: CLIENTS }, async (_, k) => {
      const random = generator(Math.imul(seed, 0x9e3779b1) + k * 7919);
      let client = new Client(port);
      for (let i = 0; i < rounds && !over(); i++) {
        const requests = Array.from({ length: 1 + random(random(4) ? 6 : 40) }, () => someRequest(random));
        await client.ask(random, requests, random(6) === 0);
        answered += client.answered;
        client.answered = 0;
        if (client.socket.destroyed) client = new Client(port);
        else assert.equal(client.expected.length, 0);
      }
      client.socket.destroy();
      await client.closed;
    }),
  );
  return answered;
}

// ---- served

test('no answer carries another request’s bytes', async (t) => {
  const routes = NAMES.map((name) => `  /${name}/:path: ${name}.js\n`).join('');
  const files = Object.fromEntries(NAMES.map((name) => [`${name}.js`, `${common}\nmodule.exports = ${handlers[name]};`]));
  const a = new App(t, {
    'actix.yaml': `version: 1
server: { workers: 2, listen: "127.0.0.1:0" }
timeouts: { handler: 50ms, stall: 10s, header: 1m, body: 1m }
pools: { requests: 32, connections: 8 }
routes:
${routes}  /mixed: mixed.js
`,
    ...files,
    'mixed.js': 'module.exports = () => globalThis.mixed ?? [];',
  });
  const s = await a.serve();
  if (sanitized) assert.match(fs.readFileSync(`/proc/${a.json('status').engine.pid}/maps`, 'latin1'), /libasan/);
  const answered = await storm(s.port, SEED, ROUNDS);
  t.diagnostic(`${answered} answers of ${counted} requests`);
  assert.ok(answered > CLIENTS * ROUNDS * 2, `${answered} answers`);
  await until(() => a.json('status').inflight === 0);
  for (let i = 0; i < 8; i++) assert.equal((await get(`${s.url}/mixed`)).body, '[]'); // of either worker
  const status = a.json('status');
  assert.equal(status.engine.restarts, 0);
  assert.deepEqual(status.workers.map((w) => w.restarts), [0, 0]);
  assert.ok(a.json('stats').server.late_sends > 0);
  assert.equal(await s.signal('SIGTERM'), 0);
  noFinding(s.stderr);
});

// ---- started and stopped in a plain Node

const plain = `${common}
const { Server, newRouteAsync, Methods } = require(${JSON.stringify(ADDON)});
const { respond } = require(${JSON.stringify(path.join(ADDON, 'respond.js'))});
const handlers = { ${NAMES.map((name) => `${name}: ${handlers[name]}`).join(',\n')} };
for (const [name, handler] of Object.entries(handlers))
  for (const method of [Methods.GET, Methods.POST]) newRouteAsync('/' + name + '/:path', method, (err, req) => answer(req, handler));
async function answer(req, handler) {
  try {
    const value = await handler(req);
    if (value !== undefined) respond(req, value);
  } catch (err) {
    attempt(() => { req.setStatusCode(err.status); req.sendError(err.message); });
  }
}
let server;
process.on('message', async (what) => {
  if (what === 'start') {
    server = new Server({ host: '127.0.0.1', port: 0, settings: { timeout_handler_us: 50000, timeout_header_us: 60e6, timeout_body_us: 60e6, pool_requests: 32, pool_connections: 8 } });
    process.send({ port: Number(/:(\\d+)/.exec(server.start().slice(20))[1]) });
  } else if (what === 'stop') {
    await server.stop();
    process.send({ mixed: globalThis.mixed });
  } else process.disconnect();
});`;

test('nor does one of a server that stops and starts in a plain Node', async (t) => {
  const a = new App(t, { 'plain.js': plain });
  const child = fork(path.join(a.dir, 'plain.js'), { env: { ...process.env, ...sanitizer }, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += data));
  const ended = new Promise((resolve) => child.on('close', (code, signal) => resolve(code ?? signal)));
  t.after(() => child.kill('SIGKILL'));
  const tell = (what) =>
    new Promise((resolve, reject) => {
      child.once('message', resolve);
      ended.then((code) => reject(new Error(`ended with ${code}: ${said}`)));
      child.send(what);
    });
  let answered = 0;
  for (let life = 0; life < 5; life++) {
    const { port } = await tell('start');
    let stopping = false;
    const load = storm(port, SEED + 100 + life, ROUNDS, () => stopping).then((n) => (answered += n));
    await Promise.race([load, new Promise((resolve) => setTimeout(resolve, 300))]);
    stopping = true; // what is under way is under way
    const [, { mixed }] = await Promise.all([load, tell('stop')]);
    assert.deepEqual(mixed, []);
  }
  assert.ok(answered > 100, `${answered} answers`);
  child.send('end');
  assert.equal(await ended, 0, said);
  noFinding(said);
});
