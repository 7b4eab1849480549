// Requests that wait in a handler beside one that spins, and say in which worker: what became of each can be judged exactly.
import { until } from './app.mjs';
import { told } from './script.mjs';
import { ask } from './wire.mjs';

export const HELD_ROUTE = { '/held': 'handlers/held.js' };
export const HELD_FILE = {
  'handlers/held.js': `const { worker } = require('actix-js');
module.exports = async (req) => {
  console.log('held ' + req.query.id + ' ' + worker.id);
  await new Promise((resolve) => setTimeout(resolve, Number(req.query.ms)));
  return 'held';
};\n`,
};
/** Stands at the top of a handler that is going to be stuck. */
export const SAY_STUCK = `require('node:fs').writeSync(1, 'stuck ' + req.query.id + ' ' + require('actix-js').worker.id + '\\n');`;

/** [id, worker] of each line that a handler has printed. */
const printed = (app, word, prefix) =>
  [...app.out.matchAll(new RegExp(`^${word} (${prefix}\\S*) (\\d+)$`, 'gm'))].map((found) => [found[1], Number(found[2])]);

/** n requests that wait for ms, once all are in their handlers: { over: their answers, worker: of each }. */
export async function holdAll(app, prefix, n, ms) {
  const over = Array.from({ length: n }, (_, i) => ask(app.target, `/held?id=${prefix}-${i}&ms=${ms}`));
  await until(() => printed(app, 'held', `${prefix}-`).length >= n, 10_000, `${n} requests are held`);
  const where = new Map(printed(app, 'held', `${prefix}-`));
  return { over: Promise.all(over), worker: over.map((_, i) => where.get(`${prefix}-${i}`)) };
}

/** The worker that said it was stuck; undefined: none. */
export const stuckIn = (app, id) => new Map(printed(app, 'stuck', id)).get(id);

/** How often a handler was entered for each held request: more than once is told. */
export const enteredTwice = (app, prefix) => {
  const ids = printed(app, 'held', prefix).map(([id]) => id);
  return ids.filter((id, i) => ids.indexOf(id) !== i);
};

/** Statuses, or what became of them instead, of asked requests. */
export function outcomes(all) {
  const counts = new Map();
  for (const one of all) counts.set(one.status || one.how, (counts.get(one.status || one.how) ?? 0) + 1);
  return told(counts);
}

/** Of the load, only what awaited in a worker that was taken may be lost, and that with 502; everything else is 200. */
export function onlyAwaitingLost(it, load) {
  const lost = load.unusual.filter((one) => one.status === 502);
  it.figure('requests of the load', load.sent);
  it.equal('failed requests', told(load.lost), 'none');
  it.equal('keep-alive connections closed', told(load.idle), 'none');
  it.equal('refused connects', load.refused, 0);
  it.equal('answered 200, or 502', load.status(200) + load.status(502), load.sent);
  it.figure('502', `${load.status(502)} of ${load.sent}`);
  it.equal('502 of what does not await', lost.filter((one) => !one.awaits).length, 0);
  it.tell(load);
  return lost.length;
}
