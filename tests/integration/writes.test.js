'use strict';
// What leaves the server: large bodies without a copy, and a bound to what a client that does not read makes it hold.
const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const fs = require('node:fs');
const net = require('node:net');
const test = require('node:test');
const { App, get, until } = require('./serve-app');

const MIB = 1 << 20;
const LARGE = 8 * MIB;
const LATE = 400_000;
const CLIENTS = 8;

const files = {
  'actix.yaml': `version: 1
server: { workers: 1, listen: "127.0.0.1:0" }
limits: { output: 256KiB }
routes:
  /: small.js
  /large: large.js
  /late: late.js
`,
  'small.js': 'module.exports = () => "small";',
  'large.js': `const body = Buffer.alloc(${LARGE});
for (let i = 0; i < body.length; i += 4) body.writeUInt32LE(i * 2654435761 % 4294967296, i);
module.exports = () => body;`,
  'late.js': `let n = 0;
module.exports = () => new Promise((r) => setTimeout(() => r(String.fromCharCode(97 + n++ % 26).repeat(${LATE})), 1));`,
};

/** Memory that only this process has, in bytes. */
const own = (pid) => 1024 * Number(/^RssAnon:\s+(\d+) kB/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

/** A connection that sends at once and reads when it is told to; answers are { head, body }. */
class Client {
  constructor(port, requests) {
    this.socket = net.connect({ port, host: '127.0.0.1' });
    this.socket.pause();
    this.asked = new Promise((resolve) => this.socket.write(requests, resolve));
  }

  /** Reads n answers in pieces of at most `step` bytes, then closes. */
  async read(n, step, each) {
    let buffered = Buffer.alloc(0);
    let head, hash, left;
    for await (let piece of this.socket) {
      for (let at = 0; at < piece.length; ) {
        if (!head) {
          buffered = Buffer.concat([buffered, piece.subarray(at)]);
          at = piece.length;
          const end = buffered.indexOf('\r\n\r\n');
          if (end < 0) continue;
          head = buffered.toString('latin1', 0, end);
          left = Number(/^content-length: (\d+)/im.exec(head)[1]);
          hash = crypto.createHash('sha256');
          piece = buffered.subarray(end + 4);
          buffered = Buffer.alloc(0);
          at = 0;
        }
        const take = Math.min(left, step, piece.length - at);
        hash.update(piece.subarray(at, at + take));
        at += take;
        left -= take;
        if (left === 0) {
          each(head, hash.digest('hex'));
          head = undefined;
          if (--n === 0) return;
        }
      }
    }
    assert.equal(n, 0, 'answers that did not come');
  }
}

const request = (path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

const pattern = () => {
  const body = Buffer.alloc(LARGE);
  for (let i = 0; i < body.length; i += 4) body.writeUInt32LE((i * 2654435761) % 4294967296, i);
  return crypto.createHash('sha256').update(body).digest('hex');
};

test('a large body is not copied for the clients that read it slowly, and reaches each of them whole', async (t) => {
  const a = new App(t, files);
  const s = await a.serve();
  const small = crypto.createHash('sha256').update('small').digest('hex');
  const large = pattern();
  assert.equal((await get(`${s.url}/large`)).status, 200);
  const { engine } = a.json('status');
  const before = own(engine.pid);
  const requests = [request('/large'), request('/'), request('/large'), request('/'), request('/')].join('');
  const clients = Array.from({ length: 16 }, () => new Client(s.port, requests));
  await Promise.all(clients.map((c) => c.asked));
  await until(() => a.json('status').requests >= 1 && a.json('status').inflight === 16 * 4); // one of each was entered
  const during = own(engine.pid);
  t.diagnostic(`${((during - before) / MIB).toFixed(1)} MiB more while 16 clients wait for ${LARGE / MIB} MiB each`);
  assert.ok(during - before < 3 * LARGE, `${during - before} bytes more`);
  await Promise.all(
    clients.map(async (c, i) => {
      const got = [];
      await c.read(5, 1 + 997 * i, (head, hash) => got.push(hash));
      assert.deepEqual(got, [large, small, large, small, small]);
      c.socket.destroy();
    }),
  );
  assert.equal(a.json('stats').server.worker_restarts, 0);
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('clients that pipeline and do not read make the server hold limits.output and one answer each', async (t) => {
  const a = new App(t, files);
  const s = await a.serve();
  assert.equal((await get(`${s.url}/late`)).body.length, LATE);
  for (let i = 0; i < 100; i++) await get(`${s.url}/`);
  const { engine, requests } = a.json('status');
  const before = own(engine.pid);
  const clients = Array.from({ length: CLIENTS }, () => new Client(s.port, request('/late').repeat(64)));
  await Promise.all(clients.map((c) => c.asked));
  // all are let in, and then nothing moves any more: for as long as it takes to see the same count 50 times
  let same = 0, last = -1;
  await until(() => {
    const { inflight } = a.json('status');
    same = inflight === last && inflight > 0 ? same + 1 : 0;
    last = inflight;
    return same === 50;
  }, 30_000);
  const held = own(engine.pid) - before;
  const asked = ((CLIENTS * 64 * LATE) / MIB).toFixed(0);
  t.diagnostic(`${(held / MIB).toFixed(1)} MiB for ${CLIENTS} clients that asked for ${asked} MiB; ${last} requests wait`);
  assert.ok(last > CLIENTS * 16, `${last} requests wait`);
  // what is held, and as much again for what the garbage collector has not taken yet
  assert.ok(held < 3 * CLIENTS * (256 * 1024 + LATE) + 16 * MIB, `${held} bytes`);
  let answers = 0;
  await Promise.all(
    clients.map(async (c) => {
      await c.read(64, 65_536, (head) => {
        assert.match(head, /^HTTP\/1\.1 200 /);
        answers++;
      });
      c.socket.destroy();
    }),
  );
  assert.equal(answers, CLIENTS * 64);
  await until(() => a.json('status').inflight === 0 && a.json('status').requests === requests + answers);
  assert.equal(await s.signal('SIGTERM'), 0);
});
