'use strict';
// What a handler reads of a request: the same however it was read, in whatever order, lazily or with ACTIX_EAGER=1, and
// still there after the end.
const test = require('node:test');
const assert = require('node:assert');
const path = require('node:path');
const { execFileSync } = require('node:child_process');
// The package sees native functions that note their names here: replaced before anything loads them.
const COUNTED = ['header', 'headerAt', 'fields', 'method', 'path', 'uri', 'query', 'queryPairs', 'bodyString', 'requestId'];
const calls = [];
function countNativeCalls(folder) {
  const file = path.join(folder, 'native.js');
  const counted = { ...require(file) };
  for (const name of COUNTED) {
    const original = counted[name];
    counted[name] = (...args) => {
      calls.push(name);
      return original(...args);
    };
  }
  require.cache[file].exports = counted;
}
countNativeCalls(process.env.ACTIX_ADDON ?? path.resolve(__dirname, '../../build/release/lib/actix/addon'));
const { addon, serve, raw, request, later } = require('./support');

const jsonOf = (answer) => JSON.parse(Buffer.from(answer.slice(answer.indexOf('\r\n\r\n') + 4), 'latin1').toString());

// Names that are well-known and names that are not, repeated ones, odd spellings, one that objects are touchy about.
const LINES = [
  'USER-agent: first',
  'User-Agent: second',
  'Accept: a',
  'accept: b',
  'X-Odd: 1',
  'x-oDD: 2',
  'Cookie: a=1',
  'cookie: b=2',
  'Set-Cookie: x',
  '__proto__: p',
  'Empty:',
];
const HEADERS = {
  host: 'test',
  connection: 'close',
  'user-agent': 'first',
  accept: 'a, b',
  'x-odd': '1, 2',
  cookie: 'a=1; b=2',
  'set-cookie': ['x'],
  ['__proto__']: 'p',
  empty: '',
};

test('headers, one by one and all together', async (t) => {
  const seen = {};
  const { port } = await serve(t, {
    'GET /': (req) => {
      for (const name of ['user-agent', 'USER-AGENT', 'accept', 'x-odd', 'X-ODD', 'none', '__proto__', 'Empty', 'range'])
        seen[`<${name}>`] = req.getHeader(name);
      seen.all = req.headers;
      seen.same = req.getHeaders() === req.headers;
      return 'ok';
    },
  });
  await raw(port, request('GET', '/', LINES));
  assert.deepStrictEqual(Object.entries(seen.all).sort(), Object.entries(HEADERS).sort());
  assert.strictEqual(seen.same, true);
  delete seen.all;
  delete seen.same;
  assert.deepStrictEqual(seen, {
    '<user-agent>': 'first',
    '<USER-AGENT>': 'first',
    '<accept>': 'a',
    '<x-odd>': '1',
    '<X-ODD>': '1',
    '<none>': null,
    '<__proto__>': 'p',
    '<Empty>': '',
    '<range>': null,
  });
});

test('as many headers as there may be', async (t) => {
  const { port } = await serve(t, { 'GET /': (req) => req.headers });
  const lines = Array.from({ length: 98 }, (_, i) => `X-${i}: ${'v'.repeat(i)}`);
  const got = jsonOf(await raw(port, request('GET', '/', lines)));
  assert.strictEqual(Object.keys(got).length, 100);
  for (let i = 0; i < 98; i++) assert.strictEqual(got[`x-${i}`], 'v'.repeat(i));
  const repeated = Array.from({ length: 98 }, (_, i) => `Accept: ${i}`);
  const { accept } = jsonOf(await raw(port, request('GET', '/', repeated)));
  assert.strictEqual(accept, Array.from({ length: 98 }, (_, i) => i).join(', '));
});

test('a header with a name of any length', async (t) => {
  const lengths = [1, 63, 64, 65, 251, 252, 254, 255, 256, 300, 12_000];
  const names = lengths.map((n) => 'N'.repeat(n));
  const { port } = await serve(t, {
    'GET /': (req) => {
      const absent = ['é'.repeat(127), '漢'.repeat(85), 'M'.repeat(255), 'M'.repeat(100_000)].map((n) => req.getHeader(n));
      return { values: names.map((n) => req.getHeader(n.toLowerCase())), absent };
    },
  });
  const lines = names.map((n) => `${n}: ${n.length}`);
  const got = jsonOf(await raw(port, request('GET', '/', lines)));
  assert.deepStrictEqual(got, { values: lengths.map(String), absent: [null, null, null, null] });
});

test('what was read is asked for once and kept after the end', async (t) => {
  const read = (req) => [
    req.getHeader('user-agent'),
    req.getHeader('User-Agent'),
    req.getHeader('x-odd'),
    req.getHeader('X-odd'),
    req.getHeader('range'),
    req.method,
    req.path,
    req.getUri(),
    req.getQueryString(),
    req.query.a,
    req.getQueryParams().a,
  ];
  const { promise, resolve } = later();
  const { port } = await serve(t, {
    'GET /': (req) => {
      calls.length = 0;
      const before = read(req);
      req.sendText('ok');
      setImmediate(() => resolve([before, read(req), req]));
    },
  });
  await raw(port, request('GET', '/?a=1&b', LINES));
  const [before, after, req] = await promise;
  assert.deepStrictEqual(before, ['first', 'first', '1', '1', null, 'GET', '/', '/?a=1&b', 'a=1&b', '1', '1']);
  assert.deepStrictEqual(after, before);
  const single = calls.filter((name) => name.startsWith('header')).length;
  assert.strictEqual(single, 3);
  assert.deepStrictEqual(calls.filter((name) => !name.startsWith('header')).sort(), ['method', 'path', 'query', 'uri']);
  assert.throws(() => req.headers, { code: 'ERR_REQUEST_ENDED' });
  assert.throws(() => req.getHeader('accept'), { code: 'ERR_REQUEST_ENDED' });
});

test('queries, plain and to be decoded', async (t) => {
  const { port } = await serve(t, { 'GET /': (req) => [req.getQueryParams(), Object.entries(req.query)] });
  const rows = [
    ['', {}, []],
    ['?', {}, []],
    ['?a=1&b=2', { a: '1', b: '2' }, [['a', '1'], ['b', '2']]],
    ['?a=1&a=2&a=3', { a: '3' }, [['a', ['1', '2', '3']]]],
    ['?a', { a: '' }, [['a', '']]],
    ['?=v&&a==&', { '': 'v', a: '=' }, [['', 'v'], ['a', '=']]],
    ['?=', { '': '' }, [['', '']]],
    ['?a=x+y&b=%C3%A9', { a: 'x y', b: '\u00e9' }, [['a', 'x y'], ['b', '\u00e9']]],
    ['?a=1&b=%zz&a=%2', { a: '%2', b: '%zz' }, [['a', ['1', '%2']], ['b', '%zz']]],
    ['?__proto__=1&a=2', { ['__proto__']: '1', a: '2' }, [['__proto__', '1'], ['a', '2']]],
    ['?constructor=1&toString=2', { constructor: '1', toString: '2' }, [['constructor', '1'], ['toString', '2']]],
  ];
  for (const [query, params, entries] of rows) {
    const got = jsonOf(await raw(port, request('GET', `/${query}`)));
    assert.deepStrictEqual(Object.entries(got[0]), Object.entries(params), query);
    assert.deepStrictEqual(got[1], entries, query);
  }
});

test('cookies of no, one and several lines, and after the end', async (t) => {
  const { promise, resolve } = later();
  const { port } = await serve(t, {
    'GET /': (req) => [{ ...req.cookies }, req.headers.cookie ?? null],
    'GET /late': (req) => {
      void req.headers;
      req.sendText('');
      setImmediate(() => resolve({ ...req.cookies }));
    },
  });
  const rows = [
    [[], {}, null],
    [['Cookie: a=1; b=\xe9'], { a: '1', b: '\xe9' }, 'a=1; b=\xe9'],
    [['Cookie: a=1', 'X: y', 'cookie: b=2', 'COOKIE: c=3'], { a: '1', b: '2', c: '3' }, 'a=1; b=2; c=3'],
  ];
  for (const [lines, all, line] of rows) {
    const bytes = Buffer.from(request('GET', '/', lines), 'latin1');
    assert.deepStrictEqual(jsonOf(await raw(port, bytes)), [all, line]);
  }
  await raw(port, request('GET', '/late', ['Cookie: a=1', 'Cookie: b=2']));
  assert.deepStrictEqual(await promise, { a: '1', b: '2' });
});

test('paths and methods', async (t) => {
  const tell = (req) => [req.method, req.path, req.getUri(), req.getMethod(), req.getPath()];
  const { port } = await serve(t, { 'GET /a': tell, 'ANY /any': tell, 'GET /caf\u00e9': tell });
  const rows = [
    ['GET', '/a', '/a'],
    ['GET', '/%61', '/%61'],
    ['GET', '/a?x', '/a'],
    ['DELETE', '/any', '/any'],
    ['OPTIONS', '/any', '/any'],
    ['GET', '/caf%C3%A9', '/caf%C3%A9'],
    ['GET', '/caf%c3%a9', '/caf%c3%a9'],
  ];
  for (const [method, target, sent] of rows) {
    const got = jsonOf(await raw(port, request(method, target)));
    assert.deepStrictEqual(got, [method, sent, target, method, sent], `${method} ${target}`);
  }
});

// ---- ACTIX_EAGER, read when the package is loaded: in a process of its own

const APP = `
  const path = require('node:path');
  const COUNTED = ${JSON.stringify(COUNTED)};
  const calls = [];
  (${countNativeCalls})(process.env.ACTIX_ADDON);
  const { registry, api, raw, request } = require(${JSON.stringify(path.join(__dirname, 'support.js'))});
  const add = (method, pattern, handler) => registry.add(method, pattern, handler, false);
  add('POST', '/u/:id/*rest', (req) => {
    const before = calls.length;
    return { before, all: [req.method, req.path, req.getUri(), req.getQueryString(), req.query, req.getQueryParams(),
      req.params, req.getPathParam('id'), req.getPathParams(), req.headers, req.getHeader('accept'), req.getHeader('none'),
      req.getHeader('__proto__'), req.cookies, req.getBodySize(), req.getBodyString(), req.getBodyJson(),
      req.getBodyBuffer().toString(), req.id.length, req.ip, req.host] };
  });
  add('GET', '/a', (req) => ({ before: calls.length, all: [req.path, req.query, req.headers, req.getBodyJson()] }));
  add('GET', '/fails', (req) => { throw Object.assign(new Error('told'), { status: 418 }); });
  const server = new api.Server({ port: 0 });
  const port = Number(/:(\\d+)/.exec(server.start())[1]);
  (async () => {
    const lines = ${JSON.stringify(LINES)};
    const out = [];
    for (const [method, target, body] of [['POST', '/u/a%2Fb/c/d?x=1&y=%20&x=2', '{"a":"\\u00e9"}'], ['GET', '/a'], ['GET', '/fails']]) {
      const more = body === undefined ? [] : ['Content-Length: ' + Buffer.byteLength(body)];
      calls.length = 0;
      const answer = await raw(port, request(method, target, [...lines, ...more], body));
      out.push([answer.split('\\r\\n')[0], JSON.parse(answer.slice(answer.indexOf('\\r\\n\\r\\n') + 4))]);
    }
    await server.stop();
    console.log(JSON.stringify(out));
  })();`;

function run(eager) {
  const env = { ...process.env, ACTIX_ADDON: addon, NODE_ENV: 'production' };
  delete env.ACTIX_EAGER;
  delete env.NODE_TEST_CONTEXT;
  if (eager !== undefined) env.ACTIX_EAGER = eager;
  return JSON.parse(execFileSync(process.execPath, ['-e', APP], { env, encoding: 'utf8' }));
}

test('with ACTIX_EAGER=1 everything is read before the handler runs, and the answers are the same', () => {
  const lazy = run(undefined);
  const eager = run('1');
  const other = run('0');
  const before = (answers) => answers.slice(0, 2).map(([, { before }]) => before);
  assert.deepStrictEqual(before(lazy), [0, 0]);
  assert.deepStrictEqual(before(other), [0, 0]);
  for (const n of before(eager)) assert.ok(n >= 4, `${n} native calls before the handler`);
  for (const answers of [lazy, eager, other]) for (const [, body] of answers) delete body.before;
  assert.deepStrictEqual(eager, lazy);
  assert.deepStrictEqual(other, lazy);
  assert.strictEqual(lazy[2][0], 'HTTP/1.1 418 I\'m a Teapot');
});
