'use strict';
// coverage.js OBJECTS MIN FOLDER...: line coverage of the folders from gcov's data below OBJECTS: a line a file, then the sum.
// Exits 1 below MIN percent.  A line counts once, however many programs it was compiled into.
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const [objects, min, ...folders] = process.argv.slice(2);

function* walk(dir) {
  for (const entry of fs.readdirSync(dir, { withFileTypes: true })) {
    const name = path.join(dir, entry.name);
    if (entry.isDirectory()) yield* walk(name);
    else if (name.endsWith('.gcno')) yield name;
  }
}

/** file → line → whether it was run */
const lines = new Map();

function take(file) {
  if (!folders.some((folder) => file.file.startsWith(`${folder}/`))) return;
  if (!lines.has(file.file)) lines.set(file.file, new Map());
  const of = lines.get(file.file);
  for (const { line_number: line, count } of file.lines) of.set(line, (of.get(line) ?? false) || count > 0);
}

for (const note of walk(objects)) {
  const json = execFileSync('gcov', ['--json-format', '--stdout', note], { encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'ignore'] });
  for (const text of json.split('\n').filter(Boolean)) for (const file of JSON.parse(text).files) take(file);
}

const percent = (hit, all) => `${((100 * hit) / all).toFixed(1)} %`.padStart(8);
let hit = 0;
let all = 0;
for (const [file, of] of [...lines].sort()) {
  const run = [...of.values()].filter(Boolean).length;
  hit += run;
  all += of.size;
  if (of.size) console.log(`${percent(run, of.size)}  ${String(run).padStart(5)} of ${String(of.size).padStart(5)}  ${file}`);
}
if (!all) {
  console.error('coverage: no data');
  process.exit(1);
}
console.log(`coverage: ${percent(hit, all).trim()} of the lines of ${folders.join(' and ')} (${hit} of ${all}); at least ${min} % is asked`);
process.exit((100 * hit) / all >= Number(min) ? 0 : 1);
