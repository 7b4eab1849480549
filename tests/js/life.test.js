'use strict';
// Ends of requests and of servers: stale handles, signals, late answers, hooks.
const test = require('node:test');
const assert = require('node:assert');
const net = require('node:net');
const path = require('node:path');
const { spawn } = require('node:child_process');
const { addon, api, registry, serve, started, raw, request, later } = require('./support');

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('after its end a request tells only what was read', async (t) => {
  const kept = later();
  const { url } = await serve(t, {
    'POST /:a': (req) => {
      req.getPath();
      req.getHeader('x-read');
      req.getBodyBuffer();
      req.getPathParam('a');
      req.getBodyJson();
      req.sendText('x');
      kept.resolve(req);
    },
  });
  await fetch(`${url}/v?q=1`, { method: 'POST', body: '[1]', headers: { 'x-read': 'yes', 'x-not': 'no' } });
  const req = await kept.promise;
  await turn();
  assert.deepStrictEqual(
    [req.path, req.getHeader('X-Read'), req.getBodyBuffer().toString(), req.params.a, req.getBodyJson(), await req.json()],
    ['/v', 'yes', '[1]', 'v', [1], [1]],
  );
  for (const read of [
    (r) => r.method, (r) => r.getUri(), (r) => r.getQueryString(), (r) => r.query, (r) => r.getQueryParams(),
    (r) => r.getHeader('x-not'), (r) => r.headers, (r) => r.cookies, (r) => r.id, (r) => r.ip, (r) => r.getBodySize(),
    (r) => r.getFormData(), (r) => r.host,
  ]) assert.throws(() => read(req), { code: 'ERR_REQUEST_ENDED' }, String(read));
  await assert.rejects(req.getFormDataAsync(), { code: 'ERR_REQUEST_ENDED' });
  assert.throws(() => req.sendText('again'), { code: 'ERR_RESPONSE_SENT' });
  assert.strictEqual(req.setStatusCode(200), false);
  assert.strictEqual(req.signal.aborted, false);
});

test('parameters that were read one by one stay readable, together too', async (t) => {
  const kept = later();
  const { url } = await serve(t, {
    'GET /:a/:b': (req) => {
      req.getPathParam('b');
      if (req.getPathParam('a') === 'all') req.params;
      kept.resolve(req);
      return 'x';
    },
    'GET /:c': (req) => (kept.resolve(req), 'x'),
  });
  await fetch(`${url}/1/2`);
  const req = await kept.promise;
  await turn();
  assert.deepStrictEqual([req.getPathParam('b'), { ...req.params }, req.getPathParam('c')], ['2', { a: '1', b: '2' }, null]);
});

test('a handler that is too slow: 504, its signal, and its late answer does nothing', async (t) => {
  const end = later();
  const { url } = await serve(t, {
    'GET /': (req) => {
      const { signal } = req;
      signal.addEventListener('abort', () => {
        req.sendText('late');
        let second;
        try { req.sendText('again'); } catch (err) { second = err.code; }
        end.resolve([signal.reason.name, second]);
      });
    },
  }, { settings: { timeout_handler_us: 50_000 } });
  const res = await fetch(url);
  assert.strictEqual(res.status, 504);
  assert.strictEqual(typeof (await res.json()).error, 'string');
  assert.deepStrictEqual(await end.promise, ['TimeoutError', 'ERR_RESPONSE_SENT']);
});

test('a handler that fails after its timeout has sent nothing late', async (t) => {
  const { native } = require('./support');
  const end = later();
  const { url } = await serve(t, {
    'GET /': async (req) => {
      setImmediate(() => end.resolve(req.signal));
      await new Promise((_, reject) => req.signal.addEventListener('abort', () => reject(req.signal.reason)));
    },
  }, { settings: { timeout_handler_us: 50_000 } });
  assert.strictEqual((await fetch(url)).status, 504);
  assert.strictEqual((await end.promise).aborted, true);
  const { late_sends, late_errors } = native.workerStats();
  assert.deepStrictEqual([late_sends, late_errors], [0, 1]);
});

test('a signal that is asked for too late is aborted already', async (t) => {
  const end = later();
  const { url } = await serve(t, {
    'GET /': async (req) => {
      await new Promise((resolve) => setTimeout(resolve, 150));
      end.resolve([req.signal.aborted, req.signal.reason?.name]);
    },
  }, { settings: { timeout_handler_us: 50_000 } });
  assert.strictEqual((await fetch(url)).status, 504);
  assert.deepStrictEqual(await end.promise, [true, 'TimeoutError']);
});

test('a client that leaves aborts the signal; its request can still be read', async (t) => {
  const entered = later();
  const end = later();
  const { port } = await serve(t, {
    'GET /:a': (req) => {
      req.signal.addEventListener('abort', () => {
        const what = [req.signal.reason.name, req.params.a];
        req.sendText('to nowhere');
        end.resolve(what);
      });
      entered.resolve();
    },
  });
  const socket = net.connect(port, '127.0.0.1', () => socket.write('GET /x HTTP/1.1\r\nHost: a\r\n\r\n'));
  await entered.promise;
  socket.destroy();
  assert.deepStrictEqual(await end.promise, ['AbortError', 'x']);
});

test('a signal that is asked for after the client has left is aborted already', async (t) => {
  const entered = later();
  const left = later();
  const end = later();
  const { port } = await serve(t, {
    'GET /': async (req) => {
      entered.resolve();
      await left.promise;
      const { aborted, reason } = req.signal;
      end.resolve([aborted, reason?.name]);
      return 'to nowhere';
    },
  });
  const socket = net.connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'));
  await entered.promise;
  socket.on('close', () => setImmediate(() => setImmediate(left.resolve))); // the server's loop is ours: it has polled
  socket.destroy();
  assert.deepStrictEqual(await end.promise, [true, 'AbortError']);
});

test('an id comes back with the response', async (t) => {
  let id;
  const { url } = await serve(t, { 'GET /': (req) => ((id = req.id), 'x') });
  assert.strictEqual((await fetch(url)).headers.get('x-request-id'), id);
});

test('stop waits for requests in progress and for waitUntil', async (t) => {
  const open = later();
  const entered = later();
  let done = false;
  const { server, url } = await serve(t, {
    'GET /': async (req) => {
      req.waitUntil(turn().then(() => (done = true)));
      req.waitUntil(Promise.reject(new Error('logged, not thrown')));
      entered.resolve();
      await open.promise;
      return 'answered';
    },
  });
  const answer = fetch(url).then((res) => res.text());
  await entered.promise;
  const stopping = server.stop();
  await turn();
  open.resolve();
  assert.strictEqual(await answer, 'answered');
  await stopping;
  assert.strictEqual(done, true);
});

test('a request that a server left behind does not answer one of the next server', async (t) => {
  const [left, taken] = [later(), later()];
  const before = await serve(t, { 'GET /left': (req) => left.resolve(req) });
  const lost = assert.rejects(fetch(`${before.url}/left`));
  const old = await left.promise;
  api.forceCleanup();
  await lost;
  let next;
  while (next === undefined) next = await serve(t, { 'GET /taken': (req) => taken.resolve(req) }).catch(turn); // it takes a turn or two to close
  const answer = fetch(`${next.url}/taken`).then((res) => res.text());
  const req = await taken.promise;
  old.sendText('old');
  assert.throws(() => old.method, { code: 'ERR_REQUEST_ENDED' });
  req.sendText('new');
  assert.strictEqual(await answer, 'new');
});

test('async context does not leak from request to request', async (t) => {
  const { AsyncLocalStorage } = require('node:async_hooks');
  const als = new AsyncLocalStorage();
  const { port } = await serve(t, {
    'GET /enter': () => (als.enterWith('leak'), 'in'),
    'GET /look': () => String(als.getStore()),
  });
  const keep = (p) => `GET ${p} HTTP/1.1\r\nHost: a\r\n\r\n`;
  const got = await raw(port, keep('/enter') + keep('/look') + keep('/look') + request('GET', '/look'));
  assert.deepStrictEqual([...got.matchAll(/\r\n\r\n(in|leak|undefined)/g)].map((m) => m[1]), ['in', 'undefined', 'undefined', 'undefined']);
});

test('under serve a Server binds nothing', async (t) => {
  const said = [];
  registry.setServing({ url: 'http://127.0.0.1:3001', log: (text) => said.push(text) });
  t.after(() => registry.setServing(undefined));
  const server = new api.Server({ host: '127.0.0.1', port: 0 });
  assert.match(server.start(), /http:\/\/127\.0\.0\.1:3001/);
  assert.throws(() => server.start(), { code: 'ERR_SERVER_RUNNING' });
  new api.Server({ port: 1 }).start();
  assert.strictEqual(said.length, 1);
  await server.stop();
  await assert.rejects(server.stop(), { code: 'ERR_SERVER_NOT_RUNNING' });
  api.forceExit();
  assert.strictEqual(said.length, 2);
});

// ---- programs of their own

/** Runs a program that requires the package as `api`; resolves with { code, out, err }. */
function program(source, env = {}) {
  const child = spawn(process.execPath, ['-e', `const api = require(${JSON.stringify(addon)});\n${source}`], {
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...env },
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (b) => (out += b));
  child.stderr.on('data', (b) => (err += b));
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code: code ?? signal, out, err })));
}

const LISTEN = `const server = new api.Server({ host: '127.0.0.1', port: 0 }); const url = /http:[^ ]+/.exec(server.start())[0];`;

test('onStart holds requests back, onStop runs last first', async () => {
  const { code, out } = await program(`
    const said = [];
    api.onStart(async () => { await new Promise((r) => setTimeout(r, 50)); said.push('started'); });
    api.onStop(({ reason }) => said.push('stop 1 ' + reason));
    api.onStop(async () => said.push('stop 2'));
    api.get('/', (err, req) => { said.push('request'); req.sendText('x'); });
    ${LISTEN}
    fetch(url).then(async (res) => { await server.stop(); console.log(await res.text(), said.join(', ')); });`);
  assert.deepStrictEqual([code, out], [0, 'x started, request, stop 2, stop 1 stop\n']);
});

test('an onStart that rejects is an uncaught error', async () => {
  const { code, err } = await program(`api.onStart(async () => { throw new Error('no database'); }); ${LISTEN}`);
  assert.strictEqual(code, 1);
  assert.match(err, /no database/);
});

test('a program ends by itself after stop, and after a bind that failed', async () => {
  assert.strictEqual((await program(`${LISTEN} server.stop().then(() => console.log('stopped'))`)).code, 0);
  const { code, out } = await program(`
    const taken = require('net').createServer().listen(0, '127.0.0.1', () => {
      const server = new api.Server({ host: '127.0.0.1', port: taken.address().port });
      try { server.start(); } catch (err) { console.log(err.code); }
      taken.close();
    });`);
  assert.deepStrictEqual([code, out], [0, 'EADDRINUSE\n']);
});

test('forceExit ends a program that still serves', async () => {
  assert.strictEqual((await program(`${LISTEN} api.forceExit();`)).code, 0);
});

test('stacks are shown under development only', async () => {
  const source = `
    api.get('/', () => { throw new Error('boom'); });
    api.get('/lost', () => { throw Object.assign(new Error('not here'), { status: 404 }); });
    ${LISTEN}
    (async () => {
      for (const path of ['/', '/lost']) console.log(await (await fetch(url + path)).text());
      await server.stop();
    })();`;
  const production = await program(source, { NODE_ENV: 'production' });
  assert.strictEqual(production.out, '{"error":"Internal Server Error"}\n{"error":"not here","path":"/lost"}\n');
  const log = JSON.parse(production.err.split('\n')[0]);
  assert.deepStrictEqual([log.level, log.method, log.path, log.route], ['error', 'GET', '/', '/']);
  assert.match(log.msg, /boom/);
  const [first, second] = (await program(source, { NODE_ENV: 'development' })).out.trim().split('\n').map((l) => JSON.parse(l));
  assert.strictEqual(first.error, 'boom');
  assert.match(first.stack, /Error: boom\n {4}at /);
  assert.deepStrictEqual([second.error, second.path], ['not here', '/lost']);
});

test('a late answer to a request that the server has refused is counted, not thrown', async (t) => {
  const { native } = require('./support');
  const seen = later();
  const { url } = await serve(t, {
    'GET /': async (req) => {
      setImmediate(() => {
        const codes = [undefined, undefined];
        assert.strictEqual(req.setStatusCode(201), false);
        req.addHeader('x-late', '1');
        for (const i of [0, 1]) try { req.sendText('late'); } catch (err) { codes[i] = err.code; }
        seen.resolve(codes);
      });
    },
  });
  const before = native.workerStats();
  assert.strictEqual((await fetch(url)).status, 500);
  assert.deepStrictEqual(await seen.promise, [undefined, 'ERR_RESPONSE_SENT']);
  const after = native.workerStats();
  assert.deepStrictEqual([after.late_sends - before.late_sends, after.late_errors - before.late_errors], [1, 0]);
});

test('a value returned after a send is warned of under development', async () => {
  const source = `
    require(${JSON.stringify(path.join(addon, 'registry.js'))}).add('GET', '/', (req) => { req.sendText('x'); return 'y'; }, false);
    ${LISTEN}
    fetch(url).then(() => server.stop());`;
  assert.match((await program(source, { NODE_ENV: 'development' })).err, /returned after the response/);
  assert.strictEqual((await program(source, { NODE_ENV: 'production' })).err, '');
});

test('an error after the response is logged and harms nobody', async () => {
  const { code, out, err } = await program(`
    api.get('/', async (e, req) => { req.sendText('x'); await null; throw new Error('too late'); });
    ${LISTEN}
    fetch(url).then(async (res) => {
      console.log(await res.text(), require(${JSON.stringify(path.join(addon, 'native.js'))}).workerStats().late_errors);
      await server.stop();
    });`);
  assert.strictEqual(code, 0);
  assert.strictEqual(out, 'x 1\n');
  assert.match(err, /error after the response: too late/);
});

test('import gives the same instances', async () => {
  const { out } = await program(`
    import(${JSON.stringify(path.join(addon, 'index.mjs'))}).then((esm) => {
      console.log(Object.keys(api).every((k) => esm[k] === api[k]) && esm.default === api);
    });`);
  assert.strictEqual(out, 'true\n');
});
