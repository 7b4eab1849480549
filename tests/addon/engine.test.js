'use strict';
// Engine and workers as the supervisor drives them: real process, real sockets.
const test = require('node:test');
const assert = require('node:assert/strict');
const { Client, request, startEngine } = require('./harness');

const HELLO = { 'h.js': "module.exports = () => 'hello';" };

async function ready(options) {
  const engine = await startEngine(options);
  const first = await engine.until(({ messages }) => messages.find((m) => m.type === 'ready' || m.type === 'failed'));
  assert.equal(first.type, 'ready', JSON.stringify(first));
  return engine;
}

test('serves, and ends with "drained" and 0', async () => {
  const engine = await ready({
    files: HELLO,
    routes: [
      ['ANY', '/', 'h.js'],
      ['GET', '/fixed'],
    ],
  });
  assert.equal((await request(engine.port, 'GET', '/')).text, 'hello');
  assert.equal((await request(engine.port, 'GET', '/fixed')).text, 'fixed');
  assert.equal((await request(engine.port, 'GET', '/none')).status, 404);
  assert.deepEqual(await engine.stop(), { code: 0, signal: null });
  assert.equal(engine.messages.at(-1).type, 'drained');
});

test('four workers all serve; each has its own modules and its own id', async () => {
  const source = `
    const { worker, onStart } = require('actix-js');
    let started = false;
    onStart(async () => { await null; started = true; });
    module.exports = () => ({ ...worker, started });`;
  const engine = await ready({ workers: 4, files: { 'w.js': source }, routes: [['GET', '/', 'w.js']] });
  const clients = Array.from({ length: 16 }, () => new Client(engine.port));
  const answers = await Promise.all(clients.map((client) => client.get('/').next()));
  const seen = answers.map(({ text }) => JSON.parse(text));
  for (const client of clients) client.close();
  assert.deepEqual([...new Set(seen.map(({ id }) => id))].sort(), [0, 1, 2, 3]);
  assert.ok(seen.every((w) => w.started && w.count === 4 && w.generation === 1 && w.isolation === 'thread'));
  engine.tell({ type: 'workers' });
  const { workers } = await engine.message('workers');
  assert.deepEqual(
    workers,
    [0, 1, 2, 3].map((id) => ({ id, state: 'ready', restarts: 0 })),
  );
  assert.deepEqual(await engine.stop(), { code: 0, signal: null });
});

test('CommonJS, ESM and the Actix-JS interface resolve actix-js', async () => {
  const engine = await ready({
    files: {
      'a.mjs': "import { worker } from 'actix-js';\nexport const GET = () => `esm ${worker.id}`;",
      'b.mjs': "import api from '@qunto/actix-js';\nexport default () => typeof api.Server;",
      'c.js': "const api = require('@qunto/actix-js');\nexports.show = () => typeof api.get;",
      'd.js': "module.exports = async () => (await import('actix-js')).sum(1, 2);",
      'app.js':
        "const { get, Server } = require('actix-js');\nget('/code', (err, req) => req.sendText('from code'));\nnew Server({ host: 'x', port: 1 }).start();",
      'package/package.json': '{"type":"module"}',
      'package/e.js': "import { sum } from 'actix-js';\nexport function GET() { return `type module ${sum(1, 1)}`; }",
    },
    modules: ['app.js'],
    routes: [
      ['GET', '/a', 'a.mjs'],
      ['GET', '/b', 'b.mjs'],
      ['GET', '/c', 'c.js#show'],
      ['GET', '/d', 'd.js'],
      ['*', '/e', 'package/e.js'],
    ],
  });
  const texts = {};
  for (const name of ['a', 'b', 'c', 'd', 'e', 'code'])
    texts[name] = (await request(engine.port, 'GET', `/${name}`)).text;
  assert.deepEqual(texts, { a: 'esm 0', b: 'function', c: 'function', d: '3', e: 'type module 2', code: 'from code' });
  assert.equal((await request(engine.port, 'POST', '/e', '')).status, 405);
  assert.match(engine.err, /server\.listen/);
  assert.deepEqual(await engine.stop(), { code: 0, signal: null });
});

test('what JavaScript prints comes out in whole lines, the last one too', async () => {
  const source = `
    console.log('loading', process.argv.length, process.argv[1]);
    module.exports = () => { process.stdout.write('par'); process.stdout.write('tial\\nrest'); console.error('on stderr'); return 'x'; };`;
  const engine = await ready({ files: { 'p.js': source }, routes: [['GET', '/', 'p.js']] });
  await request(engine.port, 'GET', '/');
  await engine.until(({ out, err }) => out.includes('partial\n') && err.includes('on stderr\n'));
  assert.deepEqual(await engine.stop(), { code: 0, signal: null });
  assert.equal(engine.out, `loading 2 ${engine.root}/actix.yaml\npartial\nrest\n`);
});

test('errors of the first worker fail the start, all in one run, each at its place', async () => {
  const engine = await startEngine({
    workers: 2,
    files: {
      'throws.js': "\nthrow new Error('boom');",
      'syntax.js': 'module.exports = (;',
      'x.js': 'exports.show = () => 1; exports.number = 5;',
    },
    routes: [
      ['GET', '/1', 'throws.js'],
      ['GET', '/2', 'missing.js'],
      ['GET', '/3', 'x.js#shwo'],
      ['GET', '/4', 'x.js#number'],
      ['GET', '/5', 'x.js'],
      ['GET', '/6', 'syntax.js'],
      ['GET', '/7', 'throws.js'],
    ],
  });
  const { errors } = await engine.message('failed');
  assert.deepEqual(
    errors.map(({ at, message }) => `${at.line}: ${message}`),
    [
      '10: cannot load throws.js: boom (throws.js:2:7)',
      '11: cannot load missing.js: no such file',
      '12: x.js has no export "shwo" (it exports show), did you mean "show"?',
      '13: x.js: number is a number, not a function (it exports show)',
      '14: x.js exports neither GET nor a default function (it exports show); write exports.GET = (req) => ...',
      "15: cannot load syntax.js: SyntaxError: Unexpected token ';' (syntax.js:1)",
    ],
  );
  assert.deepEqual(await engine.exited, { code: 1, signal: null });
});

test('a start that hangs, rejects or clashes fails with one message', { concurrency: 3 }, async (t) => {
  const SOON = { startup_us: 3_000_000 }; // the start of the thread itself is in it
  const cases = [
    [
      'hangs',
      "require('actix-js').onStart(() => new Promise(() => setInterval(() => 0, 1000))); module.exports = () => 1;",
      /^an onStart hook did not get ready within timeouts.startup \(3 s\)/,
      SOON,
    ],
    [
      'rejects',
      "require('actix-js').onStart(async () => { throw new Error('no db'); }); module.exports = () => 1;",
      /an onStart hook failed: Error: no db \([^ ]+\.js:1:\d+\)/,
      {},
    ],
    [
      'clashes',
      "const a = require('actix-js'); a.get('/:x', () => 1); module.exports = () => 1;",
      /route GET \/:x is there twice/,
      {},
    ],
    [
      'spoils',
      "const a = require('actix-js'); a.get('/a:x', () => 1); a.get('/b/*c/d', () => 1); module.exports = () => 1;",
      /route \/b\/\*c\/d/,
      {},
    ],
    [
      'throws later',
      'setTimeout(() => { throw new Error("late"); }); module.exports = () => 1; require("actix-js").onStart(() => new Promise((r) => setTimeout(r, 1000)));',
      /uncaught exception: Error: late/,
      {},
    ],
    ['exits', 'process.exit(3)', /ended while it started in s\.js: it ended by itself \(exit code 3\)/, {}],
    ['spins', 'for (;;);', /^s\.js did not get ready within timeouts.startup \(3 s\)/, SOON],
  ];
  const one = async ([name, source, expected, more]) => {
    const engine = await startEngine({ files: { 's.js': source }, routes: [['GET', '/:id', 's.js']], ...more });
    const { errors } = await engine.message('failed');
    assert.match(errors[0].message, expected, name);
    assert.deepEqual(await engine.exited, { code: 1, signal: null });
  };
  await Promise.all(cases.map((what) => t.test(what[0], () => one(what))));
});

test('when the app starts, a worker that dies while others start fails it', async () => {
  const source = `
    const { worker, onStart } = require('actix-js');
    if (worker.id === 1) onStart(() => new Promise(() => setInterval(() => 0, 1000)));
    module.exports = () => { setImmediate(() => { throw new Error('bang'); }); return 'dying'; };`;
  const engine = await startEngine({ workers: 2, files: { 'u.js': source }, routes: [['GET', '/', 'u.js']] });
  assert.equal((await request(engine.port, 'GET', '/')).text, 'dying');
  const { errors } = await engine.message('failed');
  assert.match(errors[0].message, /^worker 0 ended while it started: uncaught exception: Error: bang/);
  assert.deepEqual(await engine.exited, { code: 1, signal: null });
});

test('in a later engine a worker that was ready is replaced, also while others still start', async () => {
  const source = `
    const { worker, onStart } = require('actix-js');
    if (worker.id === 1) onStart(() => new Promise((go) => setTimeout(go, 800)));
    module.exports = () => { setImmediate(() => { throw new Error('bang'); }); return 'dying'; };`;
  const options = { workers: 2, files: { 'u.js': source }, routes: [['GET', '/', 'u.js']] };
  const engine = await startEngine({ ...options, first: false }); // of the first generation too: it was started again
  assert.equal((await request(engine.port, 'GET', '/')).text, 'dying'); // by worker 0, the only one that is ready
  await engine.message('event', (m) => m.kind === 'restart' && m.text === 'worker 0 is back');
  await engine.message('ready');
  assert.deepEqual(await engine.stop(), { code: 0, signal: null });
});

test('an uncaught exception drains the worker, which is replaced with the same id', async () => {
  const source = `
    const { worker } = require('actix-js');
    const born = Math.random();
    let open;
    const gate = new Promise((r) => { open = r; });
    exports.who = () => ({ id: worker.id, born });
    exports.slow = async () => { await gate; return 'finished'; };
    exports.die = () => { setImmediate(() => { throw new Error('bang'); }); setTimeout(open, 100); return 'dying'; };`;
  const routes = [
    ['GET', '/', 'u.js#who'],
    ['GET', '/slow', 'u.js#slow'],
    ['GET', '/die', 'u.js#die'],
  ];
  const engine = await ready({ files: { 'u.js': source }, routes });
  const before = JSON.parse((await request(engine.port, 'GET', '/')).text);
  const slow = new Client(engine.port).get('/slow');
  const answer = slow.next();
  assert.equal((await request(engine.port, 'GET', '/die')).text, 'dying');
  assert.equal((await answer).text, 'finished');
  const crash = await engine.message('event', (m) => m.kind === 'crash');
  assert.match(crash.text, /worker 0: uncaught exception: Error: bang/);
  await engine.message('event', (m) => m.kind === 'restart');
  const after = JSON.parse((await request(engine.port, 'GET', '/')).text);
  assert.equal(after.id, before.id);
  assert.notEqual(after.born, before.born);
  assert.match(engine.err, /"route":"\/, \/slow, \/die".*"stack":"Error: bang/);
  assert.deepEqual(await engine.stop(), { code: 0, signal: null });
});

test('a worker that exits, or runs out of memory, is replaced', async () => {
  const source = `
    exports.exit = () => process.exit(7);
    exports.hog = () => { const all = []; for (;;) all.push(new Array(1000).fill({}).map(() => ({}))); };
    exports.ok = () => 'ok';`;
  const routes = [
    ['GET', '/exit', 'x.js#exit'],
    ['GET', '/hog', 'x.js#hog'],
    ['GET', '/ok', 'x.js#ok'],
  ];
  const engine = await ready({ files: { 'x.js': source }, routes, heapMb: 32 });
  new Client(engine.port).get('/exit');
  await engine.message('event', (m) => m.kind === 'crash' && /exit code 7/.test(m.text));
  await engine.message('event', (m) => m.kind === 'restart');
  engine.messages.length = 0;
  new Client(engine.port).get('/hog');
  await engine.message('event', (m) => m.kind === 'crash' && /limits.heap/.test(m.text));
  await engine.message('event', (m) => m.kind === 'restart');
  assert.equal((await request(engine.port, 'GET', '/ok')).text, 'ok');
  engine.tell({ type: 'workers' });
  assert.equal((await engine.message('workers')).workers[0].restarts, 2);
  assert.deepEqual(await engine.stop(), { code: 0, signal: null });
});

test('an unhandled rejection is logged with its route and kills nothing', async () => {
  const source = `
    exports.r = () => { Promise.reject(new Error('nobody cares')); return 'fine'; };
    exports.later = async () => { (async () => { await null; throw new Error('a little later'); })(); return 'fine'; };
    exports.odd = () => { Promise.reject(Object.create(null)); return 'fine'; };
    require('actix-js').get('/code', function code(err, req) { Promise.reject(new Error('from code')); req.sendText('fine'); });`;
  const names = ['r', 'later', 'odd'];
  const engine = await ready({ files: { 'r.js': source }, routes: names.map((name) => ['GET', `/${name}`, `r.js#${name}`]) });
  for (const name of [...names, 'code', 'r']) assert.equal((await request(engine.port, 'GET', `/${name}`)).text, 'fine');
  for (const line of [
    /unhandled rejection: Error: nobody cares.*"route":"\/r"/,
    /unhandled rejection: Error: a little later.*"route":"\/r, \/later, \/odd(, \/code)?"/,
    /unhandled rejection: \[Object: null prototype\] \{\}/,
    /unhandled rejection: Error: from code.*"route":"\/code"/,
  ]) await engine.until(({ err }) => line.test(err));
  assert.deepEqual(await engine.stop(), { code: 0, signal: null });
});

test('a throw in process.nextTick is an uncaught exception; the batch is answered', async () => {
  const source = `
    exports.tick = () => { process.nextTick(() => { throw new Error('ticked'); }); return 'answered'; };
    exports.ok = () => 'ok';`;
  const engine = await ready({
    files: { 't.js': source },
    routes: [
      ['GET', '/tick', 't.js#tick'],
      ['GET', '/ok', 't.js#ok'],
    ],
  });
  assert.equal((await request(engine.port, 'GET', '/tick')).text, 'answered');
  await engine.message('event', (m) => /ticked/.test(m.text));
  await engine.message('event', (m) => m.kind === 'restart');
  assert.equal((await request(engine.port, 'GET', '/ok')).text, 'ok');
  assert.deepEqual(await engine.stop(), { code: 0, signal: null });
});

test('stop waits for requests in progress, then runs onStop, latest first', async () => {
  const source = `
    const { onStop } = require('actix-js');
    onStop(({ reason }) => console.log('first', reason));
    onStop(async () => { await null; console.log('second'); throw new Error('stop failed'); });
    exports.slow = () => new Promise((r) => setTimeout(() => { console.log('answering'); r('slow'); }, 200));`;
  const engine = await ready({ workers: 2, files: { 's.js': source }, routes: [['GET', '/', 's.js#slow']] });
  const idle = new Client(engine.port);
  await new Promise((resolve) => idle.socket.once('connect', resolve));
  const slow = new Client(engine.port).get('/');
  const answer = slow.next();
  await new Promise((resolve) => setTimeout(resolve, 50));
  const stopped = engine.stop();
  const { text, headers } = await answer;
  assert.equal(text, 'slow');
  assert.ok(headers.some(([name, value]) => name === 'connection' && value === 'close'));
  await idle.end();
  assert.deepEqual(await stopped, { code: 0, signal: null });
  assert.match(engine.out, /answering\n(.*\n)*second\nfirst stop\n/);
  assert.match(engine.err, /an onStop hook failed: Error: stop failed/);
});

test('lame duck still serves, with Connection: close', async () => {
  const engine = await ready({
    files: HELLO,
    routes: [
      ['GET', '/', 'h.js'],
      ['GET', '/health', undefined, { kind: 'health', health: 'ready' }],
    ],
  });
  assert.equal((await request(engine.port, 'GET', '/health')).status, 200);
  engine.tell({ type: 'lame_duck' });
  engine.tell({ type: 'workers' });
  await engine.message('workers');
  for (;;) {
    const { status, headers } = await request(engine.port, 'GET', '/');
    assert.equal(status, 200);
    if (headers.some(([name, value]) => name === 'connection' && value === 'close')) break;
  }
  assert.equal((await request(engine.port, 'GET', '/health')).status, 503);
  assert.deepEqual(await engine.stop(), { code: 0, signal: null });
});

test('the engine ignores TERM, INT and HUP, and ends at once when the supervisor is gone', async () => {
  const engine = await ready({ files: HELLO, routes: [['GET', '/', 'h.js']] });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) engine.child.kill(signal);
  assert.equal((await request(engine.port, 'GET', '/')).text, 'hello');
  engine.child.stdio[4].end();
  assert.deepEqual(await engine.exited, { code: 1, signal: null });
});
