// SIGTERM while slow requests run: all of them are answered, the exit code is 0, what is waited for is listed after 1 s.
// Those that are slower than timeouts.shutdown are cut off: exit code 5.
import { setTimeout as sleep } from 'node:timers/promises';
import { start, until } from './lib/app.mjs';
import { Load } from './lib/load.mjs';
import { mix } from './lib/mix.mjs';
import { script, told } from './lib/script.mjs';
import { ask } from './lib/wire.mjs';

const SLOW = 20;
const SLOW_HANDLER = `module.exports = async (req) => {
  console.log('slow');
  await new Promise((resolve) => setTimeout(resolve, Number(req.query.ms)));
  return 'slow';
};\n`;

function app(it, shutdown) {
  const manifest = {
    server: { workers: 2, isolation: it.isolation },
    timeouts: { shutdown, handler: '60s' },
    routes: { ...mix.ROUTES, '/slow': 'handlers/slow.js' },
  };
  return start(manifest, { ...mix.FILES, 'handlers/slow.js': SLOW_HANDLER });
}

/** Slow requests, once all are in their handlers. */
async function slowOnes(served, ms) {
  const all = Array.from({ length: SLOW }, () => ask(served.target, `/slow?ms=${ms}`));
  await until(() => (served.out.match(/^slow$/gm) ?? []).length === SLOW, 10_000, 'slow requests run');
  return all;
}

async function answered(it, served) {
  const load = new Load(served.target, { seed: it.seed, pauseMs: 20 }).start();
  await sleep(it.size(1000, 300));
  const slow = await slowOnes(served, 2500);
  const since = performance.now();
  const over = served.signal('SIGTERM');
  const refused = () => ask(served.target, '/echo?id=new', { limitMs: 200 }).then((one) => one.how === 'refused');
  const door = await until(refused, 1000, 'a new connection is refused').then(
    () => performance.now() - since,
    (err) => err.message,
  );
  const code = await over;
  const took = performance.now() - since;
  const got = await Promise.all(slow);
  await load.stop();

  it.heading('slow requests end within timeouts.shutdown');
  it.equal('slow requests answered', got.filter((one) => one.status === 200 && one.body === 'slow').length, SLOW);
  it.equal('of those, with Connection: close', got.filter((one) => /close/i.test(one.headers.connection)).length, SLOW);
  it.equal('exit code', code, 0);
  it.must('new connections are refused after, ms', door, 'a number', typeof door === 'number');
  it.figure('stopped after, ms', took);
  it.must('what it waits for is logged', waits(served), 'a number of requests', /\d+ requests?/.test(waits(served)));
  it.equal('processes left', served.processes.length, 0);
  it.figure('other requests answered', load.answered);
  it.figure('not answered any more', told(load.lost));
  it.figure('refused connects after the stop', load.refused);
  it.tell(load);
  it.equal('cut off within an answer', [...load.lost].filter(([how]) => /within/.test(how)).length, 0);
  it.equal('malformed or wrong answers', load.lost.get('wrong') ?? 0, 0);
}

const waits = (served) => served.log.map((line) => line.msg).find((msg) => /wait/i.test(msg)) ?? 'nothing';

async function forced(it, served) {
  const slow = await slowOnes(served, 30_000);
  const since = performance.now();
  const code = await served.signal('SIGTERM');
  const took = performance.now() - since;
  const got = await Promise.all(slow);

  it.heading('slow requests take longer');
  it.equal('exit code', code, 5);
  it.must('stopped after, ms', took, '1000..3000', took >= 990 && took <= 1000 + it.time(2000));
  it.equal('answered', got.filter((one) => one.status === 200).length, 0);
  it.equal('processes left', served.processes.length, 0);
}

async function twice(it, served) {
  const slow = await slowOnes(served, 30_000);
  const since = performance.now();
  served.child.kill('SIGINT');
  await until(() => waits(served) !== 'nothing', 10_000, 'it waits');
  const code = await served.signal('SIGINT');
  const took = performance.now() - since;
  await Promise.all(slow);

  it.heading('a second INT');
  it.equal('exit code', code, 5);
  it.atMost('stopped after, ms', took, 1000 + it.time(1000));
  it.equal('processes left', served.processes.length, 0);
}

await script('drain', async (it, keep) => {
  await answered(it, keep(await app(it, '10s')));
  await forced(it, keep(await app(it, '1s')));
  await twice(it, keep(await app(it, '20s')));
});
