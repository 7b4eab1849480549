#!/usr/bin/env node
// compare.mjs: this server beside its peers, and what else docs/benchmarks.md tells.  `make bench` calls it.
//
//   --peers a,b       of peers.mjs (all)           --cases a,b      of cases.mjs (all), or none
//   --measures a,b    of measures.mjs (all), or none
//   --rounds N (5)    --seconds S (2)              --connections N (64)
//   --guide-seconds S (30)   of wrk                --out DIR        what was built (build/release)
//   --results FILE    without its ending: FILE.json, FILE.md and, of requests side by side, FILE.svg (bench/results/latest)
//   --docs FILE       a page whose marked places are written anew, when nothing was narrowed
//   --page a,b        of the measures: these places of it alone, and their targets, are written anew; without other words
//                     nothing else is measured, and the figures go to bench/results/a-b
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname } from 'node:path';
import { CASES, answers } from './cases.mjs';
import { context } from './context.mjs';
import { MEASURES } from './measures.mjs';
import { chosen, parseOptions } from './options.mjs';
import { PEERS } from './peers.mjs';
import { main, stop, stopAll } from './process.mjs';
import { DETAIL, detail, fillIn, markdown, partsOf, sections, svg } from './report.mjs';
import { interleave, summarizeAll } from './rounds.mjs';
import { serve } from './server.mjs';
import { plainTable } from './table.mjs';
import { judge, targetTable } from './targets.mjs';

const DEFAULTS = {
  peers: Object.keys(PEERS),
  cases: Object.keys(CASES),
  measures: Object.keys(MEASURES),
  rounds: 5,
  seconds: 2,
  connections: 64,
  'guide-seconds': 30,
  out: 'build/release',
  results: '',
  docs: '',
  page: [],
  loader: '',
};

/** Where the tree and temporary files lie on this machine is nobody's business. */
const shown = (ctx, word) => word.replace(`${ctx.root}/`, '').replace(`${tmpdir()}/`, 'TMP/');

/** Whatever keeps a peer from being measured is said and leaves the others alone. */
async function startPeers(ctx, names) {
  const [up, out] = [[], []];
  for (const name of names) {
    const { title, kind, start, version } = PEERS[name];
    try {
      const spec = await start(ctx);
      const server = await serve(spec, { cpus: ctx.serverCpus });
      const command = spec.command.map((word) => shown(ctx, word));
      up.push({ name, title, kind, version: (await version(ctx, spec.cwd)) ?? '', command, server, offers: [] });
    } catch (err) {
      console.error(`bench: ${name} is left out: ${err.message}`);
      out.push({ name, why: err.message });
    }
  }
  return { up, out };
}

/** A peer is measured only with what it answers as it must. */
async function check(ctx, up, cases) {
  for (const peer of up)
    for (const name of cases) {
      if (await answers(peer.server.port, name)) peer.offers.push(name);
      else console.log(`bench: ${peer.name} does not offer ${CASES[name].title}`);
    }
  for (const peer of up.filter((p) => p.kind === 'own'))
    if (peer.offers.length < cases.length) ctx.problem(`${peer.name} answers only ${peer.offers.join(', ')}`);
}

async function sideBySide(ctx, options, results) {
  const { up, out } = await startPeers(ctx, options.cases.length ? options.peers : []);
  results.left_out.push(...out);
  await check(ctx, up, options.cases);
  results.peers = up.map(({ server, ...facts }) => facts);
  for (const name of options.cases) {
    const able = up.filter((peer) => peer.offers.includes(name) && peer.server.exit === undefined);
    const runs = await interleave(ctx, able, name, { ...options, warmup: Math.min(1, options.seconds) });
    results.runs.push(...runs);
    results.summary.push(...summarizeAll(runs));
    console.log(`\n${CASES[name].title}\n${plainTable(DETAIL, detail(results, name))}`);
  }
  await Promise.all(up.map(({ server }) => stop(server)));
}

async function further(ctx, options, results) {
  for (const name of options.measures) {
    console.log(`\n${MEASURES[name].title}`);
    try {
      results.further[name] = await MEASURES[name].measure(ctx, { ...options, guideSeconds: options['guide-seconds'] });
      console.log(MEASURES[name].describe(results.further[name]));
    } catch (err) {
      ctx.problem(`${MEASURES[name].title}: ${err.message}`);
      await stopAll(); // what it had started must not run beside the next
    }
  }
}

/** Infinity and NaN have no place in JSON: null. */
const asJson = (value) => `${JSON.stringify(value, null, 1)}\n`;

function write(options, results) {
  const base = options.results;
  mkdirSync(dirname(base), { recursive: true });
  writeFileSync(`${base}.json`, asJson(results));
  const drawn = results.summary.length > 0;
  if (drawn) writeFileSync(`${base}.svg`, svg(results));
  writeFileSync(`${base}.md`, markdown(results, { svg: drawn && `${basename(base)}.svg` }));
  const measured = results.targets.filter((t) => t.met !== undefined);
  if (measured.length) console.log(`\n${targetTable(measured)}`);
  console.log(`\nbench: ${base}.json, ${base}.md${drawn ? `, ${base}.svg` : ''}`);
}

function writeParts(options, results) {
  if (results.problems.length) return console.log(`bench: something went wrong: ${options.docs} is left as it is`);
  const page = readFileSync(options.docs, 'utf8');
  writeFileSync(options.docs, fillIn(page, partsOf(results, options.page, page)));
  return console.log(`bench: ${options.docs}: ${options.page.join(', ')}`);
}

function writeDocs(options, results) {
  if (options.page.length) return writeParts(options, results);
  const whole = ['peers', 'cases', 'measures'].every((name) => options[name].length === DEFAULTS[name].length);
  if (!whole) return console.log(`bench: not all was asked for: ${options.docs} is left as it is`);
  writeFileSync(options.docs, fillIn(readFileSync(options.docs, 'utf8'), sections(results)));
  return console.log(`bench: ${options.docs}`);
}

/** What a run for places of the page measures and writes, where nothing else is said. */
function narrowed(options) {
  const { page } = options;
  if (page.length && options.cases === DEFAULTS.cases) options.cases = [];
  if (page.length && options.measures === DEFAULTS.measures) options.measures = page;
  options.results ||= `bench/results/${page.join('-') || 'latest'}`;
}

const none = (list) => (list.length === 1 && list[0] === 'none' ? [] : list);

await main(async () => {
  const options = parseOptions(process.argv.slice(2), DEFAULTS);
  narrowed(options);
  options.cases = none(options.cases);
  options.measures = none(options.measures);
  chosen(options.peers, PEERS, 'peer');
  chosen(options.cases, CASES, 'case');
  chosen(options.measures, MEASURES, 'measure');
  chosen(options.page, Object.fromEntries(options.measures.map((name) => [name, true])), 'measure to write of');
  const ctx = await context(options);
  const results = { machine: ctx.machine, options, peers: [], left_out: [], problems: ctx.problems, summary: [], further: {}, runs: [] };
  await sideBySide(ctx, options, results);
  await further(ctx, options, results);
  results.targets = judge(results);
  write(options, results);
  if (options.docs) writeDocs(options, results);
});
