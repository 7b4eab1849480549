// A day's worth of requests in miniature: memory is flat after the warm-up, and no descriptor is left open.
import { start, until } from './lib/app.mjs';
import { Load } from './lib/load.mjs';
import { mix } from './lib/mix.mjs';
import { memoryByKind } from './lib/memory.mjs';
import { descriptors, resident, tree } from './lib/proc.mjs';
import { script } from './lib/script.mjs';
import { ask } from './lib/wire.mjs';

const WARM = 0.3; // of the requests, before memory is judged
const SAMPLES = 100;
const MIB = 1024 * 1024;
// What the fitted line may rise from the warm-up to the end.
const RISE = 8 * MIB;
const RISE_SHORT = 24 * MIB;
const PIPELINE = 48;
const WORKERS = 2;
const TRIES = 100;

// Memory is judged behind a full collection: what is then still there is kept by something.  V8 looks at its old generation
// once in ten million of these requests or less.  Until then what outlived two collections of the young one stays there:
// each block of 8 KiB that Buffer.from cuts small Buffers from (8 for each 100,000 requests: 0.65 bytes a request, which was
// the slope of the resident memory to the byte), and timers.
const COLLECT = `const { worker } = require('actix-js');
module.exports = () => {
  gc();
  return String(worker.id);
};\n`;

/** Least squares: bytes for each request, and the rise over all points. */
function slope(points) {
  const n = points.length;
  const [mx, my] = [0, 1].map((i) => points.reduce((sum, p) => sum + p[i], 0) / n);
  const over = points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0);
  const each = over / points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
  return { each, rise: each * (points[n - 1][0] - points[0][0]) };
}

/** Has every worker collect its garbage: a connection goes to one of them.  Resolves with how many requests that took. */
async function collect(app) {
  const done = new Set();
  let asked = 0;
  while (done.size < WORKERS) {
    if (asked >= TRIES) throw new Error(`of ${asked} connections none came to the other worker`);
    asked += WORKERS;
    for (const { status, body } of await Promise.all(Array.from({ length: WORKERS }, () => ask(app.target, '/collect')))) {
      if (status !== 200) throw new Error(`/collect: ${status}`);
      done.add(String(body));
    }
  }
  return asked;
}

const inMib = (numbers) => numbers.map((n) => ((n ?? 0) / MIB).toFixed(1)).join(', ');

/** What grows, when something does. */
function tellKinds(it, kinds) {
  const names = [...new Set(kinds.flatMap((sums) => [...sums.keys()]))];
  for (const name of names) it.figure(`  ${name}`, inMib(kinds.map((sums) => sums.get(name))));
}

await script('soak', async (it, keep) => {
  const requests = it.size(20_000_000, 200_000);
  const server = { workers: WORKERS, isolation: it.isolation, node_options: ['--expose-gc'] };
  const routes = { ...mix.ROUTES, '/collect': 'handlers/collect.js' };
  const app = keep(await start({ server, routes }, { ...mix.FILES, 'handlers/collect.js': COLLECT }));
  const memory = () => tree(app.pid).reduce((sum, pid) => sum + resident(pid), 0);
  const open = () => app.engines.reduce((sum, pid) => sum + descriptors(pid), 0);
  const at = { descriptors: open(), supervisor: descriptors(app.pid) };
  const points = [];
  const kinds = [];
  let [asked, highest] = [0, 0];
  const sample = async (answered) => {
    highest = Math.max(highest, memory());
    asked += await collect(app);
    points.push([answered, memory()]);
    if ([1, SAMPLES * WARM, SAMPLES].includes(points.length)) kinds.push(memoryByKind(tree(app.pid)));
  };
  const each = Math.floor(requests / SAMPLES);
  let sampled = Promise.resolve();
  const load = new Load(app.target, {
    seed: it.seed,
    pauseMs: 0,
    pipeline: PIPELINE,
    requests,
    answered: () => {
      const { answered } = load;
      if (answered % each === 0) sampled = sampled.then(() => sample(answered));
    },
  }).start();
  await load.finished();
  await sampled;
  const judged = points.slice(Math.floor(points.length * WARM));
  const { each: perRequest, rise } = slope(judged);
  await until(async () => (await app.status()).connections === 0, 10_000, 'all connections are closed');
  const stats = await app.stats();

  it.undisturbed(load);
  it.figure('memory at the most, MiB', inMib([highest]));
  it.figure('behind a collection: start, warm, end, MiB', inMib([points[0], judged[0], points.at(-1)].map((p) => p[1])));
  tellKinds(it, kinds);
  it.figure('slope after the warm-up, bytes a request', perRequest.toFixed(4));
  it.atMost('rise after the warm-up, MiB', rise / MIB, it.size(RISE, RISE_SHORT) / MIB);
  it.equal('descriptors left open: engine', open() - at.descriptors, 0);
  it.equal('descriptors left open: supervisor', descriptors(app.pid) - at.supervisor, 0);
  it.equal('counted in the database', stats.total.requests, load.answered + asked);
  it.equal('exit code at the end', await app.signal('SIGTERM'), 0);
});
