// Handlers that never come back, or only after a long time: each is answered 504 at timeouts.stall while it is still stuck, what
// waits beside it in the same worker 502, everything else is answered by another worker or the replacement.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { start, until } from './lib/app.mjs';
import { HELD_FILE, HELD_ROUTE, SAY_STUCK, enteredTwice, holdAll, onlyAwaitingLost, outcomes, stuckIn } from './lib/held.mjs';
import { Load } from './lib/load.mjs';
import { mix } from './lib/mix.mjs';
import { script } from './lib/script.mjs';
import { ask } from './lib/wire.mjs';

const STALL_MS = 300; // timeouts.stall
const LATE_MS = 300; // that the 504 may be late
const HELD = 4; // requests that wait beside it
const HELD_MS = 1500; // for so long: well beyond the stall

/**
 * body: of the handler; short: in the short version too; renewed: its thread never ends, the engine must be replaced; limit: the
 * route's timeout, where nobody can say from outside which request is stuck: those over their limit are taken to be.
 */
const KINDS = {
  loop: { body: 'for (;;);', short: true },
  microtasks: { body: 'return (async () => { for (;;) await null; })();', limit: '250ms' },
  regexp: { body: "return /^(a+)+$/.test('a'.repeat(60) + 'b');" },
  'Atomics.wait': { body: 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);', short: true },
  // What takes its time is one call of JSON.parse: 0.4 s.
  'JSON.parse of 100 MB': {
    before: `const text = '[' + '"\\\\u0041\\\\u0042\\\\u0043\\\\u0044\\\\u0045\\\\u0046\\\\u0047\\\\u0048",'.repeat(1960000) + '0]';`,
    body: 'return JSON.parse(text).length;',
    stallMs: 100,
  },
  execSync: { body: "require('node:child_process').execSync('sleep 3');" },
  'FIFO read': {
    // Opened for both directions, so that opening does not wait: what is stuck is read(2).
    body: "const fs = require('node:fs');\n  fs.readSync(fs.openSync('fifo', 'r+'), Buffer.alloc(1));",
    prepare: (app) => spawnSync('mkfifo', [join(app.dir, 'fifo')]),
  },
  'native loop': { body: "require('node:crypto').pbkdf2Sync('a', 'b', 2 ** 31 - 1, 64, 'sha512');", renewed: true },
};

const handler = ({ before = '', body }) => `${before}\nmodule.exports = (req) => {\n  ${SAY_STUCK}\n  ${body}\n};\n`;

async function one(it, keep, name, kind, workers) {
  const stallMs = kind.stallMs ?? STALL_MS;
  const manifest = {
    server: { workers, isolation: it.isolation },
    timeouts: { stall: `${stallMs}ms`, handler: '20s' },
    limits: { heap: '1GiB' },
    routes: { ...mix.ROUTES, ...HELD_ROUTE, '/stuck': { handler: 'handlers/stuck.js', timeout: kind.limit ?? '20s' } },
  };
  const app = keep(await start(manifest, { ...mix.FILES, ...HELD_FILE, 'handlers/stuck.js': handler(kind) }));
  kind.prepare?.(app);
  const load = new Load(app.target, { seed: it.seed, clients: it.size(64, 32), pauseMs: 40 }).start();
  await load.goesOn();
  const engines = app.engines;
  const neighbours = it.isolation === 'process' ? workers - 1 : 0; // processes that go on
  const held = await holdAll(app, 'h', HELD, HELD_MS);
  const got = await ask(app.target, '/stuck?id=s1');
  const guilty = stuckIn(app, 's1');
  const others = await held.over;
  const beside = others.filter((_, i) => held.worker[i] === guilty);
  const elsewhere = others.filter((_, i) => held.worker[i] !== guilty);
  if (kind.renewed)
    await until(() => app.engines.filter((pid) => engines.includes(pid)).length <= neighbours, 60_000, 'the engine is replaced').catch((err) =>
      it.must('engine', err.message, 'replaced', false),
    );
  await load.goesOn();
  await load.stop();
  const events = await app.events('stall');
  const ready = await until(
    async () => (await app.status()).workers.filter((w) => w.state === 'ready').length === workers,
    10_000,
    'workers',
  ).catch(() => false);

  it.heading(`${name}, workers: ${workers}`);
  it.equal('the stuck request', `${got.how} ${got.status}`, 'answered 504');
  it.must('after, ms', got.ms, `${stallMs}..`, got.ms >= stallMs && got.ms <= stallMs + it.time(LATE_MS));
  it.equal('awaiting beside it', outcomes(beside), beside.length ? `502: ${beside.length}` : 'none');
  it.equal('awaiting in the other worker', outcomes(elsewhere), elsewhere.length ? `200: ${elsewhere.length}` : 'none');
  it.equal('entered twice', enteredTwice(app, 'h').join(' ') || 'none', 'none');
  onlyAwaitingLost(it, load);
  it.must(
    'event',
    events[0]?.text ?? 'none',
    'names the route',
    /\/stuck/.test(events[0]?.text ?? '') || kind.limit !== undefined,
  );
  it.equal('all workers are ready again', ready !== false, true);
  it.tell(load);
  app.clean();
}

await script('stuck', async (it, keep) => {
  for (const [name, kind] of Object.entries(KINDS)) {
    if (it.short && !kind.short) continue;
    if (process.env.KIND && process.env.KIND !== name) continue;
    for (const workers of [1, 2]) await one(it, keep, name, kind, workers);
  }
});
