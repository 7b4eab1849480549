'use strict';
const test = require('node:test');
const assert = require('node:assert');
const path = require('node:path');
const v8 = require('node:v8');
const vm = require('node:vm');
const { addon } = require('./support');
const { addField, cookies, ResponseHeaders } = require(path.join(addon, 'headers.js'));
const { propertyName, fieldKey, fieldName } = require(path.join(addon, 'names.js'));

/** Flat [name, value ...] -> what a handler sees. */
function incoming(flat) {
  const all = {};
  for (let i = 0; i < flat.length; i += 2) addField(all, flat[i].toLowerCase(), flat[i + 1]);
  return all;
}

test('request headers follow the rules of node:http', () => {
  const rows = [
    [['Host', 'a', 'host', 'b'], { host: 'a' }],
    [['Accept', 'a', 'ACCEPT', 'b'], { accept: 'a, b' }],
    [['Cookie', 'a=1', 'cookie', 'b=2'], { cookie: 'a=1; b=2' }],
    [['Set-Cookie', 'a=1'], { 'set-cookie': ['a=1'] }],
    [['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2'], { 'set-cookie': ['a=1', 'b=2'] }],
    [['constructor', 'x', 'Constructor', 'y'], { constructor: 'x, y' }],
    [['User-Agent', 'a', 'User-Agent', 'b'], { 'user-agent': 'a' }],
    [[], {}],
  ];
  for (const [flat, want] of rows) assert.deepStrictEqual(incoming(flat), want);
});

test('a header named __proto__ is a header', () => {
  const all = incoming(['__proto__', 'x']);
  assert.strictEqual(Object.getPrototypeOf(all), Object.prototype);
  assert.deepStrictEqual(Object.entries(all), [['__proto__', 'x']]);
});

test('cookies', () => {
  const rows = [
    [null, {}],
    ['a=1; b=2', { a: '1', b: '2' }],
    ['a=1; a=2', { a: '1' }],
    ['a="x y"; b=', { a: 'x y', b: '' }],
    ['a=%C3%A4; b=%zz', { a: 'ä', b: '%zz' }],
    ['novalue; c=a=b', { c: 'a=b' }],
    ['__proto__=x', { ['__proto__']: 'x' }],
    ['a; b; c', {}],
    ['a; b=1; c; ; =v; d=2;', { b: '1', '': 'v', d: '2' }],
    [' a = 1 ;b= " ;c=""', { a: '1', b: '"', c: '' }],
    ['', {}],
  ];
  for (const [header, want] of rows) {
    const got = cookies(header);
    assert.strictEqual(Object.getPrototypeOf(got), null);
    assert.deepStrictEqual({ ...got }, want);
  }
});

test('response headers append, but single-valued ones are replaced', () => {
  const h = new ResponseHeaders();
  h.add('X-A', '1');
  h.add('x-a', '2');
  h.add('Content-Type', 'text/css');
  h.add('content-type', 'text/html');
  h.add('x-n', 3);
  assert.strictEqual(h.render(), 'X-A: 1\r\nx-a: 2\r\ncontent-type: text/html\r\nx-n: 3\r\n');
  assert.strictEqual(h.typed, true);
});

test('response headers are checked', () => {
  const rows = [
    ['', 'a', 'ERR_INVALID_CHAR'],
    ['a b', 'a', 'ERR_INVALID_CHAR'],
    ['a:', 'a', 'ERR_INVALID_CHAR'],
    ['ä', 'a', 'ERR_INVALID_CHAR'],
    [undefined, 'a', 'ERR_INVALID_CHAR'],
    ['a', 'x\r\nSet-Cookie: b', 'ERR_INVALID_CHAR'],
    ['a', 'x\0', 'ERR_INVALID_CHAR'],
    ['a', 'x\x7f', 'ERR_INVALID_CHAR'],
    ['a', '\u20ac', 'ERR_INVALID_CHAR'],
    ['a', undefined, 'ERR_INVALID_ARG_TYPE'],
    ['a', {}, 'ERR_INVALID_ARG_TYPE'],
  ];
  for (const [name, value, code] of rows) {
    const h = new ResponseHeaders();
    assert.throws(() => h.add(name, value), { code }, `${name}: ${value}`);
    assert.strictEqual(h.render(), '');
  }
  const fine = new ResponseHeaders();
  fine.add('x', 'a\tb \xe4');
  for (const name of ['Content-Length', 'transfer-encoding', 'CONNECTION', 'date']) fine.add(name, '1');
  assert.strictEqual(fine.render(), 'x: a\tb \xe4\r\n');
});

test('a name that was cut out of a body does not keep the body', () => {
  v8.setFlagsFromString('--expose-gc');
  const gc = vm.runInNewContext('gc');
  const BODY = 1 << 20;
  const COUNT = 100;
  gc();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < COUNT; i++) {
    const body = `x-cut-out-of-a-body-${i}:${'y'.repeat(BODY)}`;
    fieldKey(body.slice(0, body.indexOf(':')));
  }
  gc();
  assert.ok(process.memoryUsage().heapUsed - before < (COUNT * BODY) / 4);
});

test('names are remembered within bounds, and are the same whether they are or not', () => {
  for (let i = 0; i < 5000; i++) {
    assert.strictEqual(propertyName(`n${i}`), `n${i}`);
    assert.strictEqual(fieldName(fieldKey(`N${i}`)), `n${i}`);
  }
  for (const name of ['', 'x'.repeat(100), '__proto__', '7', '\xe9']) assert.strictEqual(propertyName(name), name);
  for (const name of ['Host', 'HOST', 'host']) assert.strictEqual(fieldKey(name), fieldKey('host'));
  assert.strictEqual(fieldName(fieldKey('User-Agent')), 'user-agent');
  assert.strictEqual(fieldKey('X-Of-No-List'), 'x-of-no-list');
  assert.strictEqual(fieldKey(5), '5');
});
