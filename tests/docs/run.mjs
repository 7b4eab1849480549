// run.mjs: tries every command, snippet and name in README.md, CONTRIBUTING.md, SECURITY.md, CHANGELOG.md and docs/.
//
//     node tests/docs/run.mjs [--write] [PAGE …]      --write brings the option tables of docs/cli.md up to date
//
// ACTIX names the program, build/release/bin/actix when it is not set.  The last line is "docs: N passed, N failed, N skipped".
import fs from 'node:fs';
import path from 'node:path';
import { LANGUAGES, REASONED, Skip } from './blocks.mjs';
import { parse } from './markdown.mjs';
import { Reference } from './reference.mjs';
import { World } from './world.mjs';

const repo = path.resolve(path.dirname(new URL(import.meta.url).pathname), '../..');
const actix = path.resolve(process.env.ACTIX ?? path.join(repo, 'build/release/bin/actix'));
const tally = { passed: 0, failed: 0, skipped: 0 };
const reasons = new Map();

function skipped(reason) {
  tally.skipped++;
  reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
}

function judged(place, wrong) {
  if (wrong === undefined) return void tally.passed++;
  tally.failed++;
  console.log(`${place}: ${wrong}`);
}

/** A fence without a language shows something; what looks like a command in it would go untried. */
const bare = (block) => (!/[│└]/.test(block.text) && /^\$ |^(sudo |actix |make |curl |npm )/m.test(block.text) ? 'give this block a language (sh, console)' : undefined);

async function tryBlock(world, page, block) {
  const place = `${page}:${block.line}`;
  const skip = block.notes.find((n) => n.word === 'skip');
  if (skip) return skip.rest.length > 3 ? skipped(skip.rest) : judged(place, 'a skip needs a reason');
  if (block.lang === '') return bare(block) ? judged(place, bare(block)) : undefined;
  if (REASONED.has(block.lang)) return judged(place, `a ${block.lang} block is not tried: say why, with <!-- test: skip REASON -->`);
  if (!LANGUAGES[block.lang]) return judged(place, `nobody knows how to try the language ${block.lang}`);
  if (block.notes.some((n) => n.word === 'fresh')) await world.fresh();
  try {
    judged(place, await LANGUAGES[block.lang](world, block));
  } catch (err) {
    if (err instanceof Skip) skipped(err.message);
    else judged(place, err.stack);
  }
  return undefined;
}

async function tryPage(page, parsed) {
  const world = await World.make(actix);
  try {
    for (const block of parsed.blocks) await tryBlock(world, page, block);
  } finally {
    await world.end();
  }
}

const all = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', ...fs.readdirSync(`${repo}/docs`).sort().map((f) => `docs/${f}`)]
  .filter((file) => file.endsWith('.md') && fs.existsSync(path.join(repo, file)));
const asked = process.argv.slice(2).filter((word) => word !== '--write');
const unknown = asked.filter((page) => !all.includes(page));
if (unknown.length > 0 || !fs.existsSync(actix)) {
  console.error(unknown.length > 0 ? `no such page: ${unknown.join(' ')}` : `${actix} is not built`);
  process.exit(2);
}

const reference = new Reference(actix, repo);
if (process.argv.includes('--write')) reference.write();
const pages = new Map(all.map((file) => [file, parse(fs.readFileSync(path.join(repo, file), 'utf8'))]));
for (const [file, page] of pages) {
  if (asked.length > 0 && !asked.includes(file)) continue;
  const start = Date.now();
  const was = { ...tally };
  for (const { line, wrong } of reference.check(file, page, pages)) judged(`${file}:${line}`, wrong);
  await tryPage(file, page);
  const did = Object.keys(tally).map((key) => `${tally[key] - was[key]} ${key}`).join(', ');
  console.log(`${file}: ${did} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
}
for (const [reason, count] of reasons) console.log(`skipped ${count}: ${reason}`);
console.log(`docs: ${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`);
process.exit(tally.failed > 0 ? 1 : 0);
