// Batches must not make a lone client wait: one connection, batches of one and of up to 256.
import { actix, overlay } from '../peers.mjs';
import { stop } from '../process.mjs';
import { interleave, paired, summarizeAll } from '../rounds.mjs';
import { serve } from '../server.mjs';
import { figure, rounded } from '../stats.mjs';
import { markdownTable } from '../table.mjs';

export const title = 'Batches and one connection';

const SIZES = [1, 256];
const ROUNDS = 15; // one connection wakes one core from the other for each request: that scatters by a fifth

export async function measure(ctx, { seconds }) {
  const contenders = [];
  for (const size of SIZES) {
    const spec = actix(ctx, ['bench/app/actix.yaml', overlay('batch', `server: { batch: ${size} }`)]);
    contenders.push({ name: `batch: ${size}`, server: await serve(spec, { cpus: ctx.serverCpus }) });
  }
  const runs = await interleave(ctx, contenders, 'get', { rounds: ROUNDS, seconds, connections: 1 });
  await Promise.all(contenders.map(({ server }) => stop(server)));
  const [one, many] = contenders.map(({ name }) => name);
  return { sizes: summarizeAll(runs), p50_ratio: rounded(paired(runs, many, one, 'p50'), 3) };
}

export function describe(result) {
  const cell = (s) => `${figure(s.median, 1)} (${figure(s.min, 1)}–${figure(s.max, 1)})`;
  const rows = result.sizes.map((s) => [`\`server.${s.peer}\``, cell(s.p50), cell(s.p99)]);
  return `GET /, one connection, microseconds, median (min–max) of the rounds; p50 of the second to the first, round by round: ${figure(result.p50_ratio, 2)}.\n\n${markdownTable(['', 'p50', 'p99'], rows)}`;
}
