'use strict';
// What JavaScript prints, against a descriptor that takes only so much at a time.
const test = require('node:test');
const assert = require('node:assert/strict');
const path = require('node:path');
const { ADDON, request, startEngine } = require('./harness');

/** print.js over a pipe that has room for `pipe.room` bytes. */
function printTo(pipe) {
  const file = path.join(ADDON, 'native.js');
  const print = path.join(ADDON, 'print.js');
  const before = require.cache[file];
  const stub = {
    writeRaw(fd, data) {
      const n = Math.min(pipe.room, data.length);
      pipe.room -= n;
      pipe.got = Buffer.concat([pipe.got, data.subarray(0, n)]);
      return n;
    },
    dropped: (n) => (pipe.dropped += n),
  };
  require.cache[file] = { id: file, filename: file, loaded: true, exports: stub };
  delete require.cache[print];
  try {
    const { Lines, Output } = require(print);
    return new Lines(new Output(1));
  } finally {
    delete require.cache[print];
    if (before === undefined) delete require.cache[file];
    else require.cache[file] = before;
  }
}

const newPipe = (room) => ({ room, got: Buffer.alloc(0), dropped: 0 });

test('bytes are untouched and leave by whole lines', () => {
  const pipe = newPipe(Infinity);
  const lines = printTo(pipe);
  const odd = Buffer.from([0xff, 0, 0xc3]);
  lines.add(odd);
  odd.fill(1); // the caller's buffer is the caller's
  assert.equal(pipe.got.length, 0);
  lines.add(Buffer.from([0x28, 10, 65]));
  assert.deepEqual([...pipe.got], [0xff, 0, 0xc3, 0x28, 10]);
  lines.flush();
  assert.equal(pipe.got.subarray(5).toString(), 'A\n');
});

test('a line without end is passed on in pieces', () => {
  const pipe = newPipe(Infinity);
  const lines = printTo(pipe);
  for (let i = 0; i < 70; i++) lines.add(Buffer.alloc(1000, 97));
  assert.equal(pipe.got.length, 66000);
  lines.flush();
  assert.equal(pipe.got.length, 70001);
});

test('what a full pipe does not take goes later, in order', () => {
  const pipe = newPipe(5);
  const lines = printTo(pipe);
  for (const text of ['one\n', 'two\n', 'three\n']) lines.add(Buffer.from(text));
  assert.equal(pipe.got.toString(), 'one\nt');
  pipe.room = Infinity;
  lines.add(Buffer.from('four'));
  lines.flush();
  assert.equal(pipe.got.toString(), 'one\ntwo\nthree\nfour\n');
  assert.equal(pipe.dropped, 0);
});

test('a line that has begun is ended; whole lines are dropped and counted; an exit does not wait for ever', () => {
  const pipe = newPipe(3);
  const lines = printTo(pipe);
  const big = `${'x'.repeat((3 << 20) - 1)}\n`;
  lines.add(Buffer.from(`${big}second\nthird\n`));
  lines.add(Buffer.from('fourth\n'));
  assert.equal(pipe.dropped, 3);
  lines.flush();
  assert.equal(pipe.got.toString(), 'xxx');
  pipe.room = Infinity;
  lines.flush();
  assert.equal(pipe.got.toString(), big);
});

test('a burst that is larger than the pipe comes out whole', async () => {
  const source = `module.exports = () => {
    for (let i = 0; i < 5000; i++) console.log(String(i).padStart(100, '.'));
    console.log('L'.repeat(300_000));
    return 'x'; };`;
  const engine = await startEngine({ files: { 'p.js': source }, routes: [['GET', '/', 'p.js']] });
  await request(engine.port, 'GET', '/');
  await engine.until(({ out }) => out.length === 5000 * 101 + 300_001);
  assert.deepEqual(await engine.stop(), { code: 0, signal: null });
  const lines = engine.out.split('\n');
  assert.ok(lines.slice(0, 5000).every((line, i) => Number(line.replaceAll('.', '')) === i));
  assert.equal(lines[5000].length, 300_000);
});
