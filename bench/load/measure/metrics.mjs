// What counting costs: the default, single requests not kept, and nothing written.
import { actix, overlay } from '../peers.mjs';
import { stop } from '../process.mjs';
import { interleave, summarizeAll } from '../rounds.mjs';
import { serve } from '../server.mjs';
import { figure, ratio } from '../stats.mjs';
import { markdownTable } from '../table.mjs';

export const title = 'Metrics';

const BASE = 'nothing written';
const VARIANTS = [
  { name: BASE, text: 'metrics: { database: off, requests: off }' },
  { name: 'requests: off', text: 'metrics: { requests: off }' },
  { name: 'requests: errors (default)', text: '' },
];

export async function measure(ctx, { rounds, seconds, connections }) {
  const contenders = [];
  for (const { name, text } of VARIANTS) {
    const manifests = ['bench/app/actix.yaml', ...(text ? [overlay('metrics', text)] : [])];
    contenders.push({ name, server: await serve(actix(ctx, manifests), { cpus: ctx.serverCpus }) });
  }
  // twice the rounds: a difference of a few percent is asked for
  const runs = await interleave(ctx, contenders, 'get', { rounds: 2 * rounds, seconds, connections });
  await Promise.all(contenders.map(({ server }) => stop(server)));
  return withRatios(summarizeAll(runs), BASE);
}

export function withRatios(summary, base) {
  const least = summary.find((s) => s.peer === base)?.cpu_us.median;
  return summary.map((s) => ({ ...s, cpu_ratio: ratio(s.cpu_us.median, least) }));
}

export function describe(result) {
  const rows = result.map((s) => [
    s.peer,
    `${figure(s.cpu_us.median, 2)} (${figure(s.cpu_us.min, 2)}–${figure(s.cpu_us.max, 2)})`,
    figure(s.cpu_ratio, 3),
    figure(s.rps.median),
  ]);
  const head = ['`metrics:`', 'CPU µs per request (min–max)', 'ratio', 'requests/s'];
  return `GET /; counting itself is always on.\n\n${markdownTable(head, rows)}`;
}
