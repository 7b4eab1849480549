// Results as Markdown sections, as a whole report, as a chart, and in the places that docs keep for them.
import { CASES } from './cases.mjs';
import { MEASURES } from './measures.mjs';
import { ratioTo } from './rounds.mjs';
import { counted, figure, thousands } from './stats.mjs';
import { chart } from './svg.mjs';
import { markdownTable } from './table.mjs';
import { renewed, targetTable } from './targets.mjs';

export const KINDS = {
  own: 'this server',
  js: 'JavaScript handlers',
  native: 'native',
  scale: 'scale: what the way itself costs',
};

const BASE = 'yardstick';
const CUT = 5; // bars of the chart: times the shortest

const of = (summary, peer, name) => summary.find((s) => s.peer === peer && s.case === name);

/** Of a result to the same server's other request, to the yardstick, or to whoever was measured first; round by round. */
export function ratioOf({ runs, summary }, s, field) {
  const base = of(summary, BASE, s.case) ?? summary.find((other) => other.case === s.case);
  return ratioTo(runs, s.peer, s.case, base.peer, field);
}

const heading = (peer) => (peer.version ? `${peer.title} ${peer.version}` : peer.title);
const casesOf = ({ summary }) => Object.keys(CASES).filter((name) => summary.some((s) => s.case === name));
const range = (s, digits = 0) => `${figure(s.min, digits)}–${figure(s.max, digits)}`;

export const DETAIL = [
  'server',
  'requests/s',
  'min–max',
  '×',
  'p50 µs',
  'p99 µs',
  'CPU µs',
  'min–max',
  '×',
  'alone MiB',
  'PSS MiB',
  'errors',
];

/** The rows of one case, with everything that was found. */
export function detail(results, name) {
  return results.peers.map((peer) => {
    const s = of(results.summary, peer.name, name);
    if (!s) return [peer.title, peer.offers.includes(name) ? 'failed' : 'not offered', ...Array(DETAIL.length - 2).fill('')];
    return [
      peer.title,
      figure(s.rps.median) + (s.client_bound ? '†' : ''),
      range(s.rps),
      figure(ratioOf(results, s, 'rps'), 2),
      figure(s.p50.median),
      figure(s.p99.median),
      figure(s.cpu_us.median, 2),
      range(s.cpu_us, 2),
      figure(ratioOf(results, s, 'cpu_us'), 2),
      figure(s.alone_mib.median, 1),
      figure(s.pss_mib.median, 1),
      figure(s.errors + s.non2xx),
    ];
  });
}

/** Servers down, cases across. */
function matrix(results, cell) {
  const names = casesOf(results);
  const rows = results.peers.map((peer) => [
    heading(peer),
    ...names.map((name) => {
      const s = of(results.summary, peer.name, name);
      return s ? cell(s) : '–';
    }),
  ]);
  return markdownTable(['', ...names.map((name) => CASES[name].title)], rows);
}

function memoryTable({ peers, summary }) {
  const rows = peers.map((peer) => {
    const mine = summary.filter((s) => s.peer === peer.name);
    const most = (field) => figure(Math.max(...mine.map((s) => s[field].max)));
    return [heading(peer), most('alone_mib'), most('pss_mib')];
  });
  return markdownTable(['', 'by itself, MiB', 'PSS, MiB'], rows);
}

/** Day and revision. */
export const made = (m) => `${m.date.slice(0, 10)}, revision ${m.revision}${m.changed ? ' with changes' : ''}`;

function buildText(b) {
  if (!b.compiler) return [];
  const options = `march ${b.march}, LTO ${b.lto}, PGO ${b.pgo}, allocator ${b.allocator} (${b.allocator_version})`;
  return [`actix: ${b.kind} build by ${b.compiler}, ${b.opt}, ${options}.`];
}

export function machineText({ machine: m, options: o }) {
  const pinned = m.server_cpus.length
    ? `server on CPU ${m.server_cpus}, load generator on CPU ${m.client_cpus}`
    : 'one CPU for the server and the load generator';
  const lines = [
    `${m.cpu}, ${counted(m.cpus, 'CPU')}, ${m.kernel}, Node ${m.node}; ${made(m)}.`,
    `${pinned}; ${o.connections} connections; medians of ${counted(o.rounds, 'interleaved round')} of ${o.seconds} s.`,
  ];
  return [...lines, ...buildText(m.build)].join('\\\n');
}

function leftOut({ left_out: missing, problems }) {
  const lines = [
    ...missing.map(({ name, why }) => `- left out: ${name}: ${why.replace(/\s+/g, ' ').slice(0, 300)}`),
    ...problems.map((p) => `- ${p.replace(/\s+/g, ' ').slice(0, 300)}`),
  ];
  return lines.length ? lines.join('\n') : 'Nothing was left out.';
}

const BOUND = '† the load generator was out of CPU: the server can do more.';

/** Name → Markdown, in the order of the report; docs have places with these names. */
export function sections(results) {
  const all = { machine: machineText(results) };
  if (results.summary.length) {
    all.cpu = matrix(results, (s) => `${figure(s.cpu_us.median, 2)} (${figure(ratioOf(results, s, 'cpu_us'), 2)})`);
    const rps = matrix(
      results,
      (s) => `${thousands(s.rps.median)}${s.client_bound ? '†' : ''} · ${figure(s.p50.median)} · ${figure(s.p99.median)}`,
    );
    all.rps = results.summary.some((s) => s.client_bound) ? `${rps}\n\n${BOUND}` : rps;
    all.memory = memoryTable(results);
  }
  for (const [name, result] of Object.entries(results.further)) all[name] = MEASURES[name].describe(result);
  all.targets = targetTable(results.targets);
  all.missing = leftOut(results);
  return all;
}

const TITLES = {
  cpu: "CPU per request, microseconds (and to the yardstick; the browser's to GET / of the same server)",
  rps: 'Requests per second · p50 · p99 latency in microseconds',
  memory: 'Memory of the whole tree under load, at most',
  targets: 'Targets',
  missing: 'What is missing',
};

export function markdown(results, { svg }) {
  const { machine: facts, ...rest } = sections(results);
  const parts = Object.entries(rest).map(([name, text]) => `## ${TITLES[name] ?? MEASURES[name].title}\n\n${text}`);
  const each = casesOf(results).map((name) => `### ${CASES[name].title}\n\n${markdownTable(DETAIL, detail(results, name))}`);
  const what =
    'Ratios are to the yardstick, or to the first server where there is none; those of the browser-like request are to GET / of ' +
    'the same server.';
  const details = each.length ? [`## Each request\n\n${what}\n\n${each.join('\n\n')}`] : [];
  const picture = svg ? [`![CPU per request and requests per second](${svg})`] : [];
  return `${['# Side by side', facts, ...picture, ...parts, ...details].join('\n\n')}\n`;
}

export function svg(results) {
  const { machine: m, options: o } = results;
  return chart({
    title: 'One worker under load, side by side',
    subtitle: `${m.cpu}, Node ${m.node}, ${o.connections} connections, medians of ${counted(o.rounds, 'round')}; ${made(m)}`,
    panels: [
      { title: 'CPU per request, µs: less is better', format: (v) => figure(v, 2), cut: CUT },
      { title: 'requests per second: more is better', format: (v) => figure(v) },
    ],
    groups: casesOf(results).map((name) => ({
      title: CASES[name].title,
      bars: results.peers
        .map((peer) => ({ peer, s: of(results.summary, peer.name, name) }))
        .filter(({ s }) => s)
        .map(({ peer, s }) => ({ label: peer.title, kind: peer.kind, values: [s.cpu_us.median, s.rps.median] })),
    })),
    legend: Object.entries(KINDS)
      .filter(([kind]) => results.peers.some((peer) => peer.kind === kind))
      .map(([kind, label]) => ({ kind, label })),
  });
}

/** What is between the marks of a section, '' without marks. */
function between(text, name) {
  const [open, close] = [`<!-- bench:${name} -->\n`, `\n<!-- /bench:${name} -->`];
  const from = text.indexOf(open);
  const to = text.indexOf(close, from);
  return from < 0 || to < 0 ? '' : text.slice(from + open.length, to);
}

/** The sections of single measures, each with its own machine and day, and their rows among the targets of a page. */
export function partsOf(results, names, page) {
  const parts = names.map((name) => [name, `${machineText(results)}\n\n${MEASURES[name].describe(results.further[name])}`]);
  const targets = between(page, 'targets');
  return { ...Object.fromEntries(parts), ...(targets && { targets: renewed(targets, results.targets) }) };
}

/** Puts each section between its marks, `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`; what has no marks is left out. */
export function fillIn(text, parts) {
  return Object.entries(parts).reduce((page, [name, part]) => {
    const [open, close] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
    const from = page.indexOf(open);
    const to = page.indexOf(close, from);
    if (from < 0 || to < 0) return page;
    return `${page.slice(0, from + open.length)}\n${part}\n${page.slice(to)}`;
  }, text);
}
