// The load generator, bench/loader: one run, one object of figures.
import { run } from './process.mjs';
import { CASES } from './cases.mjs';

const BOUND = 0.93; // of its CPUs: above, it is the load generator that was measured
const SLACK_S = 60;

/** Its arguments for a case. */
export function argumentsOf(name, { port, seconds, connections, threads = 1, idle = 0 }) {
  const it = CASES[name] ?? name;
  const headers = Object.entries(it.headers ?? {}).flatMap(([key, value]) => ['--header', `${key}: ${value}`]);
  const numbers = { port, seconds, connections, pipeline: it.pipeline ?? 1, threads, idle };
  const options = Object.entries(numbers).flatMap(([key, value]) => [`--${key}`, String(value)]);
  return [
    '--path',
    it.path,
    '--method',
    it.method,
    ...headers,
    ...(it.body === undefined ? [] : ['--body', it.body]),
    ...options,
    '--json',
  ];
}

/** Loads a server with a case; percentiles in microseconds. */
export async function load(ctx, name, options) {
  const { threads = 1, seconds } = options;
  const command = [ctx.loader, ...argumentsOf(name, options)];
  const out = await run(command, { cpus: ctx.clientCpus, files: Boolean(options.idle), limit: seconds + SLACK_S });
  const result = JSON.parse(out);
  return { ...result, client_bound: result.client_cpu > BOUND * threads * result.seconds };
}
