'use strict';
// The native calls for bodies in pieces, on this thread: real sockets, and handlers that call native functions directly.
const test = require('node:test');
const assert = require('node:assert/strict');
const path = require('node:path');
const { ADDON, Client, nativeRoute, serve } = require('./harness');

const native = require(path.join(ADDON, 'actix.node'));
const NONE = 0;
const TEXT = 1;
const TIMEOUT = 0;
const GONE = 1;
const READABLE = 2;
const DRAINED = 3;

/** run(server, client); handle(slot, gen) for `routes`, event(slot, gen, what) for streams. */
async function withServer(routes, handle, event, run) {
  const server = serve(native, routes, handle, { event });
  const client = new Client(server.port);
  try {
    await run(server, client);
  } finally {
    client.close();
    await server.close();
  }
}

/** All that has come until `text` is there. */
async function until(client, text) {
  while (!client.bytes.includes(text)) {
    if (client.ended) throw new Error(`the connection ended: ${client.bytes.toString('latin1').slice(-200)}`);
    await new Promise((wake) => client.waiting.push(wake));
  }
  return client.bytes.toString('latin1');
}

const none = () => assert.fail('no event was expected');

test('a response of unknown length comes in chunks', async () => {
  const handle = (slot, gen) => {
    assert.equal(native.alive(slot, gen), true);
    assert.equal(native.streamOpen(slot, gen, 200, TEXT, 'X-A: b\r\n', -1), true);
    assert.equal(native.alive(slot, gen), false);
    assert.equal(native.send(slot, gen, 200, TEXT, 'late'), false);
    assert.equal(native.streamWrite(slot, gen, 'h\u00e9'), 1);
    assert.equal(native.streamWrite(slot, gen, ''), 1);
    assert.equal(native.streamWrite(slot, gen, '\u00e9', true), 1);
    setImmediate(() => {
      assert.equal(native.streamWrite(slot, gen, Buffer.alloc(20000, 'x')), 1);
      assert.equal(native.streamEnd(slot, gen), true);
      assert.equal(native.streamEnd(slot, gen), false);
      assert.equal(native.streamWrite(slot, gen, 'more'), -1);
      native.streamAbort(slot, gen);
    });
  };
  await withServer([nativeRoute('GET', '/')], handle, none, async (server, client) => {
    for (let i = 0; i < 2; i++) {
      client.get('/');
      const text = await until(client, '\r\n0\r\n\r\n');
      assert.match(text, /\r\nTransfer-Encoding: chunked\r\n/);
      assert.match(text, /\r\nX-A: b\r\n/);
      assert.doesNotMatch(text, /content-length/i);
      assert.ok(text.includes(`\r\n\r\n3\r\nh\xc3\xa9\r\n1\r\n\xe9\r\n4e20\r\n${'x'.repeat(20000)}\r\n0\r\n\r\n`));
      client.bytes = Buffer.alloc(0);
    }
    assert.equal(native.workerStats().inflight, 0);
  });
});

test('a declared length is kept', async () => {
  const codes = [];
  const handle = (slot, gen, route) => {
    native.streamOpen(slot, gen, 200, NONE, undefined, 5);
    native.streamWrite(slot, gen, '123');
    try {
      native.streamWrite(slot, gen, '456');
    } catch (err) {
      codes.push(err.code);
    }
    if (route === 1) native.streamWrite(slot, gen, Buffer.from('45'));
    assert.equal(native.streamEnd(slot, gen), true);
  };
  const routes = [nativeRoute('GET', '/whole'), nativeRoute('GET', '/short')];
  await withServer(routes, handle, none, async (server, client) => {
    assert.equal((await client.get('/whole').next()).text, '12345');
    client.get('/short');
    await client.end();
    assert.match(client.bytes.toString(), /Content-Length: 5\r\n.*\r\n\r\n123$/s);
  });
  assert.deepEqual(codes, ['ERR_CONTENT_LENGTH', 'ERR_CONTENT_LENGTH']);
});

test('without a body the stream is over at once', async () => {
  const took = [];
  const handle = (slot, gen, route) => {
    native.streamOpen(slot, gen, route === 2 ? 204 : 200, TEXT, undefined, -1);
    took.push(native.streamWrite(slot, gen, 'x'), native.streamEnd(slot, gen));
  };
  await withServer([nativeRoute('HEAD', '/'), nativeRoute('GET', '/')], handle, none, async (server, client) => {
    client.send('HEAD / HTTP/1.1\r\nHost: t\r\n\r\n');
    assert.equal((await client.next()).status, 200);
    assert.equal((await client.get('/').next()).status, 204);
  });
  assert.deepEqual(took, [-1, false, -1, false]);
});

test('a raw response is written as it is given', async () => {
  const handle = (slot, gen) => {
    assert.equal(native.streamOpenRaw(slot, gen, 201, true, -1), true);
    native.streamWrite(slot, gen, 'HTTP/1.1 201 Cr\u00e9\u00e9\r\nContent-Length: 2\r\n\r\n', true);
    native.streamWrite(slot, gen, 'ok');
    native.streamEnd(slot, gen);
  };
  await withServer([nativeRoute('GET', '/')], handle, none, async (server, client) => {
    client.get('/');
    await client.end();
    assert.equal(client.bytes.toString('latin1'), 'HTTP/1.1 201 Cr\xe9\xe9\r\nContent-Length: 2\r\n\r\nok');
  });
});

test('a client that does not read stops the writer, and goes on to', async () => {
  const total = 8 << 20;
  let left = total;
  let fulls = 0;
  const write = (slot, gen) => {
    while (left > 0) {
      left -= 40000;
      const took = native.streamWrite(slot, gen, Buffer.alloc(40000, 'y'));
      assert.notEqual(took, -1);
      if (took === 0) {
        fulls++;
        return;
      }
    }
    native.streamEnd(slot, gen);
  };
  const handle = (slot, gen) => {
    native.streamOpen(slot, gen, 200, NONE, undefined, -1);
    write(slot, gen);
  };
  const event = (slot, gen, what) => {
    assert.equal(what, DRAINED);
    write(slot, gen);
  };
  await withServer([nativeRoute('GET', '/')], handle, event, async (server, client) => {
    client.get('/');
    await until(client, 'y');
    client.socket.pause();
    assert.ok(left > 0);
    client.socket.resume();
    let got = 0;
    client.socket.on('data', (chunk) => (got += chunk.length));
    client.bytes = Buffer.alloc(0);
    await until(client, '\r\n0\r\n\r\n');
    assert.ok(fulls > 10);
    assert.ok(left <= 0);
  });
});

test('a client that leaves is told of once, and ends the stream', async () => {
  let seen;
  const told = new Promise((resolve) => {
    seen = resolve;
  });
  const handle = (slot, gen) => {
    native.streamOpen(slot, gen, 200, TEXT, undefined, -1);
    native.streamWrite(slot, gen, 'hello');
  };
  const event = (slot, gen, what) => seen({ slot, gen, what });
  await withServer([nativeRoute('GET', '/')], handle, event, async (server, client) => {
    client.get('/');
    await until(client, 'hello');
    client.close();
    const { slot, gen, what } = await told;
    assert.equal(what, GONE);
    native.streamEnd(slot, gen);
    assert.equal(native.streamWrite(slot, gen, 'x'), -1);
  });
});

/** Reads until there is nothing now; bytes are added up in `state`, and the handler is told how it ended. */
function reader(state, done) {
  return function read(slot, gen) {
    for (;;) {
      const piece = native.bodyRead(slot, gen);
      if (piece === null) return;
      if (piece === undefined || piece === false) return done(slot, gen, piece);
      assert.ok(Buffer.isBuffer(piece) && piece.length > 0 && piece.length <= 65536);
      state.bytes += piece.length;
      state.pieces++;
    }
  };
}

test('a body comes while the handler runs', async () => {
  const state = { bytes: 0, pieces: 0, events: [] };
  const read = reader(state, (slot, gen, end) => native.send(slot, gen, 200, TEXT, `${state.bytes} ${end}`));
  const event = (slot, gen, what) => {
    state.events.push(what);
    if (what === READABLE) read(slot, gen);
  };
  const handle = (slot, gen) => {
    state.bytes = 0;
    read(slot, gen);
  };
  const routes = [nativeRoute('POST', '/', { stream: true, body_max: 64 << 20 }), nativeRoute('POST', '/whole')];
  await withServer(routes, handle, event, async (server, client) => {
    assert.equal((await client.post('/', '').next()).text, '0 undefined');
    assert.equal((await client.post('/', 'hello').next()).text, '5 undefined');
    assert.equal((await client.post('/whole', 'x'.repeat(200000)).next()).text, '200000 undefined');
    const total = 10 << 20;
    assert.equal((await client.post('/', Buffer.alloc(total, 'z')).next()).text, `${total} undefined`);
    assert.ok(state.pieces > 150);
    client.send('POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
    await new Promise((resolve) => setImmediate(resolve));
    client.send('2\r\nde\r\n0\r\n\r\n');
    assert.equal((await client.next()).text, '5 undefined');
    client.send('POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n');
    await until(client, 'HTTP/1.1 100 Continue\r\n\r\n');
    client.bytes = Buffer.alloc(0);
    assert.equal((await client.send('ok').next()).text, '2 undefined');
    client.bytes = Buffer.alloc(0);
    client.send('POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz');
    assert.equal((await client.next()).status, 400);
  });
  assert.ok(state.events.every((what) => what === READABLE));
});

test('a client that leaves within its body, and one that sends too much', async () => {
  const state = { bytes: 0, pieces: 0 };
  let told;
  const over = () => new Promise((resolve) => (told = resolve));
  const events = [];
  const read = reader(state, (slot, gen, end) => told([end, native.send(slot, gen, 200, TEXT, 'late')]));
  const event = (slot, gen, what) => {
    events.push(what);
    if (what === READABLE) read(slot, gen);
    if (what === GONE) told(['gone', native.bodyRead(slot, gen)]);
  };
  const routes = [nativeRoute('POST', '/', { stream: true, body_max: 10 })];
  await withServer(routes, read, event, async (server, client) => {
    let waits = over();
    client.send('POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n');
    while (state.bytes < 4) await new Promise((resolve) => setImmediate(resolve));
    client.send('ff\r\n0123456789');
    assert.equal((await client.next()).status, 413);
    assert.deepEqual(await waits, [false, false]);
    waits = over();
    const other = new Client(server.port).send('POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nabc');
    while (state.bytes < 7) await new Promise((resolve) => setImmediate(resolve));
    other.close();
    assert.deepEqual(await waits, ['gone', false]);
  });
  assert.ok(!events.includes(TIMEOUT));
});

test('what is no argument is refused', async () => {
  const handle = (slot, gen) => {
    const bad = { code: 'ERR_INVALID_ARG_TYPE' };
    assert.throws(() => native.streamOpen(slot, gen, 99, TEXT, undefined, -1), bad);
    assert.throws(() => native.streamOpen(slot, gen, 200, TEXT, 7, -1), bad);
    assert.throws(() => native.streamOpen(slot, gen, 200, TEXT, undefined, -2), bad);
    assert.throws(() => native.streamOpenRaw(slot, gen, 200), bad);
    assert.throws(() => native.streamOpenRaw(slot, gen, 200, true), bad);
    assert.throws(() => native.streamOpenRaw(slot, gen, 200, true, -2), bad);
    native.streamOpen(slot, gen, 200, TEXT, undefined, -1);
    assert.throws(() => native.streamWrite(slot, gen, {}), bad);
    native.streamEnd(slot, gen);
    assert.equal(native.streamOpen(-1, gen, 200, TEXT, undefined, -1), false);
    assert.equal(native.streamWrite(-1, gen, 'x'), -1);
    assert.equal(native.streamEnd(-1, gen), false);
    assert.equal(native.bodyRead(-1, gen), false);
  };
  await withServer([nativeRoute('GET', '/')], handle, none, async (server, client) => {
    client.get('/');
    await until(client, '0\r\n\r\n');
  });
});
