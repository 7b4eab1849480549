// Batches must not make a lone client wait: one connection, batches of one and of up to 256.
import { actix, overlay } from '../peers.mjs';
import { stop } from '../process.mjs';
import { interleave, summarizeAll } from '../rounds.mjs';
import { serve } from '../server.mjs';
import { figure } from '../stats.mjs';
import { markdownTable } from '../table.mjs';

export const title = 'Batches and one connection';

const SIZES = [1, 256];

export async function measure(ctx, { rounds, seconds }) {
  const contenders = [];
  for (const size of SIZES) {
    const spec = actix(ctx, ['bench/app/actix.yaml', overlay('batch', `server: { batch: ${size} }`)]);
    contenders.push({ name: `batch: ${size}`, server: await serve(spec, { cpus: ctx.serverCpus }) });
  }
  const runs = await interleave(ctx, contenders, 'get', { rounds, seconds, connections: 1 });
  await Promise.all(contenders.map(({ server }) => stop(server)));
  return summarizeAll(runs);
}

export function describe(result) {
  const cell = (s) => `${figure(s.median, 1)} (${figure(s.min, 1)}–${figure(s.max, 1)})`;
  const rows = result.map((s) => [`\`server.${s.peer}\``, cell(s.p50), cell(s.p99)]);
  return `GET /, one connection, microseconds, median (min–max) of the rounds.\n\n${markdownTable(['', 'p50', 'p99'], rows)}`;
}
