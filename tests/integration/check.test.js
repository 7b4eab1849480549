'use strict';
// `actix check` whole: every kind of module that a manifest can name, each mistake at the manifest's line, all in one run.
const assert = require('node:assert/strict');
const test = require('node:test');
const { App } = require('./serve-app');

test('every mistake of every kind of route, at its line', (t) => {
  const a = new App(t, {
    'actix.yaml': `version: 1
modules: [gone.js]
routes:
  /missing: { handler: nowhere.js }
  /export: { GET: fine.js#nope }
  /syntax: syntax.js
  /throws: throws.js
  /package: package.js
  /fetch: fetch.mjs
  /node/*rest: { node: listener.js }
  /nonode/*rest: { node: fine-not.js }
  /use: { handler: fine.js, use: [fine.js, nouse.js] }
  /files/*path: { static: no-such-folder }
  /exits: exits.js
`,
    'gone.js': 'require("./not-here");',
    'fine.js': 'module.exports = () => 1; exports.other = 1;',
    'syntax.js': 'module.exports = () => {\n  return +;\n};',
    'throws.js': '\nthrow new TypeError("no config");',
    'package.js': "require('no-such-package/sub');",
    'fetch.mjs': 'export default { fetch() { return new Response("x"); } };',
    'listener.js': 'module.exports = (req, res) => res.end();',
    'fine-not.js': 'module.exports = 3;',
    'nouse.js': 'exports.named = () => 1;',
    'exits.js': 'process.exit(3);',
  });
  const r = a.run('check');
  assert.equal(r.code, 3);
  const lines = r.stderr.trimEnd().split('\n');
  for (const [line, wrong] of [
    [2, /cannot load gone\.js: Cannot find module '\.\/not-here' \(gone\.js:1:1\)/],
    [4, /nowhere\.js/],
    [5, /fine\.js has no export "nope"/],
    [6, /cannot load syntax\.js: SyntaxError: Unexpected token ';' \(syntax\.js:2\)/],
    [7, /cannot load throws\.js: TypeError: no config \(throws\.js:2:7\)/],
    [8, /cannot load package\.js: .*; npm install no-such-package/],
    [11, /fine-not\.js/],
    [12, /nouse\.js/],
    [13, /no-such-folder/],
    [14, /loading exits\.js ends the process/],
  ]) {
    const said = lines.filter((text) => text.startsWith(`actix.yaml:${line}:`));
    assert.equal(said.length, 1, `line ${line}: ${r.stderr}`);
    assert.match(said[0], wrong);
  }
  assert.equal(lines.length, 10, r.stderr);
});

test('what is right: fetch modules, node mounts, middleware, folders', (t) => {
  const a = new App(t, {
    'actix.yaml': 'version: 1\nroutes:\n  /fetch: fetch.mjs\n  /node/*rest: { node: listener.js }\n  /use: { handler: fine.js, use: [use.js] }\n  /files/*path: { static: public }\n',
    'fetch.mjs': 'export default { fetch() { return new Response("x"); } };',
    'listener.js': 'module.exports = (req, res) => res.end();',
    'fine.js': 'module.exports = () => 1;',
    'use.js': 'module.exports = (req, next) => next();',
    'public/a.txt': 'a',
  });
  assert.deepEqual(a.run('check', '--strict'), { code: 0, stdout: 'actix.yaml: ok, 4 routes, every handler loads\n', stderr: '' });
});
