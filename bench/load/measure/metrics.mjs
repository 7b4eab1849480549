// What counting costs: the default, single requests not kept, and nothing written.
import { actix, overlay } from '../peers.mjs';
import { stop } from '../process.mjs';
import { interleave, paired, summarizeAll } from '../rounds.mjs';
import { serve } from '../server.mjs';
import { figure, rounded } from '../stats.mjs';
import { markdownTable } from '../table.mjs';

export const title = 'Metrics';

const NOTHING = 'nothing written';
const OFF = 'requests: off';
const DEFAULT = 'requests: errors (default)';
const VARIANTS = [
  { name: NOTHING, text: 'metrics: { database: off, requests: off }' },
  { name: OFF, text: 'metrics: { requests: off }' },
  { name: DEFAULT, text: '' },
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
  const to = (name, base) => rounded(paired(runs, name, base, 'cpu_us'), 4);
  return {
    summary: summarizeAll(runs).map((s) => ({ ...s, cpu_ratio: to(s.peer, NOTHING) })),
    on_to_nothing: to(DEFAULT, NOTHING),
    errors_to_off: to(DEFAULT, OFF),
  };
}

export function describe({ summary }) {
  const rows = summary.map((s) => [
    s.peer,
    `${figure(s.cpu_us.median, 2)} (${figure(s.cpu_us.min, 2)}–${figure(s.cpu_us.max, 2)})`,
    figure(s.cpu_ratio, 3),
    figure(s.rps.median),
  ]);
  const head = ['`metrics:`', 'CPU µs per request (min–max)', 'ratio, round by round', 'requests/s'];
  return `GET /; counting itself is always on.\n\n${markdownTable(head, rows)}`;
}
