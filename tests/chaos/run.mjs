#!/usr/bin/env node
// Runs the scripts of this folder, one after the other, and ends with one line: "chaos: N passed, N failed, N skipped".
//
//   node tests/chaos/run.mjs [--short] [NAME...]
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SKIPPED = 77;
const folder = dirname(fileURLToPath(import.meta.url));
const options = process.argv.slice(2).filter((word) => word.startsWith('--'));
const wanted = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const all = readdirSync(folder)
  .filter((file) => file.endsWith('.mjs') && file !== 'run.mjs')
  .map((file) => file.slice(0, -4))
  .sort();

const unknown = wanted.filter((name) => !all.includes(name));
if (unknown.length || options.some((word) => word !== '--short')) {
  console.error(`usage: run.mjs [--short] [${all.join(' ')}]`);
  process.exit(2);
}

// In the long run these come a second time, with a process for each worker.
const BOTH_WAYS = ['engine-kill', 'heap', 'reload', 'spin', 'stuck'];

function* plan() {
  for (const name of wanted.length ? wanted : all) {
    if (process.env.ISOLATION) yield { name, isolation: process.env.ISOLATION };
    else {
      yield { name, isolation: 'thread' };
      if (!options.length && BOTH_WAYS.includes(name)) yield { name, isolation: 'process' };
    }
  }
}

const run = ({ name, isolation }) =>
  new Promise((done) => {
    const env = { ...process.env, ISOLATION: isolation };
    const child = spawn(process.execPath, [join(folder, `${name}.mjs`), ...options], { stdio: 'inherit', env });
    child.on('close', (code) => done(code));
  });

let [passed, skipped] = [0, 0];
const failed = [];
for (const one of plan()) {
  const code = await run(one);
  if (code === 0) passed++;
  else if (code === SKIPPED) skipped++;
  else failed.push(one.isolation === 'process' ? `${one.name} (process)` : one.name);
  console.log();
}
if (failed.length) console.log(`failed: ${failed.join(', ')}`);
console.log(`chaos: ${passed} passed, ${failed.length} failed, ${skipped} skipped`);
process.exit(failed.length ? 1 : 0);
