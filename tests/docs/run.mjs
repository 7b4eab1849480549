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
const AT_A_TIME = 3; // pages; most of their time is waiting
const total = { passed: 0, failed: 0, skipped: 0 };
const reasons = new Map();

/** What came of one page. */
class Tally {
  passed = 0;
  failed = 0;
  skipped = 0;

  skip(reason) {
    this.skipped++;
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }

  judge(place, wrong) {
    if (wrong === undefined) return void this.passed++;
    this.failed++;
    console.log(`${place}: ${wrong}`);
  }
}

/** A fence without a language shows something; what looks like a command in it would go untried. */
const bare = (block) => (!/[│└]/.test(block.text) && /^\$ |^(sudo |actix |make |curl |npm )/m.test(block.text) ? 'give this block a language (sh, console)' : undefined);

async function tryBlock(world, page, block, tally) {
  const place = `${page}:${block.line}`;
  const skip = block.notes.find((n) => n.word === 'skip');
  if (skip) return skip.rest.length > 3 ? tally.skip(skip.rest) : tally.judge(place, 'a skip needs a reason');
  if (block.lang === '') return bare(block) ? tally.judge(place, bare(block)) : undefined;
  if (REASONED.has(block.lang)) return tally.judge(place, `a ${block.lang} block is not tried: say why, with <!-- test: skip REASON -->`);
  if (!LANGUAGES[block.lang]) return tally.judge(place, `nobody knows how to try the language ${block.lang}`);
  if (block.notes.some((n) => n.word === 'fresh')) await world.fresh();
  try {
    tally.judge(place, await LANGUAGES[block.lang](world, block));
  } catch (err) {
    if (err instanceof Skip) tally.skip(err.message);
    else tally.judge(place, err.stack);
  }
  return undefined;
}

async function tryPage(page, parsed) {
  const start = Date.now();
  const tally = new Tally();
  for (const { line, wrong } of reference.check(page, parsed, pages)) tally.judge(`${page}:${line}`, wrong);
  const world = await World.make(actix);
  try {
    for (const block of parsed.blocks) await tryBlock(world, page, block, tally);
  } finally {
    await world.end();
  }
  for (const key of Object.keys(total)) total[key] += tally[key];
  const did = Object.keys(total).map((key) => `${tally[key]} ${key}`).join(', ');
  console.log(`${page}: ${did} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
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
const waiting = [...pages].filter(([file]) => asked.length === 0 || asked.includes(file));
// The longest first.
waiting.sort(([, a], [, b]) => b.blocks.length - a.blocks.length);
const next = async () => {
  for (let entry = waiting.shift(); entry; entry = waiting.shift()) await tryPage(...entry);
};
await Promise.all(Array.from({ length: AT_A_TIME }, next));
for (const [reason, count] of reasons) console.log(`skipped ${count}: ${reason}`);
console.log(`docs: ${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed > 0 ? 1 : 0);
