// The supervisor is killed by SIGKILL under load: nothing that it started is alive 2 s later, the database is intact and lacks
// at most one interval, and the app starts again in the same folder.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { start, until } from './lib/app.mjs';
import { Load } from './lib/load.mjs';
import { mix } from './lib/mix.mjs';
import { script } from './lib/script.mjs';
import { ask } from './lib/wire.mjs';

const ORPHANS_MS = 2000;
const INTERVAL_MS = 1000; // metrics.interval
const COMMIT_MS = 500; // the transaction of an interval is not done the moment it ends

/** Answers that clients had at each moment. */
class History {
  #points = [];

  note(n) {
    this.#points.push([performance.now(), n]);
  }

  at(moment) {
    return this.#points.findLast(([when]) => when <= moment)?.[1] ?? 0;
  }
}

function integrity(database) {
  const { stdout, stderr, error } = spawnSync('sqlite3', [database, 'PRAGMA integrity_check'], { encoding: 'utf8' });
  if (error) throw new Error(`sqlite3 (package sqlite3) is needed to look at the database: ${error.message}`);
  return (stdout + stderr).trim();
}

async function once(it, keep, seconds, prefix) {
  const app = keep(
    await start(
      { server: { workers: 2, isolation: it.isolation }, metrics: { interval: `${INTERVAL_MS}ms` }, routes: mix.ROUTES },
      mix.FILES,
    ),
  );
  const history = new History();
  const load = new Load(app.target, { seed: it.seed, answered: () => history.note(load.answered) }).start();
  await sleep(seconds * 1000);
  const killed = performance.now();
  process.kill(app.pid, 'SIGKILL');
  await app.ended;
  await until(() => !app.processes.length, 3 * ORPHANS_MS, 'no process is left').catch(() => undefined);
  const gone = performance.now() - killed;
  const left = app.processes.length;
  await load.stop();
  const database = join(app.dir, '.actix/metrics.db');
  const intact = integrity(database);
  const { total } = await app.stats('--db', database);
  await app.serve();
  const again = await ask(app.target, '/echo?id=again');
  const least = history.at(killed - INTERVAL_MS - COMMIT_MS);

  it.heading(`${prefix} after ${seconds.toFixed(2)} s`);
  it.equal('processes left', left, 0);
  it.atMost('the last one ended after, ms', gone, ORPHANS_MS);
  it.equal('PRAGMA integrity_check', intact, 'ok');
  it.figure('answers that clients got', load.answered);
  it.must(
    'counted in the database',
    total.requests,
    `${least}..${load.sent}`,
    total.requests >= least && total.requests <= load.sent,
  );
  it.equal('malformed or wrong answers', load.lost.get('wrong') ?? 0, 0);
  it.equal('serves again', again.body, 'again');
  it.atLeast('counted by then', (await app.stats()).total.requests, total.requests + 1);
  it.equal('exit code at the end', await app.signal('SIGTERM'), 0);
  it.tell({ failures: load.failures.filter((line) => line.startsWith('wrong')) });
}

await script('supervisor-kill', async (it, keep) => {
  const times = it.size(5, 1);
  // At another point of the interval each time.
  for (let n = 1; n <= times; n++) await once(it, keep, 2.2 + (n % 5) * 0.21, `kill ${n}`);
});
