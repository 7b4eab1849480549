'use strict';
// What the build refuses, what it says of itself, and that `make verify` finds what is not as asked for.
const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { describe, test } = require('node:test');

const ROOT = path.join(__dirname, '../..');
const TREE = 'build/release';
const run = (file, args) => {
  const env = { ...process.env };
  for (const name of ['MAKEFLAGS', 'MAKELEVEL', 'MFLAGS', 'BUILD', 'ALLOCATOR', 'MARCH', 'OPT', 'OUT', 'LTO', 'STRIP', 'POOL', 'INTERN']) delete env[name];
  const r = spawnSync(file, args, { cwd: ROOT, env, encoding: 'utf8', timeout: 60_000 });
  return { code: r.status, out: r.stdout, err: r.stderr };
};
const facts = () => JSON.parse(run(`${TREE}/bin/actix`, ['version', '--json']).out).build;
const asked = (b) => ({ BUILD: b.kind, OPT: b.opt, MARCH: b.march, LTO: b.lto, STRIP: b.strip, ALLOCATOR: b.allocator, POOL: b.pool, INTERN: b.intern, COMPILER: b.compiler.split(' ')[0] });
const verify = (names) => run('scripts/verify.sh', [TREE, ...Object.entries(names).map(([k, v]) => `${k}=${v}`)]);

describe('make', () => {
  const refused = [
    [['BUILD=fast'], /BUILD=fast is none of: release debug/],
    [['OPT=-O9'], /OPT=-O9 is none of: -O0/],
    [['OPT=3'], /OPT=3 is none of/],
    [['MARCH=skylake'], /MARCH=skylake is none of: portable native/],
    [['LTO=maybe'], /LTO=maybe is none of: on off auto/],
    [['STRIP=yes'], /STRIP=yes is none of: on off/],
    [['ALLOCATOR=tcmalloc'], /ALLOCATOR=tcmalloc is none of: default jemalloc mimalloc/],
    [['POOL=none'], /POOL=none is none of: default malloc/],
    [['INTERN=no'], /INTERN=no is none of: on off/],
    [['OUT='], /OUT=: a folder of its own is needed/],
    [['OUT=/'], /OUT=\/: a folder of its own is needed/],
    [['OUT=build/a b'], /OUT=build\/a b: a folder of its own is needed, without spaces/],
    [['CC=gccc', 'all'], /CC=gccc: there is no such compiler here/],
    [['BUILD=asan', 'ALLOCATOR=jemalloc'], /ALLOCATOR=jemalloc does not go with BUILD=asan/],
  ];
  for (const [args, message] of refused) {
    test(`refuses ${args.join(' ')}`, () => {
      const r = run('make', ['-n', 'help', ...args]);
      assert.notEqual(r.code, 0);
      assert.match(r.err, message);
    });
  }

  test('says that it does not know a variable, and goes on', () => {
    const r = run('make', ['-n', 'help', 'MARHC=native']);
    assert.equal(r.code, 0);
    assert.match(r.err, /MARHC is ignored: nothing here reads it \(make help/);
    assert.equal(run('make', ['-n', 'help', 'ONLY=net http', 'MARCH=native', 'CFLAGS=-O1 -DX=1']).err, '');
  });

  test('names the package of an allocator that is missing', (t) => {
    const dir = fs.mkdtempSync(path.join(require('node:os').tmpdir(), 'actix-build-'));
    t.after(() => fs.rmSync(dir, { recursive: true }));
    // A compiler that finds no header of either.
    fs.writeFileSync(`${dir}/cc`, '#!/bin/sh\n[ "$1" = -E ] && exec gcc -nostdinc "$@"\nexec gcc "$@"\n', { mode: 0o755 });
    for (const name of ['jemalloc', 'mimalloc']) {
      const r = run('make', ['-n', 'all', `ALLOCATOR=${name}`, `OUT=${dir}/tree`, `CC=${dir}/cc`]);
      assert.notEqual(r.code, 0);
      assert.match(r.err, new RegExp(`ALLOCATOR=${name} needs the library: apt-get install lib${name}-dev`));
    }
  });

  test('help lists the targets and the variables', () => {
    const { out } = run('make', ['help']);
    for (const word of ['pgo', 'verify', 'OUT=', 'OPT=', 'MARCH=', 'LTO=', 'STRIP=', 'ALLOCATOR=']) assert.match(out, new RegExp(`^ +${word}`, 'm'));
  });
});

describe('what a build says of itself', () => {
  test('version: one line; every fact with --verbose and --json', () => {
    const b = facts();
    const short = run(`${TREE}/bin/actix`, ['version']).out;
    assert.match(short, /^actix \d+\.\d+\.\d+\n/);
    assert.match(short, new RegExp(`^build ${b.kind}: ${b.compiler.replace(/\./g, '\\.')} ${b.opt}, ${b.march}, lto ${b.lto}, pgo ${b.pgo}, allocator ${b.allocator} `, 'm'));
    const long = run(`${TREE}/bin/actix`, ['version', '--verbose']).out;
    for (const [name, value] of Object.entries(b)) if (value) assert.ok(long.includes(`  ${name}: ${value}\n`), name);
  });

  test('the addon has the same facts', () => {
    const { build } = require(path.join(ROOT, TREE, 'lib/actix/addon/actix.node'));
    const addon = build();
    const program = facts();
    for (const name of ['version', 'kind', 'compiler', 'flags', 'march', 'lto', 'strip']) assert.equal(addon[name], program[name], name);
  });
});

describe('verify', () => {
  test('is content with what was asked for', () => {
    const r = verify(asked(facts()));
    assert.equal(r.code, 0, r.err);
    assert.match(r.out, /exports +2: napi_register_module_v1 node_api_module_get_api_version_v1\n/);
    assert.match(r.out, /verify: all as asked for\n$/);
  });

  // What else could have been asked for, and which witness, beside the program's own word, must object.
  const other = {
    BUILD: [['pgo', 'release'], /: profile-guided: asked for|: its own word for kind: asked for/],
    OPT: [['-O1', '-O2'], /actix\.node: OPT: asked for '-O\d', found '-O\d'/],
    MARCH: [['x86-64-v2', 'x86-64-v3'], /bin\/actix: MARCH in the flags: asked for/],
    LTO: [['on', 'off'], /actix\.node: LTO: asked for/],
    STRIP: [['on', 'off'], /bin\/actix: STRIP: asked for/],
    ALLOCATOR: [['mimalloc', 'default'], /bin\/actix: ALLOCATOR by the libraries it needs: asked for/],
    POOL: [['malloc', 'default'], /actix\.node: its own word for pool: asked for/],
    INTERN: [['off', 'on'], /actix\.node: its own word for intern: asked for/],
    COMPILER: [['clang', 'gcc'], /actix\.node: compiler: asked for/],
  };
  for (const [name, [values, message]] of Object.entries(other)) {
    test(`fails when ${name} is another`, { skip: name === 'MARCH' && process.arch !== 'x64' }, () => {
      const names = asked(facts());
      names[name] = values.find((v) => v !== names[name]);
      const r = verify(names);
      assert.equal(r.code, 1);
      assert.match(r.err, message);
      assert.match(r.err, /verify: \d+ fact\(s\) are not what was asked for\n$/);
    });
  }

  test('finds exports that should not be there, and a program that is not there', (t) => {
    const dir = fs.mkdtempSync(path.join(require('node:os').tmpdir(), 'actix-verify-'));
    t.after(() => fs.rmSync(dir, { recursive: true }));
    assert.match(run('scripts/verify.sh', [dir]).err, /bin\/actix is not built/);
    fs.cpSync(path.join(ROOT, TREE, 'bin'), `${dir}/bin`, { recursive: true });
    fs.cpSync(path.join(ROOT, TREE, 'lib'), `${dir}/lib`, { recursive: true });
    fs.copyFileSync(`${dir}/bin/actix`, `${dir}/lib/actix/addon/actix.node`); // exports nothing that Node looks for
    const names = Object.entries(asked(facts())).map(([k, v]) => `${k}=${v}`);
    const r = run('scripts/verify.sh', [dir, ...names]);
    assert.equal(r.code, 1);
    assert.match(r.err, /actix\.node: exported symbols: asked for 'napi_register_module_v1 node_api_module_get_api_version_v1'/);
    assert.match(r.err, /separate symbols: asked for 'of the same build', found 'missing'|flags in the debug information/);
  });
});
