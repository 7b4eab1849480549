'use strict';
// The benchmark itself, run for real and short: what it writes, that its counts are the server's, and that nothing stays.
const assert = require('node:assert/strict');
const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const test = require('node:test');
const { App, BIN, alive } = require('./serve-app');
const xml = require('./xml');

const ROOT = path.join(__dirname, '../..');
const LOADER = path.join(ROOT, 'build/release/bench/loader');
const OUT = path.dirname(path.dirname(path.resolve(BIN)));
const bench = (name) => import(path.join(ROOT, 'bench/load', name));

test.before(() => {
  const make = ['BUILD=release', 'OUT=build/release', 'build/release/bench/loader'];
  const { status, stdout, stderr } = spawnSync('make', make, { cwd: ROOT, encoding: 'utf8', env: { ...process.env, MAKEFLAGS: '' } });
  assert.equal(status, 0, stdout + stderr);
});

function folder(t) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'actix-it-bench-'));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** compare.mjs with its results in `dir`, and a temporary folder of its own, which it has to leave empty. */
function start(dir, ...more) {
  fs.mkdirSync(path.join(dir, 'tmp'), { recursive: true });
  const args = ['--out', OUT, '--loader', LOADER, '--results', path.join(dir, 'r'), '--rounds', '1', '--seconds', '1', ...more];
  const child = spawn(process.execPath, [path.join(ROOT, 'bench/load/compare.mjs'), ...args], {
    cwd: ROOT,
    env: { ...process.env, TMPDIR: path.join(dir, 'tmp') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const it = { child, out: '' };
  child.stdout.on('data', (data) => (it.out += data));
  child.stderr.on('data', (data) => (it.out += data));
  it.ended = new Promise((resolve) => child.on('close', (code, signal) => resolve(code ?? signal)));
  return it;
}

function isLoader(pid) {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith(LOADER);
  } catch {
    return false; // it has just ended
  }
}

/** Processes of a run: those that have its temporary folder in their environment. */
function withFolder(dir) {
  return fs.readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && fs.readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`TMPDIR=${dir}\0`);
    } catch {
      return false; // it has just ended
    }
  });
}

const read = (dir, name) => fs.readFileSync(path.join(dir, name), 'utf8');

function checkSummary(s) {
  for (const field of ['rps', 'cpu_us', 'p50', 'p99', 'alone_mib']) {
    const { median, min, max } = s[field];
    assert.ok(min > 0 && min <= median && median <= max, `${s.peer} ${s.case} ${field}: ${min} ${median} ${max}`);
  }
  assert.ok(s.requests > 0);
  assert.equal(s.errors + s.non2xx, 0);
}

test('compares, and writes JSON, Markdown and a chart', async (t) => {
  const dir = folder(t);
  const page = path.join(dir, 'page.md');
  fs.writeFileSync(page, '<!-- bench:cpu -->\nkept\n<!-- /bench:cpu -->\n');
  const it = start(dir, '--peers', 'actix,node-http', '--cases', 'get,post', '--measures', 'burst', '--docs', page);
  assert.equal(await it.ended, 0, it.out);
  const results = JSON.parse(read(dir, 'r.json'));
  assert.deepEqual(results.left_out, []);
  assert.deepEqual(results.problems, []);
  assert.deepEqual(results.peers.map((p) => [p.name, p.offers]), [['actix', ['get', 'post']], ['node-http', ['get', 'post']]]);
  assert.deepEqual(results.summary.map((s) => `${s.case} ${s.peer}`), ['get actix', 'get node-http', 'post actix', 'post node-http']);
  results.summary.forEach(checkSummary);
  assert.equal(results.runs.length, 4);
  assert.equal(results.further.burst.replaced, 0);
  for (const fact of ['cpu', 'kernel', 'node', 'date', 'version', 'build']) assert.ok(results.machine[fact], fact);
  const text = read(dir, 'r.md');
  for (const part of ['# Side by side', '![', '](r.svg)', 'GET / |', '## Targets', '## A burst on a busy handler', 'Nothing was left out.']) assert.ok(text.includes(part), part);
  for (const line of text.split('\n').filter((l) => l.startsWith('|'))) assert.ok(line.endsWith('|'), line);
  assert.ok(!/\b(NaN|undefined|Infinity)\b/.test(text + read(dir, 'r.svg')), text);
  const seen = xml.elements(read(dir, 'r.svg'));
  assert.equal(seen.rect, 1 + 2 + 2 * 4); // the page, two kinds, two figures of four
  assert.match(fs.readFileSync(page, 'utf8'), /kept/); // a part of the whole does not get into a page
  assert.deepEqual(fs.readdirSync(path.join(dir, 'tmp')), []);
});

test('writes the place and the targets of one measure alone when the page is named', async (t) => {
  const dir = folder(t);
  const page = path.join(dir, 'page.md');
  const place = (name, text) => `<!-- bench:${name} -->\n${text}\n<!-- /bench:${name} -->\n`;
  fs.writeFileSync(page, place('machine', 'that of all') + place('burst', 'old') + place('targets', '| the same: workers replaced | ≤ 0 | 7 | **no** |'));
  const it = start(dir, '--page', 'burst', '--docs', page);
  assert.equal(await it.ended, 0, it.out);
  const results = JSON.parse(read(dir, 'r.json'));
  assert.deepEqual([results.summary, Object.keys(results.further)], [[], ['burst']]); // nothing else is measured
  assert.equal(fs.existsSync(path.join(dir, 'r.svg')), false); // of nothing
  const text = read(dir, 'page.md');
  for (const part of [/that of all/, /the first answer \|/, /\| the same: workers replaced \| ≤ 0 \| 0 \| yes \|/]) assert.match(text, part);
  assert.doesNotMatch(text, /\bold\b/);
});

test('a peer that cannot be started is said and left out', async (t) => {
  const dir = folder(t);
  // an installed tree has no bare epoll loop
  const empty = path.join(dir, 'out');
  fs.mkdirSync(empty);
  const it = start(dir, '--out', empty, '--peers', 'limit,node-http', '--cases', 'get', '--measures', 'none');
  assert.equal(await it.ended, 0, it.out);
  const results = JSON.parse(read(dir, 'r.json'));
  assert.deepEqual(results.left_out.map((p) => p.name), ['limit']);
  assert.match(it.out, /limit is left out: .*not built/);
  assert.match(read(dir, 'r.md'), /- left out: limit: /);
});

test('a wrong name is an error that lists the right ones', async (t) => {
  const dir = folder(t);
  for (const [option, value] of [['--peers', 'apache'], ['--cases', 'all'], ['--measures', 'x'], ['--page', 'x'], ['--rounds', 'many'], ['--colour', 'red']]) {
    const it = start(dir, option, value);
    assert.equal(await it.ended, 2, it.out);
    assert.match(it.out, /^bench: (no |--rounds wants)/);
  }
});

test('an interrupt ends all that was started', async (t) => {
  const dir = folder(t);
  const { tree } = await bench('proc.mjs');
  const it = start(dir, '--peers', 'actix,node-http', '--cases', 'get', '--seconds', '60', '--measures', 'none');
  let all = [];
  while (!all.some(isLoader) && it.child.exitCode === null) {
    await new Promise((resolve) => setTimeout(resolve, 20)); // nothing tells when the load generator runs
    all = tree(it.child.pid);
  }
  assert.ok(all.length >= 5, `only ${all}`); // compare.mjs, two of actix, node:http, the load generator
  it.child.kill('SIGINT');
  assert.equal(await it.ended, 130, it.out);
  assert.deepEqual(all.filter(alive), []);
  assert.deepEqual(withFolder(path.join(dir, 'tmp')), []); // nor was anything started after them
  assert.deepEqual(fs.readdirSync(path.join(dir, 'tmp')), []);
});

test('the load generator counts what the server counts', async (t) => {
  const { load } = await bench('loader.mjs');
  const { CASES } = await bench('cases.mjs');
  const a = new App(t, {});
  const app = path.join(ROOT, 'bench/app/actix.yaml');
  const at = ['-c', app, '--state', path.join(a.dir, 'state')];
  const s = await a.serve(...at, '--port', '0', '--workers', '1');
  const sent = {};
  for (const name of Object.keys(CASES)) {
    const result = await load({ loader: LOADER }, name, { port: s.port, seconds: 0.3, connections: 8 });
    assert.equal(result.errors + result.non2xx, 0, name);
    const pattern = `${CASES[name].method} ${CASES[name].path.replace(/\?.*/, '').replace('12345', ':id')}`;
    sent[pattern] ??= { answers: 0, unanswered: 0 };
    sent[pattern].answers += result.requests + result.unrecorded;
    sent[pattern].unanswered += 8 * (CASES[name].pipeline ?? 1);
  }
  assert.equal(await s.signal('SIGTERM'), 0);
  const counted = Object.fromEntries(a.json('stats', ...at).routes.map((r) => [`${r.method} ${r.route}`, r.requests]));
  assert.deepEqual(Object.keys(counted).sort(), Object.keys(sent).sort());
  for (const [route, { answers, unanswered }] of Object.entries(sent)) {
    const more = counted[route] - answers;
    // what was on its way when the time was over has been answered, but nobody read it
    assert.ok(more >= 0 && more <= unanswered, `${route}: ${counted[route]} counted, ${answers} seen`);
  }
});
