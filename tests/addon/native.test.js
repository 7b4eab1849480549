'use strict';
// The native half alone, on this thread: real sockets, and handlers that call native functions directly.
const test = require('node:test');
const assert = require('node:assert/strict');
const path = require('node:path');
const { ADDON, BATCH, Client, request, nativeRoute, engineOptions, serve, sendString } = require('./harness');

const native = require(path.join(ADDON, 'actix.node'));
/** Built with INTERN=off native code gives strings where it gives numbers else. */
const interned = native.fieldNames().length > 1;
const TEXT = 1;
const BYTES = 3;

async function withServer(routes, handle, run, more) {
  const server = serve(native, routes, handle, more);
  try {
    await run(server);
  } finally {
    await server.close();
  }
}

test('every getter gives what was sent', async () => {
  const seen = {};
  const handle = (slot, gen, route) => {
    for (const name of [
      'method',
      'path',
      'uri',
      'query',
      'queryPairs',
      'params',
      'bodySize',
      'bodyString',
      'bodyBuffer',
      'formPairs',
      'multipart',
      'requestId',
      'remoteAddress',
      'alive',
    ]) {
      seen[name] = native[name](slot, gen);
    }
    const table = new Uint16Array(1 + 5 * 2);
    const text = native.fields(slot, gen, table, 0);
    seen.fields = [text, ...table];
    native.fields(slot, gen, table, 4);
    seen.last = [table[0], text.slice(table[2], table[3]), text.slice(table[4], table[5])];
    native.fields(slot, gen, table, 5);
    seen.none = table[0];
    seen.known = native.fieldNames().map((_, id) => native.headerAt(slot, gen, id));
    seen.present = native.header(slot, gen, 'x-TWO');
    seen.absent = native.header(slot, gen, 'x-three');
    seen.route = route;
    native.send(slot, gen, 200, TEXT, 'ok');
    seen.after = native.alive(slot, gen);
  };
  const routes = [nativeRoute('GET', '/x'), nativeRoute('POST', '/u/:id/*rest')];
  await withServer(routes, handle, async ({ port }) => {
    assert.deepEqual(native.paramNames(2), ['id', 'rest']);
    assert.deepEqual(native.paramNames(1), []);
    assert.throws(() => native.paramNames(3), { code: 'ERR_OUT_OF_RANGE' });
    const client = new Client(port).post(
      '/u/a%2Fb%C3%A9/r/s?x=1&y=%zz&x=a+b&%ff=',
      'b=1&c=%C3%A9',
      'X-One: 1\r\nX-Two: \xe9\r\nContent-Type: application/x-www-form-urlencoded; charset=utf-8\r\n',
    );
    assert.equal((await client.next()).status, 200);
    client.close();
  });
  assert.equal(seen.method, interned ? native.methodNames().indexOf('POST') : 'POST');
  assert.equal(seen.path, '/u/a%2Fb%C3%A9/r/s');
  assert.equal(seen.uri, '/u/a%2Fb%C3%A9/r/s?x=1&y=%zz&x=a+b&%ff=');
  assert.equal(seen.query, 'x=1&y=%zz&x=a+b&%ff=');
  assert.deepEqual(seen.queryPairs, ['x', '1', 'y', '%zz', 'x', 'a b', '\ufffd', '']);
  assert.deepEqual(seen.formPairs, ['b', '1', 'c', 'é']);
  assert.deepEqual(seen.params, ['a/bé', 'r/s']);
  const names = native.fieldNames();
  const [text, n, ...words] = seen.fields;
  assert.equal(n, 2);
  assert.deepEqual([words[0], words[5]], interned ? ['host', 'content-length'].map((name) => names.indexOf(name)) : [0, 0]);
  const cut = [1, 3, 6, 8].map((at) => text.slice(words[at], words[at + 1]));
  assert.deepEqual(cut, ['Host', 't', 'Content-Length', '12']);
  assert.deepEqual(seen.last, [1, 'Content-Type', 'application/x-www-form-urlencoded; charset=utf-8']);
  assert.equal(seen.none, 0);
  const known = Object.fromEntries(names.map((name, id) => [name, seen.known[id]]).filter(([, value]) => value !== null));
  const type = 'application/x-www-form-urlencoded; charset=utf-8';
  assert.deepEqual(known, interned ? { host: 't', 'content-length': '12', 'content-type': type } : {});
  assert.equal(seen.present, '\xc3\xa9'); // latin1 of the two bytes that the test sent
  assert.equal(seen.absent, null);
  assert.equal(seen.bodySize, 12);
  assert.equal(seen.bodyString, 'b=1&c=%C3%A9');
  assert.deepEqual(seen.bodyBuffer, Buffer.from('b=1&c=%C3%A9'));
  assert.equal(seen.multipart, null);
  assert.match(seen.requestId, /^\w{16}$/);
  assert.equal(seen.remoteAddress, '127.0.0.1');
  assert.deepEqual([seen.route, seen.alive, seen.after], [2, true, false]);
});

test('multipart gives offsets, and false for what is malformed', async () => {
  const seen = [];
  const handle = (slot, gen) => {
    seen.push(native.multipart(slot, gen));
    native.send(slot, gen, 200, 0);
  };
  const type = 'Content-Type: multipart/form-data; boundary=B\r\n';
  const body =
    '--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' +
    '--B\r\nContent-Disposition: form-data; name="f"; filename="x.txt"\r\nContent-Type: text/plain\r\n\r\nfile\r\n--B--\r\n';
  await withServer([nativeRoute('POST', '/')], handle, async ({ port }) => {
    const client = new Client(port).post('/', body, type).post('/', 'nonsense', type);
    await client.take(2);
    client.close();
  });
  const [a, f] = [body.indexOf('1\r\n'), body.indexOf('file\r\n')];
  assert.deepEqual(seen, [['a', null, null, a, a + 1, 'f', 'x.txt', 'text/plain', f, f + 4], false]);
});

test('bodies of any bytes and sizes survive, both ways', async () => {
  const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const handle = (slot, gen) => native.send(slot, gen, 200, BYTES, native.bodyBuffer(slot, gen));
  await withServer([nativeRoute('POST', '/')], handle, async ({ port }) => {
    const client = new Client(port);
    for (const size of [0, 1, 255, 256, 1000, 16384, 16385, 70000, 1 << 20]) {
      const body = Buffer.alloc(size, all);
      const { status, body: got } = await client.post('/', body).next();
      assert.equal(status, 200);
      assert.ok(got.equals(body), `${size} bytes`);
    }
    client.close();
  });
});

test('strings of any length and width arrive as UTF-8', async () => {
  const texts = [
    '',
    'a',
    'é',
    '\u4e2d',
    '\u{1f600}',
    'x'.repeat(2047),
    '\u4e2d'.repeat(2048),
    '\u4e2d'.repeat(2049),
    'y'.repeat(8190),
    'z'.repeat(8192),
    '\xe9'.repeat(50000),
    `${'q'.repeat(5000)}${'\u{1f600}'.repeat(5000)}`,
    'lone \ud800 surrogate',
  ];
  const handle = (slot, gen) =>
    native.send(slot, gen, 200, TEXT, texts[Number(native.query(slot, gen))], 'x-a: 1\r\nx-b: \xe9\r\n');
  await withServer([nativeRoute('GET', '/')], handle, async ({ port }) => {
    const client = new Client(port);
    for (let i = 0; i < texts.length; i++) client.get(`/?${i}`);
    const got = await client.take(texts.length);
    got.forEach(({ text, headers }, i) => {
      assert.equal(
        text,
        texts[i].replace(/[\ud800-\udfff](?![\udc00-\udfff])(?<![\ud800-\udbff][\udc00-\udfff])/g, '\ufffd'),
      );
      assert.ok(headers.some(([name, value]) => name === 'x-b' && value === '\xe9'));
    });
    client.close();
  });
});

test('sendString takes the length as a hint', async () => {
  const texts = ['', 'abc', '\u4e2d\u6587', '\u{1f600}', 'x'.repeat(5000), '\u4e2d'.repeat(140_000), 'y'.repeat(131_071)];
  const LENGTH_MAX = 131_071;
  const problems = [];
  let words;
  const handle = (slot, gen) => {
    const text = texts[Number(native.query(slot, gen))];
    for (const args of [[99, text], [200 | (7 << 10), text], [0, text], [200, 5], [200], [201 | (LENGTH_MAX << 13), {}]]) {
      assert.throws(() => sendString(native, words, slot, gen, ...args), TypeError);
    }
    sendString(native, words, slot, gen, 201 | (2 << 10) | (Math.min(text.length, LENGTH_MAX) << 13), text);
    if (native.alive(slot, gen)) problems.push(text.length);
  };
  await withServer([nativeRoute('GET', '/')], handle, async ({ port, batch }) => {
    words = batch;
    const client = new Client(port);
    texts.forEach((_, i) => client.get(`/?${i}`));
    for (const { status, headers, text } of await client.take(texts.length)) {
      assert.equal(text, texts.shift());
      assert.equal(status, 201);
      assert.ok(headers.some(([name, value]) => name === 'content-type' && value.startsWith('application/json')));
    }
    client.close();
  });
  assert.deepEqual(problems, []);
});

test('a path is told as a number only where the very pattern was sent', async () => {
  const seen = [];
  const handle = (slot, gen) => {
    seen.push([native.path(slot, gen), native.uri(slot, gen)]);
    native.send(slot, gen, 200, TEXT, '');
  };
  const routes = ['/a/b', '/:x', '/caf\u00e9/x'].map((pattern) => nativeRoute('GET', pattern));
  await withServer(routes, handle, async ({ port }) => {
    const client = new Client(port);
    for (const target of ['/a/b', '/a/b?', '/a/%62', '/:x', '/y', 'http://h/a/b', '/caf%C3%A9/x']) client.get(target);
    await client.take(7);
    client.close();
  });
  const pattern = interned ? 1 : '/a/b';
  assert.deepEqual(seen, [
    [pattern, pattern],
    [pattern, '/a/b?'],
    ['/a/%62', '/a/%62'],
    ['/:x', '/:x'],
    ['/y', '/y'],
    [pattern, 'http://h/a/b'],
    ['/caf%C3%A9/x', '/caf%C3%A9/x'],
  ]);
});

test('wrong arguments of the readers of fields throw', async () => {
  const problems = [];
  const handle = (slot, gen) => {
    for (const args of [[], [new Uint16Array(5), 0], [new Uint8Array(50), 0], [new Uint16Array(50)], [[], 0]]) {
      try {
        problems.push(native.fields(slot, gen, ...args));
      } catch (err) {
        if (!(err instanceof TypeError)) problems.push(err);
      }
    }
    for (const id of [-1, 64, 'host']) {
      try {
        problems.push(native.headerAt(slot, gen, id));
      } catch (err) {
        if (err.code !== 'ERR_OUT_OF_RANGE') problems.push(err);
      }
    }
    native.send(slot, gen, 200, TEXT, 'fine');
  };
  await withServer([nativeRoute('GET', '/')], handle, async ({ port }) => {
    assert.equal((await request(port, 'GET', '/')).text, 'fine');
  });
  assert.deepEqual(problems, []);
});

test('pipelined requests are answered in order, however they were answered', async () => {
  const waiting = [];
  const handle = (slot, gen) => {
    const n = native.query(slot, gen);
    const answer = () => native.send(slot, gen, 200, TEXT, n.padEnd(Number(n) % 3 === 0 ? 20000 : 1, '.'));
    if (Number(n) % 2 === 0) waiting.push(answer);
    else answer();
    if (waiting.length === 20)
      setImmediate(() =>
        waiting
          .splice(0)
          .reverse()
          .forEach((send) => send()),
      );
  };
  await withServer([nativeRoute('GET', '/')], handle, async ({ port }) => {
    const client = new Client(port);
    for (let i = 0; i < 40; i++) client.get(`/?${i}`);
    const got = await client.take(40);
    assert.deepEqual(
      got.map(({ text }) => parseInt(text, 10)),
      Array.from({ length: 40 }, (_, i) => i),
    );
    client.close();
  });
});

test('a large body stays alive until it is out', async () => {
  const handle = (slot, gen) => native.send(slot, gen, 200, BYTES, Buffer.alloc(3 << 20, native.query(slot, gen)));
  await withServer([nativeRoute('GET', '/')], handle, async ({ port }) => {
    const client = new Client(port);
    client.socket.pause();
    for (const c of 'abcdef') client.get(`/?${c}`);
    await new Promise((resolve) => setImmediate(resolve));
    for (let i = 0; i < 50; i++) Buffer.alloc(1 << 20);
    globalThis.gc?.();
    client.socket.resume();
    for (const c of 'abcdef') assert.ok((await client.next()).body.equals(Buffer.alloc(3 << 20, c)));
    client.close();
  });
});

test('a stale or invented handle touches nothing; late sends are counted', async () => {
  let handle;
  const serving = (slot, gen) => {
    handle = [slot, gen];
    assert.equal(native.send(slot, gen, 200, TEXT, 'once'), true);
    assert.equal(native.send(slot, gen, 200, TEXT, 'twice'), false);
  };
  await withServer([nativeRoute('GET', '/')], serving, async ({ port, batch }) => {
    const client = new Client(port).get('/');
    assert.equal((await client.next()).text, 'once');
    await client.get('/').next();
    const [slot, gen] = handle;
    for (const [s, g] of [
      [slot, gen],
      [slot, gen + 7],
      [4_000_000_000, -2],
    ]) {
      assert.equal(native.send(s, g, 200, TEXT, 'stale'), false);
      assert.equal(native.fail(s, g, 500, 'stale'), false);
      assert.equal(native.alive(s, g), false);
      for (const name of [
        'method',
        'path',
        'uri',
        'query',
        'queryPairs',
        'formPairs',
        'params',
        'bodySize',
        'bodyString',
        'bodyBuffer',
        'multipart',
        'requestId',
        'remoteAddress',
      ]) {
        assert.equal(native[name](s, g), undefined, name);
      }
      assert.equal(native.header(s, g, 'host'), undefined);
      assert.equal(native.headerAt(s, g, 1), undefined);
      assert.equal(native.cookie(s, g), undefined);
      assert.equal(native.fields(s, g, new Uint16Array(6), 0), undefined);
      assert.equal(sendString(native, batch, s, g, 200 | (5 << 13), 'stale'), undefined);
    }
    assert.equal(native.workerStats().late_sends, 11); // with "twice", which only JavaScript can tell from a late one
    client.close();
  });
});

test('a timeout and a client that leaves are told to whom they concern', async () => {
  const handles = [];
  const handle = (slot, gen) => {
    handles.push([slot, gen]);
    native.watch(slot, gen);
  };
  await withServer(
    [nativeRoute('GET', '/slow', { timeout_us: 50_000 }), nativeRoute('GET', '/gone')],
    handle,
    async ({ port, events }) => {
      const response = await request(port, 'GET', '/slow');
      assert.equal(response.status, 504);
      assert.deepEqual(events, [{ slot: handles[0][0], gen: handles[0][1], why: 0 }]);
      assert.equal(native.send(...handles[0], 200, TEXT, 'late'), false);
      const client = new Client(port).get('/gone');
      while (handles.length < 2) await new Promise((resolve) => setImmediate(resolve));
      client.close();
      while (events.length < 2) await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(events[1], { slot: handles[1][0], gen: handles[1][1], why: 1 });
      assert.equal(native.path(...handles[1]), interned ? 1 : '/gone');
      assert.equal(native.send(...handles[1], 200, TEXT, 'to nowhere'), true);
      assert.equal(native.send(...handles[1], 200, TEXT, 'again'), false);
    },
  );
});

test('a worker that is closed with unanswered requests, bodies and all, leaves nothing behind', async () => {
  for (let round = 0; round < 3; round++) {
    let entered = 0;
    await withServer(
      [nativeRoute('POST', '/')],
      () => entered++,
      async ({ port, engine }) => {
        const clients = Array.from({ length: 4 }, () => new Client(port).post('/', 'x'.repeat(100_000)).post('/', 'y'));
        while (entered < 8) await new Promise((resolve) => setImmediate(resolve));
        assert.throws(() => native.engineFree(engine), { code: 'ERR_STATE' });
        clients[0].close();
      },
    );
  }
});

test('fail is the answer of the server: JSON, with its limit', async () => {
  const handle = (slot, gen) => native.fail(slot, gen, 413, 'too "large"', 'uploads.file', 'kept for the record');
  await withServer([nativeRoute('GET', '/')], handle, async ({ port }) => {
    const { status, text } = await request(port, 'GET', '/');
    assert.equal(status, 413);
    assert.deepEqual(JSON.parse(text), { error: 'too "large"', limit: 'uploads.file' });
  });
});

test('a batch ends when its slice is used up, and the rest comes in the next turn', async () => {
  const turns = [];
  const handle = (slot, gen) => {
    const until = Date.now() + 5;
    while (Date.now() < until);
    turns.push(native.query(slot, gen));
    native.send(slot, gen, 200, TEXT, 'x');
  };
  await withServer([nativeRoute('GET', '/')], handle, async ({ port, batch }) => {
    const client = new Client(port);
    client.send(Array.from({ length: 10 }, (_, i) => `GET /?${i} HTTP/1.1\r\nHost: t\r\n\r\n`).join(''));
    await client.take(10);
    assert.deepEqual(
      turns,
      Array.from({ length: 10 }, (_, i) => String(i)),
    );
    assert.equal(batch[0], 1); // the last batch held what the slices before had left
    assert.ok(native.workerStats().batches >= 10);
    client.close();
  });
});

test('checks of header lines and of patterns', () => {
  const verdicts = [
    ['x-a', 'v', 0],
    ['', 'v', 1],
    ['a b', 'v', 1],
    ['a:', 'v', 1],
    ['\u0161', 'v', 1],
    ['a', '', 0],
    ['a', 'x\r\ny: z', 2],
    ['a', '\0', 2],
    ['a', '\x7f', 2],
    ['a', 'tab\there', 0],
    ['a', '\xe9', 0],
    ['a', '\u4e0d', 2],
    ['a', 'v'.repeat(5000), 0],
    ['a', `${'v'.repeat(5000)}\n`, 2],
  ];
  for (const [name, value, expected] of verdicts)
    assert.equal(native.checkHeader(name, value), expected, JSON.stringify([name, value.slice(0, 20)]));
  assert.throws(() => native.checkHeader('a', 1), TypeError);
  assert.equal(native.checkPattern('/a/:b/*c'), null);
  for (const bad of ['a', '', '/*a/b', '/:a/:a']) assert.equal(typeof native.checkPattern(bad), 'string', bad);
});

test('wrong options are TypeErrors that name the field', () => {
  const wrong = [
    [{ workers: 0 }, /workers must be a whole number from 1/],
    [{ workers: '1' }, /workers must be a number/],
    [{ balance: 'best' }, /balance must be least_connections or/],
    [{ fds: 3 }, /fds must be an object/],
    [{ settings: { bach: 1 } }, /settings\.bach must be left out/],
    [{ settings: { batch: 'x' } }, /settings\.batch must be a number/],
    [{ log: { output: 'off' } }, /log\.access must be a string/],
  ];
  for (const [more, expected] of wrong)
    assert.throws(
      () => native.engineNew(engineOptions(more)),
      (err) => err instanceof TypeError && expected.test(err.message),
    );
  assert.throws(() => native.engineNew(engineOptions({ segmentFd: 999 })), { code: 'EBADF' });
  assert.throws(
    () =>
      native.engineNew(
        engineOptions({
          log: { output: '/nonexistent/log', format: 'json', level: 2, access: 'off', accessFormat: 'text' },
        }),
      ),
    { code: 'ENOENT' },
  );
  assert.throws(() => native.engineFree(1), TypeError);

  const engine = native.engineNew(engineOptions());
  const options = {
    engine,
    id: 0,
    settings: { batch: BATCH },
    routes: [nativeRoute('GET', '/')],
    batch: native.batchNew(BATCH),
    dispatch: () => 0,
    event: () => 0,
  };
  const bad = [
    [{ engine: undefined }, /engine must be a bigint/],
    [{ id: 1 }, /id must be a whole number from 0 to 0/],
    [
      { routes: [nativeRoute('GET', '/'), { ...nativeRoute('GET', '/x'), method: 'FETCH' }] },
      /routes\[1\]\.method must be GET or/,
    ],
    [{ routes: [{}] }, /routes\[0\]\.kind must be a string/],
    [{ batch: new Int32Array(5) }, /batch must be an Int32Array/],
    [{ batch: new Uint32Array(5000) }, /batch must be an Int32Array/],
    [{ dispatch: 1 }, /dispatch must be a function/],
    [{ settings: { batch: 0 } }, /settings\.batch must be from 1 to 65536/],
    [{ settings: { limit_pipeline: 0 } }, /settings\.limit_pipeline must be from 1/],
    [{ settings: { limit_pipeline: 2 ** 32 } }, /settings\.limit_pipeline must be from 1/],
    [{ settings: { limit_output: 0 } }, /settings\.limit_output must be from 1/],
  ];
  for (const [more, expected] of bad)
    assert.throws(
      () => native.workerNew({ ...options, ...more }),
      (err) => err instanceof TypeError && expected.test(err.message),
      String(expected),
    );
  native.engineFree(engine);
});

test('routes that clash, or differ from the first worker, are told by their index', async () => {
  const engine = native.engineNew(engineOptions());
  const options = (routes) => ({
    engine,
    id: 0,
    settings: { batch: BATCH },
    routes,
    batch: native.batchNew(BATCH),
    dispatch: () => 0,
    event: () => 0,
  });
  assert.throws(
    () => native.workerNew(options([nativeRoute('GET', '/a'), nativeRoute('GET', '/:x'), nativeRoute('GET', '/:y')])),
    { code: 'ERR_ROUTE', index: 2 },
  );
  native.workerNew(options([nativeRoute('GET', '/a')]));
  assert.throws(() => native.workerNew(options([nativeRoute('GET', '/a')])), { code: 'ERR_STATE' });
  await new Promise((resolve) => native.workerClose(resolve));
  assert.throws(() => native.workerNew(options([nativeRoute('GET', '/b')])), { code: 'ERR_ROUTES_DIFFER', index: 0 });
  assert.throws(() => native.workerNew(options([])), { code: 'ERR_ROUTES_DIFFER' });
  native.workerNew(options([nativeRoute('GET', '/a')]));
  await new Promise((resolve) => native.workerClose(resolve));
  native.engineFree(engine);
});

test('calls without a worker throw, and wrong arguments do', async () => {
  for (const name of ['workerReady', 'workerLameDuck', 'workerDrain', 'workerClose', 'workerStats']) {
    assert.throws(() => native[name](() => 0), { code: 'ERR_STATE' }, name);
  }
  assert.throws(() => native.send('a', 0, 200, 0), TypeError);
  assert.equal(native.path(1, 1), undefined);
  const problems = [];
  const handle = (slot, gen) => {
    for (const args of [
      [99, 0],
      [200, 9],
      [200, 1, 5],
      [200, 1, {}],
      [200, 1, new Float64Array(2)],
      [200, 1, 'x', 5],
    ]) {
      try {
        native.send(slot, gen, ...args);
        problems.push(args);
      } catch (err) {
        if (!(err instanceof TypeError)) problems.push(err);
      }
    }
    native.send(slot, gen, 200, TEXT, 'fine');
  };
  await withServer([nativeRoute('GET', '/')], handle, async ({ port }) => {
    assert.equal((await request(port, 'GET', '/')).text, 'fine');
    assert.throws(() => native.workerBind('127.0.0.1', 0, 5), TypeError);
  });
  assert.deepEqual(problems, []);
});

test('binding: a port in use, an unknown host, localhost on both families', async () => {
  await withServer(
    [nativeRoute('GET', '/')],
    (s, g) => native.send(s, g, 200, TEXT, 'x'),
    async ({ url, port }) => {
      assert.equal(url, `http://127.0.0.1:${port}`);
      assert.equal((await request(port, 'GET', '/')).text, 'x');
    },
    { host: 'localhost' },
  );
  const taken = require('node:net').createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const engine = native.engineNew(engineOptions());
  native.workerNew({
    engine,
    id: 0,
    settings: { batch: BATCH },
    routes: [],
    batch: native.batchNew(BATCH),
    dispatch: () => 0,
    event: () => 0,
  });
  assert.throws(() => native.workerBind('127.0.0.1', taken.address().port, 5), { code: 'EADDRINUSE' });
  assert.throws(() => native.workerBind('no.such.host.invalid', 0, 5), { code: 'ERR_LISTEN' });
  taken.close();
  await new Promise((resolve) => native.workerClose(resolve));
  native.engineFree(engine);
});

test('drain ends when the last connection has gone, and in the next turn when there is none', async () => {
  const handle = (slot, gen) => setTimeout(() => native.send(slot, gen, 200, TEXT, 'slow'), 20);
  await withServer([nativeRoute('GET', '/')], handle, async ({ port }) => {
    const client = new Client(port).get('/');
    const answer = client.next();
    await new Promise((resolve) => client.socket.once('connect', () => setTimeout(resolve, 10)));
    const drained = new Promise((resolve) => native.workerDrain(resolve));
    assert.equal((await answer).text, 'slow');
    await client.end();
    await drained;
    assert.throws(() => native.workerDrain(() => 0), { code: 'ERR_STATE' });
  });
  await withServer([nativeRoute('GET', '/')], handle, async () => {
    let done = false;
    const drained = new Promise((resolve) => native.workerDrain(resolve)).then(() => (done = true));
    assert.equal(done, false); // never from within the call
    await drained;
  });
});

test('log records are whole JSON lines, cut where they are too long; logs are reopened', () => {
  const fs = require('node:fs');
  const dir = fs.mkdtempSync(path.join(require('node:os').tmpdir(), 'actix-log-'));
  const output = path.join(dir, 'log');
  const engine = native.engineNew(
    engineOptions({ log: { output, format: 'json', level: 2, access: 'off', accessFormat: 'text' } }),
  );
  native.engineAttach(engine, 0);
  native.log(0, 'plain', ['key', 'value "quoted"', 'path', '/é\n']);
  native.log(3, 'below the level');
  native.log(1, 'm'.repeat(100_000), ['stack', '\u{1f600}\0\n'.repeat(20_000), 'late', 'x']);
  native.log(1, '%s %n 100%', ['odd']);
  fs.renameSync(output, `${output}.1`);
  native.engineReopenLogs(engine);
  native.log(2, 'new file');
  const lines = fs
    .readFileSync(`${output}.1`, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map(({ level }) => level),
    ['error', 'warn', 'warn'],
  );
  assert.deepEqual([lines[0].msg, lines[0].key, lines[0].path], ['plain', 'value "quoted"', '/é\n']);
  assert.match(lines[1].msg, /^m{900}$/);
  assert.match(lines[1].stack, /^(\u{1f600}\0\n){100,}/u);
  assert.equal(lines[2].msg, '%s %n 100%');
  assert.equal(JSON.parse(fs.readFileSync(output, 'utf8')).msg, 'new file');
  for (const args of [[4, 'x'], ['x', 'x'], [0], [0, 5]]) assert.throws(() => native.log(...args), TypeError);
  for (const args of [
    [0, 'x'],
    [3, 'x'],
    [1, 5],
    [1, new Float32Array(1)],
  ])
    assert.throws(() => native.writeRaw(...args), TypeError);
  native.engineFree(engine);
  fs.rmSync(dir, { recursive: true });
});
