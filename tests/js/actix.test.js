'use strict';
// The Actix-JS interface in a plain process: registration, Server, reading, answering.
const test = require('node:test');
const assert = require('node:assert');
const { api, started, raw, request } = require('./support');

const json = async (res) => (assert.strictEqual(res.headers.get('content-type'), 'application/json; charset=utf-8'), res.json());

test('what a request tells', async (t) => {
  api.post('/users/:id/*rest', (err, req) => {
    assert.strictEqual(err, null);
    req.sendObject({
      path: req.getPath(),
      method: req.getMethod(),
      queryString: req.getQueryString(),
      uri: req.getUri(),
      query: req.getQueryParams(),
      body: req.getBodyString(),
      hasBody: req.hasBody(),
      size: req.getBodySize(),
      json: req.getBodyJson(),
      header: [req.getHeader('X-One'), req.getHeader('x-none')],
      headers: req.getHeaders()['x-one'],
      params: req.getPathParams(),
      param: [req.getPathParam('id'), req.getPathParam('nope')],
    });
  });
  const { url } = await started(t);
  const res = await fetch(`${url}/users/a%2Fb/c/d?x=1&x=2&y=a+b&z=%zz`, {
    method: 'POST',
    headers: { 'x-one': 'yes' },
    body: '{"ä":1}',
  });
  assert.deepStrictEqual(await json(res), {
    path: '/users/a%2Fb/c/d',
    method: 'POST',
    queryString: 'x=1&x=2&y=a+b&z=%zz',
    uri: '/users/a%2Fb/c/d?x=1&x=2&y=a+b&z=%zz',
    query: { x: '2', y: 'a b', z: '%zz' },
    body: '{"ä":1}',
    hasBody: true,
    size: 8,
    json: { ä: 1 },
    header: ['yes', null],
    headers: 'yes',
    params: { id: 'a/b', rest: 'c/d' },
    param: ['a/b', null],
  });
});

test('an empty or malformed body is null as JSON', async (t) => {
  api.post('/', (err, req) => req.sendObject([req.getBodyJson(), req.hasBody(), req.getBodyString()]));
  const { url } = await started(t);
  assert.deepStrictEqual(await json(await fetch(url, { method: 'POST' })), [null, false, '']);
  assert.deepStrictEqual(await json(await fetch(url, { method: 'POST', body: '{' })), [null, true, '{']);
  assert.deepStrictEqual(await json(await fetch(url, { method: 'POST', body: '\ufeff[1]' })), [[1], true, '\ufeff[1]']);
});

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';
const answers = [
  ['sendText', (r) => r.sendText('ä€'), 200, TEXT, 'ä€'],
  ['sendText empty', (r) => r.sendText(''), 200, TEXT, ''],
  ['sendJson', (r) => r.sendJson('{"a":1}'), 200, JSON_TYPE, '{"a":1}'],
  ['sendObject', (r) => r.sendObject([1]), 200, JSON_TYPE, '[1]'],
  ['sendObject undefined', (r) => r.sendObject(undefined), 200, JSON_TYPE, 'null'],
  ['sendEmpty', (r) => r.sendEmpty(), 200, null, ''],
  ['sendEmpty 202', (r) => (r.setStatusCode(202), r.sendEmpty()), 202, null, ''],
  ['sendError', (r) => r.sendError(), 500, TEXT, 'Internal Server Error'],
  ['sendError message', (r) => r.sendError('no'), 500, TEXT, 'no'],
  ['sendError 404', (r) => (r.setStatusCode(404), r.sendError('gone')), 404, TEXT, 'gone'],
  ['sendError after 200', (r) => (r.setStatusCode(200), r.sendError('x')), 500, TEXT, 'x'],
  ['bad status', (r) => r.sendObject([99, 199, 1000, 20.5, '200', NaN].map((n) => r.setStatusCode(n))), 200, JSON_TYPE, '[false,false,false,false,false,false]'],
  ['999', (r) => (r.setStatusCode(999), r.sendText('x')), 999, TEXT, 'x'],
  ['own type', (r) => (r.addHeader('Content-Type', 'text/css'), r.sendText('x')), 200, 'text/css', 'x'],
  ['type replaced', (r) => (r.addHeader('content-type', 'a/b'), r.addHeader('Content-Type', 'c/d'), r.sendJson('1')), 200, 'c/d', '1'],
  ['throws', () => { throw new Error('secret'); }, 500, JSON_TYPE, '{"error":"Internal Server Error"}'],
  ['throws status', () => { throw Object.assign(new Error('no tea'), { status: 418 }); }, 418, JSON_TYPE, '{"error":"no tea"}'],
  ['rejects', async () => { throw Object.assign(new Error('pay'), { statusCode: 402 }); }, 402, JSON_TYPE, '{"error":"pay"}'],
  ['return value is ignored', (r) => (setImmediate(() => r.sendText('later')), 'no'), 200, TEXT, 'later'],
  ['settled promise is ignored', async (r) => void setImmediate(() => r.sendText('later')), 200, TEXT, 'later'],
  ['sendText of no string', (r) => r.sendText(1), 500, JSON_TYPE, '{"error":"Internal Server Error"}'],
  ['circular', (r) => { const a = {}; a.a = a; r.sendObject(a); }, 500, JSON_TYPE, '{"error":"Internal Server Error"}'],
  ['big text', (r) => r.sendText('ä'.repeat(300000)), 200, TEXT, 'ä'.repeat(300000)],
];

test('answers, and their Async forms', async (t) => {
  answers.forEach(([, fn], i) => api.get(`/sync/${i}`, (err, req) => fn(req)));
  answers.forEach(([, fn], i) =>
    api.getAsync(`/async/${i}`, async (err, req) => {
      const sent = [];
      await fn(asAsync(req, sent));
      await Promise.all(sent);
    }),
  );
  const { url } = await started(t);
  for (const way of ['sync', 'async']) {
    for (const [i, [name, , status, type, body]] of answers.entries()) {
      const res = await fetch(`${url}/${way}/${i}`);
      assert.strictEqual(res.status, status, `${way} ${name}`);
      assert.strictEqual(res.headers.get('content-type'), type, `${way} ${name}`);
      assert.strictEqual(await res.text(), body, `${way} ${name}`);
    }
  }
});

/** The request with each sender replaced by its promise form; the promises go into `sent`. */
function asAsync(req, sent) {
  const stand = { setStatusCode: (n) => req.setStatusCode(n) };
  for (const name of ['sendText', 'sendJson', 'sendObject', 'sendEmpty', 'sendError', 'addHeader']) {
    stand[name] = (...args) => sent.push(req[`${name}Async`](...args));
  }
  return stand;
}

test('Async forms reject and never throw', async (t) => {
  api.getAsync('/', async (err, req) => {
    const codes = [];
    const note = (p) => p.then((v) => codes.push(v ?? 'done'), (e) => codes.push(e.code));
    await note(req.sendTextAsync(1));
    await note(req.sendJsonAsync({}));
    await note(req.addHeaderAsync('a b', 'c'));
    await note(req.setStatusCodeAsync(1));
    await note(req.setStatusCodeAsync(201));
    await note(req.addHeaderAsync('x-a', 'b'));
    await req.sendObjectAsync(codes);
    await assert.rejects(req.sendTextAsync('again'), { code: 'ERR_RESPONSE_SENT' });
    await assert.rejects(req.addHeaderAsync('a', 'b'), { code: 'ERR_RESPONSE_SENT' });
    assert.strictEqual(await req.setStatusCodeAsync(200), false);
  });
  const { url } = await started(t);
  const res = await fetch(url);
  assert.deepStrictEqual(await res.json(), ['ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_TYPE', 'ERR_INVALID_CHAR', false, true, 'done']);
  assert.strictEqual(res.status, 201);
  assert.strictEqual(res.headers.get('x-a'), 'b');
});

test('methods, and what is answered without a handler', async (t) => {
  const reply = (err, req) => req.sendText(req.getMethod());
  for (const name of ['get', 'post', 'put', 'patch', 'del']) api[name]('/sync', reply);
  for (const name of ['get', 'post', 'put', 'patch', 'del']) api[`${name}Async`]('/async', async (e, r) => r.sendTextAsync(r.getMethod()));
  for (const method of Object.values(api.Methods)) api.newRoute('/new', method, reply);
  api.newRouteAsync('/newAsync', api.Methods.GET, reply);
  const { url } = await started(t);
  for (const path of ['sync', 'async', 'new']) {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
      assert.strictEqual(await (await fetch(`${url}/${path}`, { method })).text(), method);
    }
  }
  const head = await fetch(`${url}/newAsync`, { method: 'HEAD' });
  assert.deepStrictEqual([head.status, head.headers.get('content-length'), await head.text()], [200, '4', '']);
  assert.strictEqual((await fetch(`${url}/newAsync`, { method: 'POST' })).status, 405);
  assert.deepStrictEqual([(await fetch(`${url}/nope`)).status, (await (await fetch(`${url}/nope`)).json()).path], [404, '/nope']);
});

test('Methods is the enumeration of the interface', () => {
  assert.deepStrictEqual({ ...api.Methods }, { GET: 0, POST: 1, PUT: 2, PATCH: 3, DELETE: 4 });
  assert.strictEqual(api.RequestWrapper, api.DetachedRequestWrapper);
  assert.strictEqual(api.sum(1, 2), 3);
});

test('registration is checked', async (t) => {
  const fn = () => undefined;
  api.get('/a/:x', fn);
  assert.throws(() => api.get('/a/:y', fn), { code: 'ERR_ROUTE_DUPLICATE' });
  assert.throws(() => api.getAsync('/a/:x', fn), { code: 'ERR_ROUTE_DUPLICATE' });
  api.post('/a/:x', fn);
  assert.throws(() => api.get('a', fn), { code: 'ERR_ROUTE' });
  assert.throws(() => api.get(undefined, fn), { code: 'ERR_ROUTE' });
  assert.throws(() => api.get('/:a/:a', fn), { code: 'ERR_ROUTE' });
  assert.throws(() => api.get('/b'), { code: 'ERR_INVALID_ARG_TYPE' });
  assert.throws(() => api.newRoute('/b', 9, fn), { code: 'ERR_ROUTE' });
  await started(t);
  assert.throws(() => api.get('/late', fn), { code: 'ERR_ROUTES_FROZEN' });
});

test('start and stop, again and again', async () => {
  api.get('/', (err, req) => req.sendText('one'));
  const server = new api.Server({ host: '127.0.0.1', port: 0 });
  await assert.rejects(server.stop(), { code: 'ERR_SERVER_NOT_RUNNING' });
  for (let i = 0; i < 3; i++) {
    const said = server.start();
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(said)[0];
    assert.throws(() => server.start(), { code: 'ERR_SERVER_RUNNING' });
    assert.throws(() => new api.Server({ port: 0 }).start(), { code: 'ERR_SERVER_RUNNING' });
    assert.strictEqual(await (await fetch(url)).text(), 'one');
    const stopping = server.stop();
    assert.throws(() => server.start(), { code: 'ERR_SERVER_RUNNING' });
    await assert.rejects(server.stop(), { code: 'ERR_SERVER_NOT_RUNNING' });
    assert.match(await stopping, /stopped/);
    await assert.rejects(fetch(url));
  }
  api.get('/two', (err, req) => req.sendText('two'));
  api.cleanupRouter();
});

test('a port in use', async (t) => {
  const taken = require('node:net').createServer();
  await new Promise((resolve) => taken.listen(0, '127.0.0.1', resolve));
  t.after(() => taken.close());
  api.get('/', (err, req) => req.sendText('one'));
  const server = new api.Server({ host: '127.0.0.1', port: taken.address().port });
  assert.throws(() => server.start(), { code: 'EADDRINUSE' });
  assert.throws(() => server.start(), { code: 'EADDRINUSE' });
  const { url } = await started(t);
  assert.strictEqual(await (await fetch(url)).text(), 'one');
});

test('options are checked', () => {
  for (const options of [{ host: 1 }, { host: '' }, { port: -1 }, { port: 65536 }, { port: '80' }, { port: 1.5 }]) {
    assert.throws(() => new api.Server({ host: '127.0.0.1', port: 0, ...options }), { code: 'ERR_INVALID_ARG_TYPE' });
  }
});

test('pipelined answers keep their order', async (t) => {
  api.get('/slow', (err, req) => setTimeout(() => req.sendText('slow'), 30));
  api.get('/fast', (err, req) => req.sendText('fast'));
  const { port } = await started(t);
  const keep = (p) => `GET ${p} HTTP/1.1\r\nHost: a\r\n\r\n`;
  const got = await raw(port, keep('/slow') + keep('/fast') + request('GET', '/fast'));
  assert.deepStrictEqual([...got.matchAll(/\r\n\r\n(slow|fast)/g)].map((m) => m[1]), ['slow', 'fast', 'fast']);
});

test('a handler may cleanup while it runs, as programs of the interface do', async () => {
  api.get('/', (err, req) => req.sendText('x'));
  const server = new api.Server({ host: '127.0.0.1', port: 0 });
  const url = /http:[^ ]+/.exec(server.start())[0];
  api.cleanupRouter();
  api.clearRouterCache();
  assert.strictEqual(await (await fetch(url)).text(), 'x');
  await server.stop();
  api.forceCleanup();
});
