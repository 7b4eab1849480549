'use strict';
// The workflow can only be tried where it runs; here: it is YAML, and each command that it runs is there.
const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');

const ROOT = path.join(__dirname, '../..');
const FILE = path.join(ROOT, '.github/workflows/ci.yml');
const noYaml = spawnSync('python3', ['-c', 'import yaml']).status === 0 ? false : 'no YAML parser here: apt-get install python3-yaml';

/** The names in make's own table; nothing is run for it. */
const targets = () =>
  new Set([...spawnSync('make', ['-np', 'help'], { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 26 }).stdout.matchAll(/^([a-z][\w-]*):(?!=)/gm)].map((m) => m[1]));

// What the runner brings.
const GIVEN = /^(apt-get (update|install -y --no-install-recommends [\w. -]+)|git config [\w. -]+ "\$GITHUB_WORKSPACE"|docker build [\w./ -]+)$/;

function problem(command, known) {
  if (GIVEN.test(command)) return undefined;
  const words = command.replace(/\$\{\{[^}]*\}\}/g, 'x').split(' ');
  const program = words[0] === 'bash' ? words[1] : words[0];
  if (program !== 'make') return fs.existsSync(path.join(ROOT, program)) ? undefined : `no ${program}`;
  const goals = words.slice(1).filter((word) => !/^-|=/.test(word));
  return goals.filter((name) => !known.has(name)).map((name) => `no target ${name}`)[0];
}

function workflow() {
  const { status, stdout, stderr } = spawnSync('python3', ['-c', 'import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)'], {
    input: fs.readFileSync(FILE),
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

test('each command of the workflow is there', { skip: noYaml }, () => {
  const { jobs } = workflow();
  const known = targets();
  assert.equal(problem('make test nothing', known), 'no target nothing');
  const found = [];
  for (const [name, job] of Object.entries(jobs)) {
    assert.ok(job['runs-on'] && job['timeout-minutes'] && job.steps.length, name);
    for (const step of job.steps) {
      assert.ok((step.run === undefined) !== (step.uses === undefined), `${name}: ${JSON.stringify(step)}`);
      for (const command of (step.run ?? '').split(/\n|&&/).map((text) => text.trim().replace(/ \$\{\{ matrix\.cc \}\}/, ' gcc')).filter(Boolean)) {
        const what = problem(command, known);
        if (what !== undefined) found.push(`${name}: ${command}: ${what}`);
      }
    }
  }
  assert.deepEqual(found, []);
});

test('every supported Node, compiler and allocator has its turn', { skip: noYaml }, () => {
  const { jobs } = workflow();
  assert.deepEqual(jobs.matrix.strategy.matrix, { cc: ['gcc', 'clang'], node: [18, 20, 22, 24] });
  assert.deepEqual(jobs.allocators.strategy.matrix, { cc: ['gcc', 'clang'], allocator: ['default', 'jemalloc', 'mimalloc'] });
});
