'use strict';
// Handlers in TypeScript: by Node itself, by the project's esbuild, or a message that names both.
const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const test = require('node:test');
const { App, get, until } = require('./serve-app');

const BIN = process.env.ACTIX ?? path.join(__dirname, '../../build/release/bin/actix');
const manifest = 'version: 1\nserver: { listen: "127.0.0.1:0", workers: 1 }\nroutes:\n  /esm/:name: handlers/esm.ts\n  /cts: handlers/c.cts\n  /mts: handlers/m.mts\n  /cjs: handlers/cjs.ts\n';
const files = {
  'actix.yaml': manifest,
  'handlers/lib.ts': 'export const greet = (name: string): string => `hello ${name}`;\n',
  'handlers/esm.ts':
    "import { worker } from 'actix-js';\nimport { greet } from './lib.ts';\n\ninterface Req { params: { name: string } }\n\n" +
    "export default (req: Req): string => {\n  if (req.params.name === 'boom') throw new Error('here' as string);\n  return greet(req.params.name) + worker.count;\n};\n",
  'handlers/c.cts': "const n: number = 4;\nexports.GET = (): { n: number } => ({ n });\n",
  'handlers/m.mts': 'type Answer = { a: number };\nexport const GET = (): Answer => ({ a: 1 });\n',
  'handlers/cjs.ts': "const word: string = 'plain';\nmodule.exports = (): string => word;\n",
};

/** Node of the npm package `node`, installed for these tests only; undefined where that is not possible. */
function nodeOf(t, major) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'actix-node-'));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  const r = spawnSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--silent', `node@${major}`], { cwd: dir, timeout: 240_000 });
  const bin = path.join(dir, 'node_modules/node/bin');
  return r.status === 0 && fs.existsSync(path.join(bin, 'node')) ? bin : undefined;
}

async function answers(a, env) {
  const s = await a.spawn(env, BIN, 'dev');
  assert.equal((await get(`${s.url}/esm/bob`)).body, 'hello bob1');
  assert.equal((await get(`${s.url}/cts`)).body, '{"n":4}');
  assert.equal((await get(`${s.url}/mts`)).body, '{"a":1}');
  assert.equal((await get(`${s.url}/cjs`)).body, 'plain');
  assert.match(JSON.parse((await get(`${s.url}/esm/boom`)).body).stack, /handlers\/esm\.ts:7:\d+/);
  a.write('handlers/lib.ts', 'export const greet = (name: string): string => `bye ${name}`;\n');
  await until(async () => (await get(`${s.url}/esm/bob`)).body === 'bye bob1');
  assert.equal(await s.signal('SIGTERM'), 0);
  assert.doesNotMatch(s.stderr, /ExperimentalWarning/);
}

const strips = Boolean(process.features.typescript);

test('a Node without type stripping, and no esbuild: the message names both ways', { skip: strips && 'this Node reads TypeScript' }, (t) => {
  const a = new App(t, files);
  const r = a.run('check');
  assert.equal(r.code, 3);
  assert.match(r.stderr, /^actix\.yaml:4:15: cannot load handlers\/esm\.ts: this Node \(v[\d.]+\) cannot read TypeScript: use Node 22\.18 or later, or npm install --save-dev esbuild$/m);
});

const esbuild = path.join(__dirname, '../../node_modules/esbuild');

test("the project's esbuild", { skip: strips ? 'this Node reads TypeScript' : !fs.existsSync(esbuild) && 'needs the npm package esbuild (make deps)' }, async (t) => {
  const a = new App(t, files);
  fs.mkdirSync(path.join(a.dir, 'node_modules'));
  fs.symlinkSync(esbuild, path.join(a.dir, 'node_modules/esbuild'));
  await answers(a, {});
  a.write('handlers/cjs.ts', 'const word: string = "x";\nconst y: = 4;\n');
  const r = a.run('check');
  assert.deepEqual([r.code, r.stderr], [3, 'actix.yaml:7:9: cannot load handlers/cjs.ts: SyntaxError: Unexpected "=" (handlers/cjs.ts:2)\n']);
});

for (const major of [22, 24]) {
  test(`Node ${major} by itself`, async (t) => {
    const bin = nodeOf(t, major);
    if (bin === undefined) return t.skip(`npm does not give node@${major} here`);
    await answers(new App(t, files), { PATH: `${bin}:${process.env.PATH}` });
  });
}
