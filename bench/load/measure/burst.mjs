// A handler that keeps its worker busy for 5 ms, and 64 clients that ask at once: the first of them must not wait for
// the others.
import net from 'node:net';
import { actix } from '../peers.mjs';
import { run, stop } from '../process.mjs';
import { serve } from '../server.mjs';
import { figure, rounded, spread } from '../stats.mjs';
import { markdownTable } from '../table.mjs';

export const title = 'A burst on a busy handler';

const CLIENTS = 64;
const BURSTS = 11;
const LIMIT_MS = 20_000;
const REQUEST = 'GET /burn HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';

function connect(port) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => resolve(socket));
    socket.setNoDelay(true);
    socket.on('error', reject);
  });
}

/** Milliseconds from the first write to each answer, the earliest first. */
function burst(sockets) {
  return new Promise((resolve, reject) => {
    const times = [];
    const timer = setTimeout(() => reject(new Error(`${times.length} of ${sockets.length} answers`)), LIMIT_MS);
    const from = performance.now();
    for (const socket of sockets) {
      socket.once('data', () => {
        if (times.push(performance.now() - from) < sockets.length) return;
        clearTimeout(timer);
        resolve(times);
      });
      socket.write(REQUEST);
    }
  });
}

export async function measure(ctx) {
  const spec = actix(ctx, ['bench/app/burn.yaml']);
  const server = await serve(spec, { cpus: ctx.serverCpus });
  const sockets = await Promise.all(Array.from({ length: CLIENTS }, () => connect(server.port)));
  const runs = [];
  for (let i = 0; i <= BURSTS; i++) {
    const times = await burst(sockets);
    if (i > 0) runs.push({ first: times[0], last: times.at(-1) }); // the first compiles the handler
  }
  for (const socket of sockets) socket.destroy();
  const status = JSON.parse(await run([spec.command[0], 'status', '--json', '-c', spec.command[3], '--state', spec.state]));
  await stop(server);
  return { clients: CLIENTS, bursts: BURSTS, first: spread(runs, 'first'), last: spread(runs, 'last'), replaced: replaced(status), runs };
}

/** How many workers and engines were started anew. */
const replaced = (status) => (status.engine?.restarts ?? 0) + (status.workers ?? []).reduce((n, w) => n + (w.restarts ?? 0), 0);

export function describe(r) {
  const row = (name, s) => [name, figure(rounded(s.median, 2), 1), `${figure(s.min, 1)}–${figure(s.max, 1)}`];
  const text = `${r.clients} connections ask for a handler of 5 ms at the same time, ${r.bursts} times; workers replaced: ${r.replaced}.`;
  const rows = [row('the first answer', r.first), row('the last answer', r.last)];
  return `${text}\n\n${markdownTable(['milliseconds to', 'median', 'min–max'], rows)}`;
}
