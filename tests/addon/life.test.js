'use strict';
// Environments that end in every way while their worker has connections and requests: the process must live on.
const test = require('node:test');
const assert = require('node:assert/strict');
const path = require('node:path');
const { Worker } = require('node:worker_threads');
const { once } = require('node:events');
const { ADDON, Client, request, engineOptions } = require('./harness');

const native = require(path.join(ADDON, 'actix.node'));

/** A worker thread with a native worker; handlers by path. */
function thread() {
  const { workerData, parentPort } = require('node:worker_threads');
  const native = require(workerData.addon);
  const { nativeRoute, BATCH } = require(workerData.harness);
  const batch = native.batchNew(BATCH);
  const handlers = [
    (slot, gen) => native.send(slot, gen, 200, 1, 'ok'),
    () => undefined, // never answers
    (slot, gen) => {
      native.send(slot, gen, 200, 3, Buffer.alloc(4 << 20));
      process.exit(3);
    },
    () => {
      parentPort.postMessage('spinning');
      for (;;);
    },
    () => {
      throw new Error('out of dispatch');
    },
    (slot, gen) => {
      native.send(slot, gen, 200, 1, 'then a throw');
      process.nextTick(() => {
        throw new Error('out of nextTick');
      });
    },
  ];
  const routes = ['ok', 'never', 'exit', 'spin', 'throw', 'tick'].map((name) => nativeRoute('GET', `/${name}`));
  const dispatch = () => {
    for (let i = 0; i < batch[0]; i++) {
      batch[2] = i;
      handlers[batch[10 + 3 * i] - 1](batch[8 + 3 * i], batch[9 + 3 * i]);
    }
    return batch[0];
  };
  const event = (slot, gen) => native.send(slot, gen, 200, 1, 'from gone');
  native.workerNew({ engine: workerData.engine, id: 0, settings: { batch: BATCH }, routes, batch, dispatch, event });
  const url = native.workerBind('127.0.0.1', 0, 16);
  native.workerReady();
  parentPort.postMessage(url);
  if (workerData.survive) process.on('uncaughtException', (err) => parentPort.postMessage(err.message));
}

async function withThread(more, run) {
  const engine = native.engineNew(engineOptions());
  const workerData = { addon: path.join(ADDON, 'actix.node'), harness: require.resolve('./harness'), engine, ...more };
  const worker = new Worker(`(${thread})()`, { eval: true, workerData });
  const errors = [];
  worker.on('error', (err) => errors.push(err.message));
  const [url] = await once(worker, 'message');
  const port = Number(new URL(url).port);
  const idle = new Client(port);
  const waiting = new Client(port).get('/never').get('/ok');
  assert.equal((await request(port, 'GET', '/ok')).text, 'ok');
  const exited = new Promise((resolve) => worker.once('exit', resolve)); // events.once would reject with the error
  await run({ worker, port, exited, errors });
  await worker.terminate();
  await idle.end();
  await waiting.end();
  native.engineFree(engine); // would abort if the worker were still registered
}

const ends = {
  'terminate, idle': async ({ worker }) => {
    await worker.terminate();
  },
  'terminate, spinning in a handler': async ({ worker, port }) => {
    const client = new Client(port).get('/spin');
    await once(worker, 'message');
    await worker.terminate();
    await client.end();
  },
  'process.exit within a handler, a pinned body on its way': async ({ port, exited }) => {
    new Client(port).get('/exit').get('/ok');
    assert.equal(await exited, 3);
  },
  'an exception out of dispatch': async ({ port, exited, errors }) => {
    new Client(port).get('/ok').get('/throw');
    await exited;
    assert.deepEqual(errors, ['out of dispatch']);
  },
  'an exception out of nextTick': async ({ port, exited, errors }) => {
    new Client(port).get('/tick').get('/ok');
    await exited;
    assert.deepEqual(errors, ['out of nextTick']);
  },
};
for (const [name, end] of Object.entries(ends)) {
  test(name, async () => {
    for (let round = 0; round < 4; round++) await withThread({}, end);
  });
}

test('exceptions that somebody handles leave the worker serving', async () => {
  await withThread({ survive: true }, async ({ worker, port }) => {
    for (const [target, message] of [
      ['/tick', 'out of nextTick'],
      ['/throw', 'out of dispatch'],
      ['/tick', 'out of nextTick'],
    ]) {
      const heard = once(worker, 'message');
      const client = new Client(port).get(target);
      assert.deepEqual(await heard, [message]);
      if (target === '/tick') assert.equal((await client.next()).text, 'then a throw');
      assert.equal((await request(port, 'GET', '/ok')).text, 'ok');
    }
  });
});
