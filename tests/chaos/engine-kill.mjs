// The engine is killed by SIGKILL under load: connecting never fails, the first answer comes soon, the counts in the database
// are the answers that clients got, and the event names the requests that were running.
import { setTimeout as sleep } from 'node:timers/promises';
import { start, until } from './lib/app.mjs';
import { Load } from './lib/load.mjs';
import { mix } from './lib/mix.mjs';
import { script, told } from './lib/script.mjs';
import { ask } from './lib/wire.mjs';

const HELD = 3; // requests that are running for sure when the engine dies
const FIRST_ANSWER_MS = 500;
// An engine that was up for a second is started again at once, another one after a pause (docs/operations.md).
const UP_MS = 2000;
const UP_SHORT_MS = 1100;

const HOLD = `module.exports = (req) => {
  console.log('held ' + req.id);
  return new Promise(() => {});
};\n`;

const heldSince = (app, from) => [...app.out.slice(from).matchAll(/^held (\S+)$/gm)].map((found) => found[1]);

/** Requests that wait in a handler for ever; resolves when they do, with the server's ids of them. */
async function hold(app) {
  const from = app.out.length;
  const over = Array.from({ length: HELD }, () => ask(app.target, '/hold'));
  await until(() => heldSince(app, from).length === HELD, 10_000, 'requests are held');
  return { over, ids: heldSince(app, from) };
}

/** Kills every engine, so that the figures mean the same under process isolation. */
async function kill(app, seen) {
  const { over, ids } = await hold(app);
  const engines = app.engines;
  for (const pid of engines) process.kill(pid, 'SIGKILL');
  const { ms } = await ask(app.target, '/echo?id=first');
  await Promise.all(over);
  const events = () => app.events('crash');
  await until(async () => (await events()).length >= seen + engines.length, 10_000, 'a crash event');
  const texts = (await events()).slice(seen).map((event) => event.text);
  // A long list ends with "and N more".
  const unnamed = /and \d+ more/.test(texts.join('\n')) ? [] : ids.filter((id) => !texts.join('\n').includes(id));
  return {
    ms,
    events: engines.length,
    texts,
    unnamed: unnamed.length && !texts.join('\n').includes('/hold') ? [...unnamed, 'the route'] : unnamed,
  };
}

await script('engine-kill', async (it, keep) => {
  const manifest = {
    server: { workers: 2, isolation: it.isolation },
    timeouts: { handler: '60s' },
    routes: { ...mix.ROUTES, '/hold': 'handlers/hold.js' },
  };
  const app = keep(await start(manifest, { ...mix.FILES, 'handlers/hold.js': HOLD }));
  // Handlers that answer at once: what the event names is what is held, and little else.
  const load = new Load(app.target, { seed: it.seed, kinds: mix.KINDS.filter((kind) => !kind.awaits) }).start();
  const kills = [];
  for (let n = 0; n < it.size(10, 2); n++) {
    await sleep(it.size(UP_MS, UP_SHORT_MS));
    kills.push(
      await kill(
        app,
        kills.reduce((sum, one) => sum + one.events, 0),
      ),
    );
  }
  await load.stop();
  const stats = await app.stats();
  const counted = stats.routes.filter((route) => route.route !== '/hold').reduce((sum, route) => sum + route.status['2xx'], 0);
  const answers = load.status(200) + kills.length;
  const unnamed = kills.flatMap((one) => one.unnamed);

  it.figure('kills', kills.length);
  it.figure('requests', load.sent);
  it.figure('lost with the engine', told(load.lost));
  it.equal('refused connects', load.refused, 0);
  it.equal('malformed or wrong answers', load.lost.get('wrong') ?? 0, 0);
  it.equal('answers by status', told(load.statuses), `200: ${load.answered}`);
  it.figure('first answer after a kill, ms', kills.map((one) => Math.round(one.ms)).join(' '));
  it.atMost('the longest of them', Math.max(...kills.map((one) => one.ms)), it.time(FIRST_ANSWER_MS));
  it.figure('answers that clients got', answers);
  it.must(
    'counted in the database',
    counted,
    `${answers}..${answers + load.failed}`,
    counted >= answers && counted <= answers + load.failed,
  );
  it.equal('running requests that no event names', unnamed.join(' ') || 'none', 'none');
  it.figure('an event', kills[0].texts[0]);
  it.equal('exit code at the end', await app.signal('SIGTERM'), 0);
  it.tell(load);
});
