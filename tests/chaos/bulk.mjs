// A GiB up and a GiB down through handlers that stream: memory does not follow it, and a client that stops reading stops the
// producer.
import { createHash } from 'node:crypto';
import http from 'node:http';
import { start, until } from './lib/app.mjs';
import { resident } from './lib/proc.mjs';
import { script } from './lib/script.mjs';

const MIB = 1 << 20;
const PIECE = 64 << 10;
const EXTRA = 30 * MIB;
const LOOK_MS = 20;
const STILL = 100; // answers of the server in a row, between which a producer that makes nothing has stopped

const HANDLERS = {
  'up.js': `const { createHash } = require('node:crypto');
module.exports = async (req) => {
  const hash = createHash('sha1');
  let bytes = 0;
  for await (const piece of req.body) {
    bytes += piece.length;
    hash.update(piece);
  }
  return { bytes, sha1: hash.digest('hex') };
};\n`,
  'down.js': `const made = require('./made');
const piece = Buffer.alloc(${PIECE}, 'x');
module.exports = async function* (req) {
  const pieces = Number(req.query.bytes) / piece.length;
  try {
    for (let i = 0; i < pieces; i++) {
      made.bytes += piece.length;
      yield piece;
    }
  } finally {
    made.ended++;
  }
};\n`,
  'made.js': 'module.exports = { bytes: 0, ended: 0 };\n',
  'told.js': "module.exports = () => require('./made');\n",
};

const memory = (app) => app.engines.reduce((sum, pid) => sum + resident(pid), 0);

/** The highest that is seen until stop(). */
class Watch {
  constructor(app) {
    this.highest = memory(app);
    this.timer = setInterval(() => (this.highest = Math.max(this.highest, memory(app))), LOOK_MS);
  }

  stop() {
    clearInterval(this.timer);
    return this.highest;
  }
}

const asJson = (res) =>
  new Promise((done, fail) => {
    let text = '';
    res.setEncoding('utf8');
    res.on('data', (piece) => (text += piece)).on('end', () => done(JSON.parse(text))).on('error', fail);
  });

/** A body of that many bytes, at the pace of the server. */
function up(target, bytes) {
  const piece = Buffer.alloc(PIECE, 'u');
  const hash = createHash('sha1');
  return new Promise((done, fail) => {
    const req = http.request({ ...target, path: '/up', method: 'POST' }, (res) =>
      asJson(res).then((got) => done({ ...got, same: got.sha1 === hash.digest('hex') }), fail));
    req.on('error', fail);
    let left = bytes;
    const more = () => {
      while (left > 0) {
        hash.update(piece);
        left -= piece.length;
        if (!req.write(piece)) return void req.once('drain', more);
      }
      req.end();
    };
    more();
  });
}

/** Resolves with the response; it is read by whoever wants it. */
const ask = (target, path) => new Promise((done, fail) => http.get({ ...target, path, agent: false }, done).on('error', fail));

async function down(target, bytes) {
  let got = 0;
  for await (const piece of await ask(target, `/down?bytes=${bytes}`)) got += piece.length;
  return got;
}

const told = async (target) => asJson(await ask(target, '/told'));

/** What the producer had made when it stood still. */
async function still(target) {
  let before;
  for (let same = 0; same < STILL; ) {
    const { bytes } = await told(target);
    same = bytes > 0 && bytes === before ? same + 1 : 0;
    before = bytes;
  }
  return before;
}

await script('bulk', async (it, keep) => {
  const bytes = it.size(1024, 64) * MIB;
  const app = keep(
    await start(
      {
        server: { workers: 1, isolation: it.isolation },
        limits: { body: '2GiB', body_memory: '2GiB' },
        routes: { '/up': { POST: { handler: 'up.js', stream: true, timeout: 'off' } }, '/down': { GET: 'down.js', timeout: 'off' }, '/told': 'told.js' },
      },
      HANDLERS,
    ),
  );
  // What V8 makes of its heap under such work is there before.
  await up(app.target, 16 * MIB);
  await down(app.target, 16 * MIB);
  const before = memory(app);
  const watch = new Watch(app);

  let since = performance.now();
  const sent = await up(app.target, bytes);
  it.figure('up, MiB/s', bytes / MIB / ((performance.now() - since) / 1000));
  it.equal('bytes that the handler read', sent.bytes, bytes);
  it.equal('and they were the same', sent.same, true);
  since = performance.now();
  it.equal('bytes that the client read', await down(app.target, bytes), bytes);
  it.figure('down, MiB/s', bytes / MIB / ((performance.now() - since) / 1000));
  it.figure('memory before, bytes', before);
  it.atMost('memory more, at the highest, bytes', watch.stop() - before, EXTRA);

  const { bytes: made, ended } = await told(app.target);
  const stalled = await ask(app.target, `/down?bytes=${bytes}`);
  stalled.pause();
  const ahead = (await still(app.target)) - made;
  it.atMost('made for a client that does not read, bytes', ahead, 16 * MIB); // what the kernel's buffers and limits.output hold
  stalled.destroy();
  await until(async () => (await told(app.target)).ended > ended, 10_000, 'the producer has ended');
  it.equal('exit code at the end', await app.signal('SIGTERM'), 0);
});
