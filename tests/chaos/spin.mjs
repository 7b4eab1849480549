// A worker spins again and again, in its handler and behind an await, while synchronous and awaiting handlers run: the spinning
// requests get 504, what awaited in that worker 502, and exactly that; no connection is closed but theirs.
import { setTimeout as sleep } from 'node:timers/promises';
import { start, until } from './lib/app.mjs';
import { HELD_FILE, HELD_ROUTE, SAY_STUCK, enteredTwice, holdAll, onlyAwaitingLost, outcomes, stuckIn } from './lib/held.mjs';
import { Load } from './lib/load.mjs';
import { mix } from './lib/mix.mjs';
import { script } from './lib/script.mjs';
import { ask } from './lib/wire.mjs';

const STALL_MS = 600; // timeouts.stall
const LIMIT_MS = 500; // of the spinning route
const LATE_MS = 300; // that the 504 may be late
const EVERY_MS = 2000;
const HELD = 4;
const HELD_MS = 1300;

// Every other one spins after an await.  Nobody can say from outside which request it is: those that are over their own limit
// get 504, and the route's limit is below timeouts.stall.
const SPIN = `module.exports = (req) => {
  ${SAY_STUCK}
  if (req.query.how === 'sync') for (;;);
  return (async () => { await null; for (;;); })();
};\n`;

async function spin(app, n) {
  const held = await holdAll(app, `h${n}`, HELD, HELD_MS);
  const how = n % 2 ? 'sync' : 'async';
  const got = await ask(app.target, `/spin?id=s${n}&how=${how}`);
  const over = await held.over;
  const guilty = stuckIn(app, `s${n}`);
  return {
    how,
    got,
    beside: over.filter((_, i) => held.worker[i] === guilty),
    elsewhere: over.filter((_, i) => held.worker[i] !== guilty),
    twice: enteredTwice(app, `h${n}-`),
  };
}

/** Numbers that an event's text gives for a status: "3 requests got 502", "502: 3". */
const counted502 = (text) => Number(/(\d+)[^,;.]* 502|502[^0-9,;.]*(\d+)/.exec(text)?.slice(1).find(Boolean) ?? 0);

await script('spin', async (it, keep) => {
  const seconds = it.size(60, 8);
  const manifest = {
    server: { workers: 2, isolation: it.isolation, quarantine: { kills: 1000 } },
    timeouts: { stall: `${STALL_MS}ms`, handler: '20s' },
    routes: { ...mix.ROUTES, ...HELD_ROUTE, '/spin': { handler: 'handlers/spin.js', timeout: `${LIMIT_MS}ms` } },
  };
  const app = keep(await start(manifest, { ...mix.FILES, ...HELD_FILE, 'handlers/spin.js': SPIN }));
  const load = new Load(app.target, { seed: it.seed }).start();
  const spins = [];
  for (let n = 1; n <= (seconds * 1000) / EVERY_MS; n++) {
    const next = sleep(EVERY_MS);
    spins.push(await spin(app, n));
    await next;
  }
  await load.stop();
  const allReady = async () => (await app.status()).workers.filter((one) => one.state === 'ready').length === 2;
  const ready = await until(allReady, 15_000, 'all workers are ready').catch(() => false);
  const stats = await app.stats();
  const events = stats.events.filter((event) => event.kind === 'stall');
  const beside = spins.flatMap((one) => one.beside);
  const elsewhere = spins.flatMap((one) => one.elsewhere);
  const times = spins.map((one) => one.got.ms);

  it.figure('spins', `${spins.length} (${spins.filter((one) => one.how === 'async').length} behind an await)`);
  it.equal('spinning requests', outcomes(spins.map((one) => one.got)), `504: ${spins.length}`);
  it.must(
    'after, ms',
    `${Math.round(Math.min(...times))}..${Math.round(Math.max(...times))}`,
    `${STALL_MS}..`,
    Math.min(...times) >= STALL_MS && Math.max(...times) <= STALL_MS + it.time(LATE_MS),
  );
  it.equal('awaiting beside them', outcomes(beside), beside.length ? `502: ${beside.length}` : 'none');
  it.equal('awaiting in the other worker', outcomes(elsewhere), elsewhere.length ? `200: ${elsewhere.length}` : 'none');
  it.equal('entered twice', spins.flatMap((one) => one.twice).join(' ') || 'none', 'none');
  const lost = onlyAwaitingLost(it, load);
  it.equal('events', events.length, spins.length);
  it.equal(
    '502 that the events tell',
    events.reduce((sum, event) => sum + counted502(event.text), 0),
    lost + beside.length,
  );
  it.figure('an event', events[0]?.text ?? 'none');
  it.equal('worker restarts', stats.server.worker_restarts, spins.length);
  it.equal('all workers are ready again', ready, true);
  it.equal('exit code at the end', await app.signal('SIGTERM'), 0);
});
