#!/usr/bin/env node
// ladder.mjs: the stages of the optimization guide, each with the switches of this server that make it, all measured in
// the same interleaved rounds.  `make bench-ladder` calls it.  The stages are builds into build/ladder-*, keys of the
// manifest and one variable of the environment.
//
//   --cases a,b (get,param,browser,pipeline)   --rounds N (5)   --seconds S (2)   --connections N (64)
//   --out DIR (build/release) where the load generator is       --results FILE (bench/results/ladder)
//   --docs FILE       a page whose marked place "ladder" is written anew
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { CASES, answers } from './cases.mjs';
import { context } from './context.mjs';
import { chosen, parseOptions } from './options.mjs';
import { actix, overlay } from './peers.mjs';
import { main, run, stop } from './process.mjs';
import { fillIn, machineText, made } from './report.mjs';
import { interleave, summarizeAll } from './rounds.mjs';
import { serve } from './server.mjs';
import { figure, ratio } from './stats.mjs';
import { chart } from './svg.mjs';
import { markdownTable, plainTable } from './table.mjs';

const DEFAULTS = {
  cases: ['get', 'param', 'browser', 'pipeline'],
  rounds: 5,
  seconds: 2,
  connections: 64,
  out: 'build/release',
  results: 'bench/results/ladder',
  docs: '',
  loader: '',
};
const BUILD_LIMIT = 1200; // seconds

const PLAIN = { OPT: '-O1', LTO: 'off', ALLOCATOR: 'default' };
const BUILDS = {
  base: { OUT: 'build/ladder-base', ...PLAIN, POOL: 'malloc', INTERN: 'off' },
  pools: { OUT: 'build/ladder-pools', ...PLAIN },
  best: { OUT: 'build/ladder-best', ALLOCATOR: existsSync('/usr/include/jemalloc/jemalloc.h') ? 'jemalloc' : 'default' },
};

/** A server that takes requests one by one and remembers no path. */
const single = { batch: 1, routes: 0 };

/** expected: requests per second in the guide, on its machine. */
export const RUNGS = [
  {
    name: 'baseline',
    build: 'base',
    env: { ACTIX_EAGER: '1' },
    ...single,
    workers: '1',
    expected: 1000,
    what:
      'everything copied and materialized before the handler (`ACTIX_EAGER=1`), `server.batch: 1`, `cache.routes: 0`, ' +
      'built with `POOL=malloc INTERN=off OPT=-O1 LTO=off`, one worker',
  },
  {
    name: 'zero-copy, lazy',
    build: 'base',
    ...single,
    workers: '1',
    expected: 2500,
    what: 'without `ACTIX_EAGER`: slices of the head, made into values when asked for',
  },
  { name: 'async, batches', build: 'base', batch: 256, routes: 0, workers: '1', expected: 6000, what: '`server.batch: 256`' },
  {
    name: 'pools, interning',
    build: 'pools',
    batch: 256,
    routes: 0,
    workers: '1',
    expected: 10_000,
    what: 'built without `POOL=malloc INTERN=off`',
  },
  {
    name: 'compiler, allocator',
    build: 'best',
    batch: 256,
    routes: 0,
    workers: '1',
    expected: 12_000,
    what: `the release build: \`-O3\`, LTO, allocator ${BUILDS.best.ALLOCATOR}`,
  },
  {
    name: 'workers, route cache',
    build: 'best',
    batch: 256,
    routes: 10_000,
    workers: 'auto',
    expected: 25_000,
    what: '`server.workers: auto`, `cache.routes: 10000`; the server may use every CPU, also the one of the load generator',
  },
];

/** Make's own variables must not reach the make that is started here. */
const CLEAN = { MAKEFLAGS: undefined, MFLAGS: undefined, MAKELEVEL: undefined, MAKEOVERRIDES: undefined };

async function build(ctx) {
  for (const variables of Object.values(BUILDS)) {
    const words = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    console.log(`bench: make ${words.join(' ')}`);
    await run(['make', '--no-print-directory', `-j${ctx.all.length}`, ...words, 'all'], {
      cwd: ctx.root,
      cpus: ctx.all,
      env: CLEAN,
      limit: BUILD_LIMIT,
    });
  }
}

async function start(ctx, rung) {
  const settings = overlay('rung', `server: { batch: ${rung.batch} }\ncache: { routes: ${rung.routes} }`);
  const spec = actix(ctx, ['bench/app/actix.yaml', settings], { workers: rung.workers, out: BUILDS[rung.build].OUT });
  const cpus = rung.workers === '1' ? ctx.serverCpus : ctx.all;
  return { name: rung.name, server: await serve({ ...spec, env: rung.env }, { cpus }) };
}

async function climb(ctx, options, results) {
  const contenders = [];
  for (const rung of RUNGS) contenders.push(await start(ctx, rung));
  for (const name of options.cases) {
    for (const { name: rung, server } of contenders)
      if (!(await answers(server.port, name))) throw new Error(`${rung} does not answer ${CASES[name].title} as it must`);
    results.runs.push(...(await interleave(ctx, contenders, name, options)));
  }
  await Promise.all(contenders.map(({ server }) => stop(server)));
  results.summary = summarizeAll(results.runs);
}

const of = (results, rung, name) => results.summary.find((s) => s.peer === rung && s.case === name);

/** One case: what each rung does, and by how much it is above the one below it and above the first. */
export function steps(results, name) {
  return RUNGS.map((rung, i) => {
    const here = of(results, rung.name, name);
    const below = of(results, RUNGS[Math.max(i - 1, 0)].name, name);
    const first = of(results, RUNGS[0].name, name);
    return [
      rung.name,
      figure(rung.expected),
      figure(rung.expected / RUNGS[0].expected, 1),
      figure(here?.rps.median) + (here?.client_bound ? '†' : ''),
      figure(ratio(here?.rps.median, first?.rps.median), 2),
      figure(here?.cpu_us.median, 2),
      figure(ratio(here?.cpu_us.median, below?.cpu_us.median), 2),
      figure(here?.p99.median),
    ];
  });
}

const HEAD = ['stage', 'guide: requests/s', '×', 'requests/s', '×', 'CPU µs per request', 'to the stage before', 'p99 µs'];

/** Stages down, cases across; each cell the median of a field, and its ratio to the baseline's. */
function matrix(results, field, { digits, guide }) {
  const names = results.options.cases;
  const cell = (rung) => (name) => {
    const [here, first] = [rung, RUNGS[0]].map((r) => of(results, r.name, name)?.[field].median);
    const bound = field === 'rps' && of(results, rung.name, name)?.client_bound ? '†' : '';
    return `${figure(here, digits)}${bound} (${figure(ratio(here, first), 2)})`;
  };
  const rows = RUNGS.map((rung) => [rung.name, ...(guide ? [figure(rung.expected)] : []), ...names.map(cell(rung))]);
  return markdownTable(['', ...(guide ? ['the guide expects'] : []), ...names.map((name) => CASES[name].title)], rows);
}

/** What the docs show. */
function section(results) {
  return [
    machineText({ ...results, machine: { ...results.machine, build: {} } }), // each stage is a build of its own
    RUNGS.map((rung) => `- **${rung.name}**: ${rung.what}`).join('\n'),
    'Requests per second (and to the baseline):',
    matrix(results, 'rps', { digits: 0, guide: true }),
    ...(results.summary.some((s) => s.client_bound) ? ['† the load generator was out of CPU: the server can do more.'] : []),
    'CPU per request in microseconds (and to the baseline):',
    matrix(results, 'cpu_us', { digits: 2, guide: false }),
    ...results.problems.map((p) => `- ${p.replace(/\s+/g, ' ')}`),
  ].join('\n\n');
}

/** One table for each case, with what each stage adds to the one before it. */
function details(results) {
  const one = (name) => `## ${CASES[name].title}\n\n${markdownTable(HEAD, steps(results, name))}`;
  return results.options.cases.map(one).join('\n\n');
}

function svg(results) {
  const { machine: m, options: o } = results;
  const bar = (s) => ({ label: s.peer, kind: 'own', values: [s.cpu_us.median, s.rps.median] });
  return chart({
    title: 'The ladder: one stage after the other',
    subtitle: `${m.cpu}, Node ${m.node}, ${o.connections} connections; ${made(m)}`,
    panels: [
      { title: 'CPU per request, µs: less is better', format: (v) => figure(v, 2) },
      { title: 'requests per second: more is better', format: (v) => figure(v) },
    ],
    groups: o.cases.map((name) => ({ title: CASES[name].title, bars: results.summary.filter((s) => s.case === name).map(bar) })),
    legend: [{ kind: 'own', label: 'this server' }],
  });
}

function write(options, results) {
  const base = options.results;
  mkdirSync(dirname(base), { recursive: true });
  writeFileSync(`${base}.json`, `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(`${base}.svg`, svg(results));
  writeFileSync(
    `${base}.md`,
    `# The ladder\n\n${section(results)}\n\n![CPU per request and requests per second](${basename(base)}.svg)\n\n${details(results)}\n`,
  );
  for (const name of options.cases) console.log(`\n${CASES[name].title}\n${plainTable(HEAD, steps(results, name))}`);
  console.log(`\nbench: ${base}.json, ${base}.md, ${base}.svg`);
  const whole = options.cases.length === DEFAULTS.cases.length;
  if (!options.docs) return;
  if (whole) writeFileSync(options.docs, fillIn(readFileSync(options.docs, 'utf8'), { ladder: section(results) }));
  console.log(`bench: ${options.docs}${whole ? '' : ': not all was asked for, left as it is'}`);
}

await main(async () => {
  const options = parseOptions(process.argv.slice(2), DEFAULTS);
  chosen(options.cases, CASES, 'case');
  const ctx = await context(options);
  await build(ctx);
  const results = { machine: ctx.machine, options, builds: BUILDS, rungs: RUNGS, problems: ctx.problems, summary: [], runs: [] };
  await climb(ctx, options, results);
  write(options, results);
});
