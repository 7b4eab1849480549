'use strict';
// check.js: what `actix check` and `actix routes` learn from a throw-away Node.
const test = require('node:test');
const assert = require('node:assert/strict');
const { check } = require('./harness');

test('routes after expansion of exports and of routes registered in code', async () => {
  const result = await check({
    files: {
      'm.js': 'exports.GET = () => 1; exports.POST = () => 2; exports.helper = 3;',
      'd.js': 'module.exports = () => 1;',
      'n.js': 'exports.PUT = () => 1; exports.default = () => 2;',
      'f.js': 'module.exports = () => 1; module.exports.GET = () => 2;',
      'app.js':
        "require('actix-js').post('/code/:id', function save() {}); require('actix-js').onStart(() => { throw new Error('never run'); }); setInterval(() => 0, 1000);",
    },
    modules: ['app.js'],
    routes: [
      ['*', '/m', 'm.js'],
      ['*', '/d', 'd.js'],
      ['PUT', '/n', 'n.js'],
      ['PATCH', '/n', 'n.js'],
      ['*', '/f', 'f.js'],
      ['GET', '/fixed'],
    ],
  });
  assert.deepEqual(result.errors, []);
  assert.deepEqual(
    result.routes.map(({ method, pattern, name, at }) => [method, pattern, name, at?.line]),
    [
      ['GET', '/m', 'm.js#GET', 10],
      ['POST', '/m', 'm.js#POST', 10],
      ['ANY', '/d', 'd.js', 11],
      ['PUT', '/n', 'n.js', 12],
      ['PATCH', '/n', 'n.js', 13],
      ['GET', '/f', 'f.js#GET', 14],
      ['GET', '/fixed', 'fixed', 15],
      ['POST', '/code/:id', 'app.js#save', undefined],
    ],
  );
});

test('every error of a run, each once, and no hint at anything internal', async () => {
  const result = await check({
    files: {
      'fetch.js': 'module.exports = { default: { fetch() {} } };',
      'empty.js': '',
      'needs.js': "require('no-such-package');",
      'text.js': 'throw "just text";',
      'twice.js': "const a = require('actix-js'); a.get('/x', () => 1); a.get('/x', () => 2);",
    },
    modules: ['twice.js'],
    routes: [
      ['GET', '/2', 'fetch.js'],
      ['*', '/3', 'empty.js'],
      ['GET', '/4', 'needs.js'],
      ['GET', '/5', 'text.js'],
      ['GET', '/6', 'text.js'],
    ],
  });
  const found = result.errors.map(({ at, message }) => `${at.line}: ${message}`);
  assert.equal(found.length, 4, found.join('\n'));
  assert.match(found[0], /^1: cannot load twice\.js: .*GET \/x.*\(twice\.js:1:\d+\)$/);
  assert.equal(found[1], '11: empty.js exports no default function (it exports no function); write module.exports = (req) => ...');
  assert.match(found[2], /^12: cannot load needs\.js: Cannot find module 'no-such-package' \(needs\.js:1:\d+\); npm install no-such-package$/);
  assert.equal(found[3], '13: cannot load text.js: just text');
});

test('a module that throws later does not take the result with it', async () => {
  const result = await check({
    files: {
      'l.mjs':
        'queueMicrotask(() => { throw new Error("later"); }); await new Promise(() => setInterval(() => 0, 100));',
    },
    routes: [['GET', '/', 'l.mjs']],
  });
  assert.match(result.errors[0].message, /later/);
});

test('ESM in a .js file: loaded where Node can tell, else the error says what to do', async () => {
  const files = {
    'esm.js': "import { worker } from 'actix-js';\nexport const GET = () => worker.id;",
    'odd.js': 'module.exports = () => `\nexport nothing`;',
  };
  const result = await check({
    files,
    routes: [
      ['*', '/1', 'esm.js'],
      ['GET', '/2', 'odd.js'],
    ],
  });
  const canTell = process.features.require_module === true;
  if (canTell) assert.deepEqual([result.errors, result.routes.map(({ name }) => name)], [[], ['esm.js#GET', 'odd.js']]);
  else assert.match(result.errors[0].message, /name the file \.mjs, or say "type": "module"/);
});
