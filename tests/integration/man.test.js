'use strict';
// The manual pages: clean for man, and the same rows as the help.
const { test } = require('node:test');
const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const path = require('node:path');

const ACTIX = path.resolve(process.env.ACTIX ?? path.join(__dirname, '../../build/release/bin/actix'));

const actix = (...args) => {
  const r = spawnSync(ACTIX, args, { encoding: 'utf8' });
  assert.equal(r.status, 0, r.stderr);
  return r.stdout;
};
const COMMANDS = [...actix('help').split('Commands:\n')[1].split('\n\n')[0].matchAll(/^ {2}(\S+)/gm)].map((m) => m[1]);
const HAS_MAN = spawnSync('man', ['--version']).status === 0 && spawnSync('groff', ['--version']).status === 0;

/** What a reader sees, in one line a paragraph's words. */
function rendered(page) {
  const r = spawnSync('man', ['--warnings', '-E', 'ascii', '-l', '-'], {
    input: page, encoding: 'utf8', env: { ...process.env, LC_ALL: 'C', MANWIDTH: '500', MANROFFOPT: '-c', MAN_KEEP_FORMATTING: '' },
  });
  assert.equal(r.status, 0, r.stderr);
  assert.equal(r.stderr, '');
  return r.stdout.replace(/.\x08/g, '').replace(/\s+/g, ' ');
}

const words = (text) => text.replace(/ \(not supported yet\)$/, '').replace(/\s+/g, ' ').trim();

for (const command of COMMANDS) {
  test(`actix-${command}(1) has every row of the help`, { skip: !HAS_MAN && 'no man and groff here' }, () => {
    const page = rendered(actix('help', '--man', command));
    const help = actix('help', command);
    for (const [, about, text] of help.split('\nOptions:\n')[1].replace(/\n {30}/g, '  ').matchAll(/^ {2,6}(-.*?) {2,}(.*)$/gm)) {
      assert.ok(page.includes(`${words(about)} ${words(text)}`), `${about}: ${text}`);
    }
    assert.ok(page.includes(words(help.split('\n\n')[1])), 'summary');
  });
}

test('actix(1) has every command', { skip: !HAS_MAN && 'no man and groff here' }, () => {
  const page = rendered(actix('help', '--man'));
  for (const command of COMMANDS) assert.ok(page.includes(`actix-${command}(1) `), command);
});

test('actix.yaml(5) has every key, its default and its meaning', { skip: !HAS_MAN && 'no man and groff here' }, () => {
  const page = rendered(actix('help', '--man', 'manifest'));
  const rows = actix('help', 'manifest').split('\n').filter(Boolean);
  assert.ok(rows.length > 80);
  for (const row of rows) {
    const [, key, value, text] = /^(\S+) +(.*?) {2,}(.*)$/.exec(row);
    const at = page.indexOf(` ${key} (`);
    assert.notEqual(at, -1, key);
    const entry = page.slice(at, at + 600);
    assert.ok(entry.includes(words(text)), row);
    assert.ok(entry.includes(`Default: ${value}`) || entry.includes('Must be given.'), row);
  }
});
