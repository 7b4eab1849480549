// Idle keep-alive connections: what one holds, and what they do to a request on another connection.
import { setTimeout as sleep } from 'node:timers/promises';
import { actix, overlay } from '../peers.mjs';
import { descriptors, memory, tree } from '../proc.mjs';
import { run, stop } from '../process.mjs';
import { load } from '../loader.mjs';
import { paired } from '../rounds.mjs';
import { serve } from '../server.mjs';
import { figure, rounded, spread } from '../stats.mjs';
import { markdownTable } from '../table.mjs';

export const title = 'Idle connections';

const WANTED = 10_000;
const SPARE = 500; // descriptors for everything else
const LOOK_MS = 100;
const ROUNDS = 9;
const SECONDS = 2;

/** As many as the descriptors of one process allow. */
async function possible(ctx) {
  const hard = await run(['sh', '-c', 'ulimit -Hn']);
  const most = hard.trim() === 'unlimited' ? Infinity : Number(hard) - SPARE;
  if (most < WANTED) ctx.problem(`RLIMIT_NOFILE is ${hard.trim()}: ${most} idle connections instead of ${WANTED}`);
  return Math.min(WANTED, most);
}

/** All but the first process, which is the supervisor and has no connections. */
const engine = (server) => tree(server.pid)[1];

/** Memory of the engine when all idle connections are open, taken while the load generator holds them. */
async function whileOpen(server, count, loading) {
  const before = descriptors(engine(server));
  let over = false;
  const ended = loading.then(
    () => (over = true),
    () => (over = true),
  );
  while (!over && descriptors(engine(server)) < before + count) await Promise.race([sleep(LOOK_MS), ended]);
  await Promise.race([sleep(1000), ended]); // the first requests of all are answered
  return over ? NaN : memory(engine(server)).own;
}

export async function measure(ctx) {
  const count = await possible(ctx);
  const limits = overlay('idle', `limits: { connections: ${count + SPARE} }`);
  const spec = actix(ctx, ['bench/app/actix.yaml', limits]);
  const server = await serve(spec, { cpus: ctx.serverCpus, files: true });
  const options = { port: server.port, connections: 1, seconds: SECONDS };
  await load(ctx, 'get', { ...options, connections: 64 }); // what a server at work holds anyway
  await sleep(1000);
  const before = memory(engine(server)).own;
  let held;
  const runs = [];
  for (let round = 1; round <= ROUNDS; round++) {
    runs.push({ peer: 'none', round, ...(await load(ctx, 'get', options)) });
    const loading = load(ctx, 'get', { ...options, idle: count });
    held ??= await whileOpen(server, count, loading);
    runs.push({ peer: 'idle', round, ...(await loading) });
  }
  await stop(server);
  return result(runs, { count, before, held });
}

function result(runs, { count, before, held }) {
  const of = (peer) => runs.filter((r) => r.peer === peer);
  const latency = (peer) => ({ p50: spread(of(peer), 'p50'), p99: spread(of(peer), 'p99') });
  return {
    connections: count,
    still_open: Math.min(...of('idle').map((r) => r.idle)),
    before_mib: rounded(before, 2),
    held_mib: rounded(held, 2),
    bytes_each: rounded(((held - before) * 2 ** 20) / count, 0),
    without: latency('none'),
    with: latency('idle'),
    p99_ratio: rounded(paired(runs, 'idle', 'none', 'p99'), 3),
    errors: runs.reduce((n, r) => n + r.errors + r.non2xx, 0),
  };
}

export function describe(r) {
  const us = (s) => `${figure(s.median)} (${figure(s.min)}–${figure(s.max)})`;
  const row = (name, l) => [name, us(l.p50), us(l.p99)];
  const text =
    `${figure(r.connections)} keep-alive connections that have sent one request each hold ${figure(r.bytes_each)} bytes each ` +
    `(private memory of the engine: ${figure(r.before_mib, 1)} MiB before, ${figure(r.held_mib, 1)} MiB with them). ` +
    'A request on another connection meanwhile:';
  return `${text}\n\n${markdownTable(['', 'p50 µs (min–max)', 'p99 µs (min–max)'], [row('without idle connections', r.without), row('with', r.with)])}`;
}
