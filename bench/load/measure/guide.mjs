// The guide's own test: wrk with 12 threads and 400 connections against two workers, all of them on two CPUs and in one
// session, as from one shell: 14 threads that share two CPUs as equals.
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { debian, installed } from '../install.mjs';
import { memory, cpuSeconds } from '../proc.mjs';
import { launch, stop, temporary } from '../process.mjs';
import { actix } from '../peers.mjs';
import { serve } from '../server.mjs';
import { counted, figure, percentile, ratio, rounded } from '../stats.mjs';
import { markdownTable } from '../table.mjs';

export const title = "The guide's own test";

const THREADS = 12;
const CONNECTIONS = 400;
const WORKERS = 2;
const LOOK_MS = 500;
const UNIT_US = { us: 1, ms: 1e3, s: 1e6, m: 6e7 };

/** "12.34ms" as microseconds */
const microseconds = (text) => {
  const [, value, unit] = /^([\d.]+)(us|ms|s|m)$/.exec(text) ?? [];
  return Number(value) * UNIT_US[unit];
};

/** What `wrk --latency` prints. */
export function parseWrk(text) {
  const one = (pattern) => pattern.exec(text)?.slice(1) ?? [];
  const socket = one(/Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/).map(Number);
  return {
    rps: Number(one(/Requests\/sec:\s+([\d.]+)/)[0]),
    p50: microseconds(one(/^\s+50%\s+(\S+)$/m)[0] ?? ''),
    p99: microseconds(one(/^\s+99%\s+(\S+)$/m)[0] ?? ''),
    errors: socket.reduce((a, b) => a + b, 0) + Number(one(/Non-2xx or 3xx responses: (\d+)/)[0] ?? 0),
  };
}

/**
 * wrk adds what it thinks that slow answers kept from being asked: for each latency n of at least twice the interval it
 * counts n - interval, n - 2 interval and so on, down to the interval.  Since everything is added below, taking it back
 * from the top leaves what was seen.  pairs: [latency, count] ascending.
 */
export function uncorrected(pairs, interval) {
  const counts = new Map(pairs);
  if (interval <= 0) return pairs;
  for (const [latency] of [...pairs].reverse()) {
    const seen = counts.get(latency);
    if (latency < 2 * interval || seen <= 0) continue;
    for (let made = latency - interval; made > interval; made -= interval) counts.set(made, (counts.get(made) ?? 0) - seen);
  }
  return [...counts].filter(([, count]) => count > 0).sort((a, b) => a[0] - b[0]);
}

/** The file that wrk.lua writes: "interval US", then "LATENCY COUNT" lines. */
export function parseHistogram(text) {
  const [first, ...rest] = text.trim().split('\n');
  return { interval: Number(first.split(' ')[1]), pairs: rest.map((line) => line.split(' ').map(Number)) };
}

export async function measure(ctx, { guideSeconds }) {
  if (!(await installed('wrk'))) await debian(['wrk']);
  const cpus = ctx.all.slice(0, 2);
  const server = await serve(actix(ctx, ['bench/app/actix.yaml'], { workers: WORKERS }), { cpus, together: true });
  const file = join(temporary('wrk'), 'histogram');
  const script = join(ctx.root, 'bench/load/wrk.lua');
  const command = [
    'wrk',
    `-t${THREADS}`,
    `-c${CONNECTIONS}`,
    `-d${guideSeconds}s`,
    '--latency',
    '-s',
    script,
    `http://127.0.0.1:${server.port}/`,
  ];
  const before = cpuSeconds(server.pid);
  const peak = { rss: 0, pss: 0, alone: 0 };
  const look = setInterval(() => {
    for (const [key, value] of Object.entries(memory(server.pid))) peak[key] = Math.max(peak[key] ?? 0, value);
  }, LOOK_MS);
  const wrk = launch(command, { cpus, together: true, env: { HISTOGRAM: file, CONNECTIONS: String(CONNECTIONS) } });
  await wrk.ended;
  clearInterval(look);
  if (wrk.exit !== 0) throw new Error(`wrk: ${wrk.exit}: ${wrk.stderr}`);
  const cpu = cpuSeconds(server.pid) - before;
  await stop(server);
  return result(wrk.stdout, readFileSync(file, 'utf8'), { seconds: guideSeconds, cpu, peak, cpus });
}

function result(text, histogram, { seconds, cpu, peak, cpus }) {
  const printed = parseWrk(text);
  const { interval, pairs } = parseHistogram(histogram);
  const seen = uncorrected(pairs, interval);
  return {
    ...printed,
    seconds,
    cpus: cpus.length,
    uncorrected_p50: percentile(seen, 0.5),
    uncorrected_p99: percentile(seen, 0.99),
    cpu_us: rounded(ratio(cpu * 1e6, printed.rps * seconds), 2),
    rss_mib: rounded(peak.rss, 1),
    pss_mib: rounded(peak.pss, 1),
    printed: text,
  };
}

export function describe(r) {
  const ms = (us) => `${figure(us / 1000, 2)} ms`;
  const rows = [
    ['requests/s', figure(r.rps)],
    ['P50, P99 as wrk prints them', `${ms(r.p50)}, ${ms(r.p99)}`],
    ['P50, P99 uncorrected', `${ms(r.uncorrected_p50)}, ${ms(r.uncorrected_p99)}`],
    ['errors', String(r.errors)],
    ['CPU per request', `${figure(r.cpu_us, 2)} µs`],
    ['memory of the tree at its highest: RSS, PSS', `${figure(r.rss_mib)} MiB, ${figure(r.pss_mib)} MiB`],
  ];
  const command = `wrk -t${THREADS} -c${CONNECTIONS} -d${r.seconds}s`;
  const what = `\`${command}\`, ${WORKERS} workers, server and wrk together on ${counted(r.cpus, 'CPU')}, started in one session.`;
  return `${what}\n\n${markdownTable(['', 'measured'], rows)}`;
}
