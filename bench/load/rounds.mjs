// Interleaved rounds: A B C, B C A, C A B …, so that the drift of a shared machine falls on all of them alike.
import { CASES } from './cases.mjs';
import { load } from './loader.mjs';
import { cpuSeconds, memory, stealMeter } from './proc.mjs';
import { median, ratio, rounded, spread, sum } from './stats.mjs';

/** One run against one server: what the load generator saw, and what the server's processes took for it. */
export async function measure(ctx, server, name, options) {
  const steal = stealMeter();
  const before = cpuSeconds(server.pid);
  const seen = await load(ctx, name, { port: server.port, ...options });
  const cpu = cpuSeconds(server.pid) - before;
  const held = memory(server.pid);
  if (server.exit !== undefined) throw new Error(`the server ended with ${server.exit}: ${server.stderr.trim().slice(-300)}`);
  return {
    ...seen,
    cpu_seconds: rounded(cpu, 2),
    cpu_us: rounded(ratio(cpu * 1e6, seen.requests + seen.unrecorded)), // all it answered, at both ends too
    pss_mib: rounded(held.pss, 1),
    alone_mib: rounded(held.alone, 1),
    steal: rounded(steal(), 4),
  };
}

/** Each round starts with another one: nobody always comes behind the same neighbour's load. */
export const rotated = (list, by) => list.map((_, i) => list[(i + by) % list.length]);

/** contenders: [{ name, server }]; name: of cases.mjs, or a case that has its name with it.  Returns all runs, in the
 *  contenders' order. */
export async function interleave(ctx, contenders, name, { rounds, warmup = 1, ...options }) {
  const it = CASES[name] ?? name;
  const runs = [];
  const broken = new Set();
  for (let round = 0; round <= rounds; round++) {
    for (const { name: peer, server } of rotated(contenders, round)) {
      if (broken.has(peer)) continue;
      const seconds = round ? options.seconds : warmup;
      if (!seconds) continue;
      try {
        const beside = it.against && (await measure(ctx, server, it.against, { ...options, seconds }));
        const run = await measure(ctx, server, name, { ...options, seconds });
        if (round) runs.push({ peer, case: it.name ?? name, round, ...run, ...(beside && { beside }) });
      } catch (err) {
        broken.add(peer);
        ctx.problem(`${peer}, ${it.name ?? name}: ${err.message}`);
      }
    }
  }
  const place = (run) => contenders.findIndex(({ name: peer }) => peer === run.peer);
  return runs.sort((a, b) => place(a) - place(b));
}

/** The medians of one contender's runs of one case. */
export function summarize(runs) {
  const of = (field) => spread(runs, field);
  const total = (field) => sum(runs.map((run) => run[field] ?? 0));
  return {
    peer: runs[0].peer,
    case: runs[0].case,
    rounds: runs.length,
    rps: of('rps'),
    cpu_us: of('cpu_us'),
    p50: of('p50'),
    p99: of('p99'),
    alone_mib: of('alone_mib'),
    pss_mib: of('pss_mib'),
    requests: total('requests'),
    errors: total('errors'),
    non2xx: total('non2xx'),
    client_bound: runs.filter((run) => run.client_bound).length * 2 > runs.length,
  };
}

/** The median of the ratios of two contenders round by round: what drifts between rounds falls out. */
export function paired(runs, peer, base, field) {
  const of = (name, round) => runs.find((run) => run.peer === name && run.round === round)?.[field];
  const rounds = [...new Set(runs.map((run) => run.round))];
  return median(rounds.map((round) => ratio(of(peer, round), of(base, round))));
}

/** One contender's case to another's, or to the request of its own that was measured beside it. */
export function ratioTo(runs, peer, name, base, field) {
  const those = runs.filter((run) => run.case === name);
  if (!CASES[name].against) return paired(those, peer, base, field);
  return median(those.filter((run) => run.peer === peer).map((run) => ratio(run[field], run.beside?.[field])));
}

/** All of it, one summary for each contender and case, in the order measured. */
export function summarizeAll(runs) {
  const groups = new Map();
  for (const run of runs) {
    const key = `${run.case}\n${run.peer}`;
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()].map(summarize);
}
