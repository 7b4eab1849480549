// A worker's heap is exhausted, in the way that V8 reports to the worker and in the way where it aborts the process: only requests
// that ran in that worker fail; after an abort the engine is replaced without a lost request.
import { start, until } from './lib/app.mjs';
import { HELD_FILE, HELD_ROUTE, SAY_STUCK, holdAll, onlyAwaitingLost, outcomes, stuckIn } from './lib/held.mjs';
import { Load } from './lib/load.mjs';
import { mix } from './lib/mix.mjs';
import { script } from './lib/script.mjs';
import { ask } from './lib/wire.mjs';

const HELD = 4;
const HELD_MS = 6000; // longer than exhausting the heap takes
const KINDS = {
  reported: 'const all = []; for (;;) all.push(new Array(100).fill(all.length));',
  aborting: 'return new Array(2e8).fill({}).length;',
};

async function exhaust(app, kind, n) {
  const held = await holdAll(app, `${kind}${n}`, HELD, HELD_MS);
  const got = await ask(app.target, `/${kind}?id=s-${kind}${n}`);
  const over = await held.over;
  const guilty = stuckIn(app, `s-${kind}${n}`);
  return {
    got,
    beside: over.filter((_, i) => held.worker[i] === guilty),
    elsewhere: over.filter((_, i) => held.worker[i] !== guilty),
  };
}

async function series(it, keep, kind, times) {
  const manifest = {
    server: { workers: 2, isolation: it.isolation, quarantine: { kills: 1000 } },
    limits: { heap: '64MiB' },
    timeouts: { stall: '10s', handler: '30s' },
    routes: { ...mix.ROUTES, ...HELD_ROUTE, [`/${kind}`]: 'handlers/eat.js' },
  };
  const eat = `module.exports = (req) => {\n  ${SAY_STUCK}\n  ${KINDS[kind]}\n};\n`;
  const app = keep(await start(manifest, { ...mix.FILES, ...HELD_FILE, 'handlers/eat.js': eat }));
  const load = new Load(app.target, { seed: it.seed }).start();
  const all = [];
  const renewed = [];
  for (let n = 1; n <= times; n++) {
    const engines = app.engines;
    all.push(await exhaust(app, kind, n));
    // The aborted thread is parked for ever: the engine has to go.
    const gone = () => !app.engines.some((pid) => engines.includes(pid));
    if (kind === 'aborting' && it.isolation === 'thread')
      renewed.push(await until(gone, 30_000, 'the engine is replaced').catch((err) => err));
    await until(async () => (await app.status()).workers.every((one) => one.state === 'ready'), 30_000, 'all workers are ready');
    await load.goesOn();
  }
  await load.stop();
  const events = await app.events();
  const beside = all.flatMap((one) => one.beside);
  const elsewhere = all.flatMap((one) => one.elsewhere);

  it.heading(`heap exhaustion, ${kind}`);
  it.figure('times', times);
  it.must(
    'the exhausting requests',
    outcomes(all.map((one) => one.got)),
    'each answered 502 or 504',
    all.every(({ got }) => got.status === 502 || got.status === 504),
  );
  it.equal('awaiting beside them', outcomes(beside), beside.length ? `502: ${beside.length}` : 'none');
  it.equal('awaiting in the other worker', outcomes(elsewhere), elsewhere.length ? `200: ${elsewhere.length}` : 'none');
  if (renewed.length) it.equal('engines replaced', renewed.filter((one) => one === true).length, times);
  onlyAwaitingLost(it, load);
  it.figure('events', [...new Set(events.map((event) => event.kind))].join(' '));
  it.figure('an event', events.find((event) => event.kind !== 'start')?.text ?? 'none');
  it.equal('exit code at the end', await app.signal('SIGTERM'), 0);
}

await script('heap', async (it, keep) => {
  for (const kind of Object.keys(KINDS)) await series(it, keep, kind, it.size(10, 1));
});
