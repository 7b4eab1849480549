// A day's worth of requests in miniature: memory is flat after the warm-up, and no descriptor is left open.
import { start, until } from './lib/app.mjs';
import { Load } from './lib/load.mjs';
import { mix } from './lib/mix.mjs';
import { descriptors, resident } from './lib/proc.mjs';
import { script } from './lib/script.mjs';

const WARM = 0.3; // of the requests, before memory is judged
const SAMPLES = 400;
const MIB = 1024 * 1024;
// What the fitted line may rise from the warm-up to the end.  V8 lets its heap grow for a while before it collects.
const RISE = 8 * MIB;
const RISE_SHORT = 24 * MIB;
const PIPELINE = 48;

/** Least squares: bytes for each request, and the rise over all points. */
function slope(points) {
  const n = points.length;
  const [mx, my] = [0, 1].map((i) => points.reduce((sum, p) => sum + p[i], 0) / n);
  const over = points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0);
  const each = over / points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
  return { each, rise: each * (points[n - 1][0] - points[0][0]) };
}

await script('soak', async (it, keep) => {
  const requests = it.size(20_000_000, 200_000);
  const app = keep(await start({ server: { workers: 2, isolation: it.isolation }, routes: mix.ROUTES }, mix.FILES));
  const memory = () => app.engines.reduce((sum, pid) => sum + resident(pid), 0);
  const open = () => app.engines.reduce((sum, pid) => sum + descriptors(pid), 0);
  const at = { descriptors: open(), supervisor: descriptors(app.pid) };
  const points = [];
  const each = Math.floor(requests / SAMPLES);
  const load = new Load(app.target, {
    seed: it.seed,
    pauseMs: 0,
    pipeline: PIPELINE,
    requests,
    answered: () => load.answered % each === 0 && points.push([load.answered, memory()]),
  }).start();
  await load.finished();
  const judged = points.slice(Math.floor(points.length * WARM));
  const { each: perRequest, rise } = slope(judged);
  await until(async () => (await app.status()).connections === 0, 10_000, 'all connections are closed');
  const stats = await app.stats();

  it.undisturbed(load);
  it.figure('memory: start, warm, end, MiB', [points[0], judged[0], points.at(-1)].map((p) => Math.round(p[1] / MIB)).join(', '));
  it.figure('slope after the warm-up, bytes a request', perRequest.toFixed(4));
  it.atMost('rise after the warm-up, MiB', rise / MIB, it.size(RISE, RISE_SHORT) / MIB);
  it.equal('descriptors left open: engine', open() - at.descriptors, 0);
  it.equal('descriptors left open: supervisor', descriptors(app.pid) - at.supervisor, 0);
  it.equal('counted in the database', stats.total.requests, load.answered);
  it.equal('exit code at the end', await app.signal('SIGTERM'), 0);
});
