'use strict';
// AsyncLocalStorage: what one request enters is not seen by another, in the batch or later; and nothing is paid before
// somebody uses async context.
const test = require('node:test');
const assert = require('node:assert/strict');
const { Client, request, startEngine } = require('./harness');

const SOURCE = `
  const { AsyncLocalStorage } = require('node:async_hooks');
  const store = new AsyncLocalStorage();
  exports.plain = () => 'plain';
  exports.enter = async (req) => { store.enterWith(req.getQueryString()); await null; return 'own ' + store.getStore(); };
  exports.look = async () => { const now = store.getStore(); await new Promise(setImmediate); return now + ' ' + store.getStore(); };
  exports.run = (req) => store.run(req.getQueryString(), async () => { await null; return 'run ' + store.getStore(); });
  exports.tick = () => new Promise((answer) => process.nextTick(() => answer('tick ' + store.getStore())));`;
const ROUTES = ['plain', 'enter', 'look', 'run', 'tick'].map((name) => ['GET', `/${name}`, `s.js#${name}`]);

test('no store leaks from request to request', async () => {
  const engine = await startEngine({ files: { 's.js': SOURCE }, routes: ROUTES });
  await engine.message('ready');
  const targets = [
    '/look',
    '/enter?secret1',
    '/look',
    '/run?mine',
    '/enter?secret2',
    '/tick',
    '/look',
    '/plain',
    '/run?other',
    '/look',
  ];
  const expected = targets.map((target) => {
    const [name, query] = target.slice(1).split('?');
    if (name === 'plain') return 'plain';
    if (name === 'look') return 'undefined undefined';
    return name === 'tick' ? 'tick undefined' : `${name === 'enter' ? 'own' : name} ${query}`;
  });
  for (let round = 0; round < 3; round++) {
    const client = new Client(engine.port);
    client.send(targets.map((target) => `GET ${target} HTTP/1.1\r\nHost: t\r\n\r\n`).join(''));
    const texts = (await client.take(targets.length)).map(({ text }) => text);
    assert.deepEqual(texts, expected, `round ${round}`);
    assert.equal((await request(engine.port, 'GET', '/look')).text, 'undefined undefined');
    client.close();
  }
  assert.deepEqual(await engine.stop(), { code: 0, signal: null });
});
