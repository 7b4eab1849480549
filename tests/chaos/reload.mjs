// Reloads under load, with new code, new environment and a new manifest each time: no request is lost or refused, no keep-alive
// connection is closed.  Between them, reloads that must be refused and change nothing.
import { start, until } from './lib/app.mjs';
import { Load } from './lib/load.mjs';
import { mix } from './lib/mix.mjs';
import { script } from './lib/script.mjs';
import { ask } from './lib/wire.mjs';
import { setTimeout as sleep } from 'node:timers/promises';

const BETWEEN_MS = 200; // of load from one reload to the next
const BAD_EVERY = 5; // reloads

const code = (n) => `module.exports = () => 'code ${n} env ' + process.env.GENERATION;\n`;

function manifest(it, n) {
  return {
    server: { workers: 2, isolation: it.isolation },
    env: { GENERATION: String(n) },
    routes: { ...mix.ROUTES, '/generation': 'handlers/generation.js', [`/only-${n}`]: { respond: String(n) } },
  };
}

const BAD = [
  ['a manifest that is no YAML', (app) => app.write('actix.yaml', 'routes: [')],
  ['a handler that does not load', (app) => app.write('handlers/generation.js', 'throw new Error("no luck");\n')],
];

/** What a fresh request sees: code, environment, the new route, not the old one. */
async function seen(app, n) {
  const body = (await ask(app.target, '/generation')).body;
  const [now, before] = [await ask(app.target, `/only-${n}`), await ask(app.target, `/only-${n - 1}`)];
  if (body !== `code ${n} env ${n}`) return `reload ${n}: got ${body}`;
  if (now.body !== String(n)) return `reload ${n}: its new route answers ${now.status}`;
  return before.status === 404 ? '' : `reload ${n}: a removed route answers ${before.status}`;
}

async function good(app, it, n, wrong) {
  app.manifest(manifest(it, n));
  app.write('handlers/generation.js', code(n));
  const since = performance.now();
  const reload = await app.actix('reload');
  if (reload.code !== 0) wrong.push(`reload ${n}: exit ${reload.code}: ${reload.stderr.trim()}`);
  const said = reload.stdout + reload.stderr;
  if (!said.includes(`/only-${n}`)) wrong.push(`reload ${n} does not tell the new route: ${said.trim()}`);
  wrong.push(...[await seen(app, n)].filter(Boolean));
  return performance.now() - since;
}

async function bad(app, it, n, wrong) {
  for (const [what, spoil] of BAD) {
    spoil(app);
    const { generation } = await app.status();
    const reload = await app.actix('reload');
    if (reload.code === 0) wrong.push(`${what}: exit 0`);
    if (!reload.stderr.trim()) wrong.push(`${what}: no reason given`);
    const { body } = await ask(app.target, '/generation');
    if (body !== `code ${n} env ${n}`) wrong.push(`${what}: now ${body}`);
    if ((await app.status()).generation !== generation) wrong.push(`${what}: another generation`);
    app.manifest(manifest(it, n));
    app.write('handlers/generation.js', code(n));
  }
}

await script('reload', async (it, keep) => {
  const reloads = it.size(50, 5);
  const files = { ...mix.FILES, 'handlers/generation.js': code(0) };
  const app = keep(await start(manifest(it, 0), files));
  const before = app.engines.length;
  const load = new Load(app.target, { seed: it.seed }).start();
  const [wrong, times] = [[], []];
  let refused = 0;
  for (let n = 1; n <= reloads; n++) {
    await sleep(BETWEEN_MS);
    times.push(await good(app, it, n, wrong));
    if (n % BAD_EVERY) continue;
    await bad(app, it, n, wrong);
    refused += BAD.length;
  }
  await sleep(BETWEEN_MS);
  await load.stop();
  await until(() => app.engines.length === before, 15_000, 'the old engines have ended').catch((err) => wrong.push(err.message));
  const stats = await app.stats();
  const counted = stats.routes.filter((route) => route.route in mix.ROUTES).reduce((sum, route) => sum + route.requests, 0);

  it.figure('reloads, and refused ones', `${reloads}, ${refused}`);
  it.equal('reloads that did not do what they must', wrong.join('; ') || 'none', 'none');
  it.figure(
    'time of a reload, ms: mean, longest',
    `${Math.round(times.reduce((a, b) => a + b) / times.length)}, ${Math.round(Math.max(...times))}`,
  );
  it.undisturbed(load);
  it.equal('counted in the database', counted, load.answered);
  it.equal('events', stats.events.filter((event) => event.kind === 'crash').length, 0);
  it.equal('exit code at the end', await app.signal('SIGTERM'), 0);
  it.equal('processes left', app.processes.length, 0);
});
