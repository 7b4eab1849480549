'use strict';
const test = require('node:test');
const assert = require('node:assert');
const path = require('node:path');
const { spawnSync } = require('node:child_process');

const tsc = require.resolve('typescript/bin/tsc'); // `npm ci` brings it
const types = path.resolve(__dirname, '../types');

for (const [project, what] of [['tsconfig.json', 'every export'], ['templates.json', 'the templates']]) {
  test(`the types fit ${what}`, () => {
    const { status, stdout } = spawnSync(process.execPath, [tsc, '--noEmit', '-p', path.join(types, project)], { encoding: 'utf8' });
    assert.strictEqual(status, 0, stdout);
  });
}
