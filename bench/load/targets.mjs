// What this project wants of itself, beside what was measured.  A target that is missed is said, and fails nothing.
import { ratioTo } from './rounds.mjs';
import { figure, geometricMean } from './stats.mjs';
import { markdownTable } from './table.mjs';

const OWN = 'actix';
const PLAIN = ['get', 'json', 'echo', 'post', 'param'];

/** This server to another, round by round, case by case. */
const against =
  (peer, field, cases, own = OWN) =>
  (results) =>
  cases.map((name) => ({
    label: name,
    value: ratioTo(results.runs, own, name, peer, field),
    digits: 2,
    unit: '×',
  }));

/** One figure of one of the further measurements. */
const single =
  (part, take, unit, digits = 0) =>
  (results) => {
    const result = results.further[part];
    return [{ label: '', value: result ? take(result) : NaN, digits, unit }];
  };

/** Requests per second of one way to write a handler, or to answer, to what it is held against: measure/handlers.mjs. */
const handlers = (pair) => (results) => {
  const rows = results.further.handlers?.[pair] ?? [];
  return (rows.length ? rows : [{ case: '' }]).map((r) => ({ label: r.case, value: r.rps_ratio ?? NaN, digits: 2, unit: '×' }));
};

const MS = 1000; // microseconds
const MIB_PER_MB = 1.048576;

export const TARGETS = [
  { what: 'CPU per request to the yardstick', most: 1.1, of: against('yardstick', 'cpu_us', PLAIN) },
  { what: 'CPU per request to uWebSockets.js', most: 0.9, of: against('uws', 'cpu_us', PLAIN) },
  { what: 'CPU per request to native Rust (hyper)', most: 1.05, of: against('hyper', 'cpu_us', PLAIN) },
  { what: 'CPU of GET / to the bare epoll loop', most: 1.25, of: against('limit', 'cpu_us', ['get']) },
  { what: 'CPU, 16 pipelined, to the yardstick', most: 1.3, of: against('yardstick', 'cpu_us', ['pipeline']) },
  { what: 'CPU, 16 pipelined, to uWebSockets.js', most: 0.5, of: against('uws', 'cpu_us', ['pipeline']) },
  { what: 'the same, built with make pgo', most: 0.5, of: against('uws', 'cpu_us', ['pipeline'], 'actix-pgo') },
  { what: 'requests/s to node:http', least: 3, together: true, of: against('node-http', 'rps', PLAIN) },
  { what: 'requests/s to Fastify', least: 4, together: true, of: against('fastify', 'rps', PLAIN) },
  { what: 'requests/s to Express', least: 15, together: true, of: against('express', 'rps', PLAIN) },
  { what: 'p99 at 64 connections to uWebSockets.js', most: 1, together: true, of: against('uws', 'p99', PLAIN) },
  { what: "the guide's test: requests/s", least: 50_000, of: single('guide', (r) => r.rps, '') },
  { what: "the guide's test: P99 as wrk prints it", below: 100, of: single('guide', (r) => r.p99 / MS, ' ms', 1) },
  { what: "the guide's test: P99 uncorrected", below: 20, of: single('guide', (r) => r.uncorrected_p99 / MS, ' ms', 1) },
  { what: "the guide's test: RSS of the tree", below: 90, of: single('guide', (r) => r.rss_mib * MIB_PER_MB, ' MB', 1) },
  { what: "the guide's test: errors", most: 0, of: single('guide', (r) => r.errors, '') },
  { what: 'metrics as they are by default to nothing written: CPU', most: 1.02, of: single('metrics', (r) => r.on_to_nothing, '×', 3) },
  {
    what: 'metrics.requests: errors to off: CPU',
    most: 1.02,
    of: single('metrics', (r) => r.errors_to_off, '×', 3),
  },
  { what: 'user memory of an idle connection', most: 1024, of: single('idle', (r) => r.bytes_each, ' bytes') },
  {
    what: 'p99 of a request beside them, to without (noise: 10 %)',
    most: 1.1,
    of: single('idle', (r) => r.p99_ratio, '×', 2),
  },
  {
    what: 'CPU of a browser-like request to GET /',
    most: 1.25,
    of: (results) => [{ label: '', value: ratioTo(results.runs, OWN, 'browser', OWN, 'cpu_us'), digits: 2, unit: '×' }],
  },
  { what: 'start to first answer, more than node:http', most: 80, of: single('start', (r) => r.more_ms, ' ms') },
  {
    what: 'p50 with one connection, batches of 256 to batches of 1 (noise: 3 %)',
    most: 1.03,
    of: single('batch', (r) => r.p50_ratio, '×', 2),
  },
  { what: 'burst on a handler of 5 ms: first answer', most: 7, of: single('burst', (r) => r.first.median, ' ms', 1) },
  { what: 'the same: workers replaced', most: 0, of: single('burst', (r) => r.replaced, '') },
  { what: 'GET / of a fetch module to a handler: requests/s', least: 0.6, of: handlers('fetch') },
  { what: 'Hono to itself on @hono/node-server: requests/s', least: 2, together: true, of: handlers('hono') },
  { what: 'Express by { node } to its own listen(): requests/s', least: 0.9, together: true, of: handlers('express') },
  { what: 'a static file of 10 KB to nginx, sendfile on: requests/s', least: 0.8, of: handlers('static') },
];

function meets({ most, least, below }, value) {
  if (most !== undefined) return value <= most;
  return least !== undefined ? value >= least : value < below;
}

function want({ most, least, below }, { unit }) {
  const [sign, limit] = most !== undefined ? ['≤', most] : least !== undefined ? ['≥', least] : ['<', below];
  const digits = Number.isInteger(limit) ? 0 : 2;
  return `${sign} ${figure(limit, digits)}${unit}`;
}

/** Requests per second and latencies of single requests end where the load generator's CPU does and scatter most: their
 *  mean is shown beside them.  Judged is each. */
function together(each) {
  if (!each.length) return [];
  return [{ ...each[0], label: 'mean', value: geometricMean(each.map(({ value }) => value)) }];
}

const shown = ({ label, value, digits, unit }) => `${label && `${label} `}${figure(value, digits)}${unit}`;

/** [{ what, want, got, met }], met undefined where nothing was measured. */
export function judge(results) {
  return TARGETS.map((target) => {
    const all = target.of(results);
    const each = all.filter(({ value }) => Number.isFinite(value));
    const got = (target.together ? [...together(each), ...each] : each).map(shown).join(', ');
    const met = each.length ? each.every(({ value }) => meets(target, value)) : undefined;
    return { what: target.what, want: want(target, all[0]), got, met };
  });
}

const WORD = { true: 'yes', false: '**no**', undefined: 'not measured' };

const row = (t) => [t.what, t.want, t.got || '–', WORD[t.met]];

export function targetTable(judged) {
  return markdownTable(['', 'wanted', 'measured', 'met'], judged.map(row));
}

/** A table written earlier with the rows of what was measured since; a target that it has not yet gets its row at the end. */
export function renewed(table, judged) {
  const fresh = judged.filter((t) => t.met !== undefined).map(row);
  return fresh.reduce((text, cells) => {
    const lines = text.split('\n');
    const at = lines.findIndex((line) => line.startsWith(`| ${cells[0]} |`));
    lines.splice(at < 0 ? lines.length : at, 1, markdownTable(cells, []).split('\n')[0]);
    return lines.join('\n');
  }, table);
}
