// The disk of the database is full, then has room again: no request is affected, nothing is counted twice, and what was dropped
// is counted.  Needs a small file system of its own: root and mount(8).
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { start, until } from './lib/app.mjs';
import { Load } from './lib/load.mjs';
import { mix } from './lib/mix.mjs';
import { Skip, script } from './lib/script.mjs';

const DISK = '4m';
const FILL = 64 * 1024;

function mount() {
  const dir = mkdtempSync(join(tmpdir(), 'actix-disk-'));
  const { status, stderr, error } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK}`, 'actix-chaos', dir], {
    encoding: 'utf8',
  });
  if (status === 0) process.on('exit', () => unmount(dir));
  if (status === 0) return dir;
  rmdirSync(dir);
  throw new Skip(`cannot mount a file system: ${(error?.message ?? stderr).trim()}`);
}

function unmount(dir) {
  spawnSync('umount', ['-l', dir]);
  rmdirSync(dir);
}

/** Fills the disk to its last byte, and again what has been freed since. */
function fill(dir, files) {
  for (let bytes = FILL; bytes >= 1; bytes = bytes >> 1)
    for (;;) {
      const file = join(dir, `filler-${files.length}`);
      try {
        files.push(file);
        writeFileSync(file, Buffer.alloc(bytes));
      } catch (err) {
        if (err.code !== 'ENOSPC') throw err;
        break;
      }
    }
}

async function run(it, keep, disk) {
  const manifest = {
    server: { workers: 2, isolation: it.isolation, state: join(disk, 'state') },
    metrics: { interval: '200ms' },
    routes: mix.ROUTES,
  };
  const app = keep(await start(manifest, mix.FILES));
  const load = new Load(app.target, { seed: it.seed }).start();
  const files = [];
  await load.goesOn();
  fill(disk, files);
  const told = await until(
    () => app.log.find((line) => /full|database|disk/i.test(line.msg)),
    10_000,
    'the log says that the disk is full',
  ).catch((err) => ({ msg: err.message }));
  await sleep(it.size(20_000, 1500));
  const before = (await app.stats()).total.requests;
  const answers = load.answered;
  for (const file of files) rmSync(file, { force: true });
  await load.goesOn();
  await load.stop();
  const caughtUp = async () => {
    const { total, server } = await app.stats();
    return total.requests + server.dropped >= load.answered && { total, server };
  };
  const { total, server } = await until(caughtUp, 10_000, 'the counts are in the database').catch(() => app.stats());
  const events = await app.events();
  const code = await app.signal('SIGTERM');
  const after = await app.stats('--db', join(disk, 'state/metrics.db'));

  it.undisturbed(load);
  it.figure('answered when there was room again', answers);
  it.figure('counted in the database by then', before);
  it.figure('what the log said', told.msg);
  it.must('the log says so', /full|space/i.test(told.msg), 'true', /full|space/i.test(told.msg));
  it.equal('counted in the database at the end', total.requests, load.answered);
  it.figure('dropped (events and single requests)', server.dropped);
  it.equal('counted after the stop', after.total.requests, load.answered);
  it.figure('events', events.map((event) => event.kind).join(' '));
  it.equal('exit code at the end', code, 0);
}

await script('disk-full', async (it, keep) => {
  await run(it, keep, mount());
});
