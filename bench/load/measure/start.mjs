// From the start of the command to its first answer, beside a bare node:http server.
import http from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { actix } from '../peers.mjs';
import { freePort, launch, stop, temporary } from '../process.mjs';
import { figure, rounded, spread } from '../stats.mjs';
import { markdownTable } from '../table.mjs';

export const title = 'Start';

const TIMES = 11;
const LOOK_MS = 1;
const LIMIT_MS = 20_000;

function answered(port) {
  return new Promise((resolve) => {
    const req = http.get({ host: '127.0.0.1', port, path: '/', agent: false }, (res) => res.resume().on('end', () => resolve(true)));
    req.on('error', () => resolve(false));
  });
}

async function once(ctx, command, port) {
  const from = performance.now();
  const it = launch(
    command.map((word) => (word === '@PORT@' ? String(port) : word)),
    { cpus: ctx.all, env: { NODE_ENV: 'production' } },
  );
  while (it.exit === undefined && performance.now() - from < LIMIT_MS && !(await answered(port))) await sleep(LOOK_MS);
  const ms = performance.now() - from;
  const dead = it.exit !== undefined || ms > LIMIT_MS;
  await stop(it);
  if (dead) throw new Error(`${command[0]} gave no answer: ${it.stderr}`);
  return ms;
}

export async function measure(ctx) {
  const node = [process.execPath, join(ctx.root, 'bench/peers/node-http/server.js'), '@PORT@'];
  const state = temporary('state'); // the same for all, as of a server that is started again
  const { command } = actix(ctx, ['bench/app/actix.yaml'], { state });
  const own = command.map((word, i) => (command[i - 1] === '--port' ? '@PORT@' : word));
  const runs = [];
  for (let i = 0; i <= TIMES; i++) {
    const run = { actix: await once(ctx, own, await freePort()), node: await once(ctx, node, await freePort()) };
    if (i > 0) runs.push(run); // the first fills the page cache
  }
  const [a, n] = [spread(runs, 'actix'), spread(runs, 'node')];
  return { times: TIMES, actix: a, node: n, more_ms: rounded(a.median - n.median, 1), runs };
}

export function describe(r) {
  const row = (name, s) => [name, figure(s.median, 1), `${figure(s.min, 1)}–${figure(s.max, 1)}`];
  const rows = [row('`actix serve`, one worker', r.actix), row('node:http', r.node), ['difference', figure(r.more_ms, 1), '']];
  const text = `From starting the command to the first answer, ${r.times} times each, in turn.`;
  return `${text}\n\n${markdownTable(['', 'median ms', 'min–max'], rows)}`;
}
