'use strict';
// Policies of the manifest as clients meet them: cors, rate_limit, auth, compress, errors, rules.  Each refuses what it
// must, before a body is read and before a handler runs.  Real sockets, the real server; tokens are made by node:crypto,
// password hashes by others.
const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const http = require('node:http');
const net = require('node:net');
const test = require('node:test');
const zlib = require('node:zlib');
const { App } = require('./serve-app');

const SECRET = '0123456789abcdef0123456789abcdef';
const { privateKey, publicKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
const PUBLIC = publicKey.export({ type: 'spki', format: 'pem' });
// openssl passwd -6 -salt saltsalt secret; bcrypt of "U*U" is a vector of crypt_blowfish
const USERS = `# who may come in
ann:$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1
bob:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW
`;

const FILES = {
  'who.js': 'module.exports = (req) => ({ auth: req.auth });',
  'big.js': `module.exports = (req) => { const { size, type, ...more } = Object.fromEntries(new URLSearchParams(req.getQueryString()));
    for (const [k, v] of Object.entries(more)) req.addHeader(k, v);
    if (type) req.addHeader('content-type', type);
    return req.sendText('ab'.repeat(Number(size) / 2)); };`,
  'touched.js': `let n = 0; module.exports = (req) => (req.getMethod() === 'GET' ? String(n) : String(++n));`,
  'boom.js': `module.exports = (req) => { throw req.path === '/own' ? Object.assign(new Error('mine'), { status: 404 }) : new Error('boom'); };`,
};

const manifest = (more, server = 'workers: 1') => `version: 1\nserver: { listen: "127.0.0.1:0", ${server} }\n${more}`;

function ask(port, path, { method = 'GET', headers = {}, body, agent = false, from } = {}) {
  return new Promise((resolve, reject) => {
    const req = http.request({ host: '127.0.0.1', port, path, method, headers, agent, localAddress: from }, (res) => {
      const parts = [];
      res.on('error', reject);
      res.on('data', (data) => parts.push(data));
      res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, body: Buffer.concat(parts), text: Buffer.concat(parts).toString() }));
    });
    req.on('error', reject);
    req.end(body);
  });
}

const b64 = (v) => Buffer.from(typeof v === 'string' ? v : JSON.stringify(v)).toString('base64url');
const hs = (claims, header = { alg: 'HS256', typ: 'JWT' }, key = SECRET) => {
  const text = `${b64(header)}.${b64(claims)}`;
  return `${text}.${crypto.createHmac('sha256', key).update(text).digest('base64url')}`;
};
const rs = (claims, header = { alg: 'RS256' }, key = privateKey) => {
  const text = `${b64(header)}.${b64(claims)}`;
  return `${text}.${crypto.sign('sha256', Buffer.from(text), key).toString('base64url')}`;
};
const bearer = (token) => ({ authorization: `Bearer ${token}` });
const basic = (user, password) => ({ authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` });
const now = () => Math.floor(Date.now() / 1000);

/** A request on a socket of its own, written as it is; all that comes back until the server closes. */
function raw(port, text) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(text));
    let got = '';
    socket.setEncoding('latin1');
    socket.on('data', (data) => (got += data));
    socket.on('error', reject);
    socket.on('close', () => resolve(got));
  });
}

test('auth basic: right, wrong, unknown, malformed; the second time is remembered; req.auth', async (t) => {
  const a = new App(t, { ...FILES, users: USERS, 'actix.yaml': manifest('auth: { staff: { basic: users } }\nroutes:\n  /: { handler: who.js, auth: staff }\n  /post: { handler: touched.js, auth: staff, GET: { handler: touched.js, auth: off } }\n') });
  const { port } = await a.serve();
  for (let i = 0; i < 3; i++) {
    const ok = await ask(port, '/', { headers: basic('bob', 'U*U') });
    assert.equal(ok.status, 200);
    assert.deepEqual(JSON.parse(ok.text).auth, { name: 'staff', scheme: 'basic', user: 'bob' });
  }
  assert.equal((await ask(port, '/', { headers: basic('ann', 'secret') })).status, 200);
  const wrong = [{}, basic('bob', 'u*u'), basic('ann', 'Secret'), basic('bob', ''), basic('eve', 'U*U'), basic('', ''), { authorization: 'Basic' }, { authorization: 'Basic ====' }, { authorization: 'Basic Ym9i' }, { authorization: `Basic ${Buffer.from('bob:U*U\0').toString('base64')}` }, bearer('bob')];
  for (const headers of wrong) {
    const res = await ask(port, '/', { headers });
    assert.equal(res.status, 401, JSON.stringify(headers));
    assert.equal(res.headers['www-authenticate'], 'Basic realm="staff", charset="UTF-8"');
    assert.deepEqual(JSON.parse(res.text), { error: 'Unauthorized' });
  }
  assert.equal((await ask(port, '/post', { method: 'POST', headers: basic('bob', 'no'), body: 'x'.repeat(100000) })).status, 401);
  assert.equal((await ask(port, '/post')).text, '0', 'no handler ran');
  assert.equal((await ask(port, '/post', { method: 'POST', headers: basic('bob', 'U*U'), body: 'x'.repeat(100000) })).text, '1');
});

test('auth basic: what comes behind a request whose password is looked at waits, and goes on', async (t) => {
  const a = new App(t, { ...FILES, users: USERS, 'actix.yaml': manifest('auth: { staff: { basic: users } }\nroutes:\n  /: { handler: touched.js, auth: staff }\n  /open: { respond: open }\n') });
  const { port } = await a.serve();
  const { authorization } = basic('bob', 'U*U');
  const bad = basic('bob', 'bad').authorization;
  const got = await raw(port, `POST / HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nAuthorization: ${bad}\r\nContent-Length: 5\r\n\r\n12345GET /open HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  assert.deepEqual([...got.matchAll(/HTTP\/1\.1 (\d+)/g)].map((m) => m[1]), ['200', '401', '200']);
  assert.ok(got.endsWith('open'));
  const twice = await raw(port, `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: ${authorization}\r\nAuthorization: ${authorization}\r\n\r\n`);
  assert.match(twice, /^HTTP\/1\.1 401 /);
  const asks = await raw(port, `POST / HTTP/1.1\r\nHost: a\r\nAuthorization: ${bad}x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n`);
  assert.match(asks, /^HTTP\/1.1 401 /);
  assert.doesNotMatch(asks, / 100 /);
});

test('auth basic: a connection that is held moves on when its worker stalls, and may leave', async (t) => {
  const slow = '$2b$12$abcdefghijklmnopqrstuunYdhHrPrQsWwVD7FJZar2U048CuDd2m'; // "pw", a fifth of a second and more
  const a = new App(t, {
    ...FILES,
    users: `ann:${slow}\n`,
    'size.js': 'module.exports = (req) => String(req.getBodySize());',
    'spin.js': 'module.exports = () => { for (;;); };',
    'actix.yaml': manifest('timeouts: { stall: 100ms }\nauth: { staff: { basic: users } }\nroutes:\n  /size: { handler: size.js, auth: staff }\n  /spin: spin.js\n  /fixed: { respond: here, auth: staff }\n'),
  });
  const s = await a.serve();
  const { authorization } = basic('ann', 'pw');
  const body = 'x'.repeat(70000);
  const post = (how) => raw(s.port, `POST /size HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: ${authorization}\r\n${how}`);
  const held = [post(`Content-Length: ${body.length}\r\n\r\n${body}`), post(`Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`), raw(s.port, `GET /fixed HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: ${authorization}\r\n\r\n`)];
  assert.equal((await ask(s.port, '/spin')).status, 504);
  const got = await Promise.all(held);
  for (const text of got) assert.match(text, /^HTTP\/1.1 200 /);
  assert.deepEqual(got.map((text) => text.split('\r\n\r\n')[1]), ['70000', '70000', 'here']);
  // one that leaves while it is held harms nobody
  await new Promise((resolve) => {
    const socket = net.connect(s.port, '127.0.0.1', () => socket.write(`GET /fixed HTTP/1.1\r\nHost: a\r\nAuthorization: ${basic('ann', 'no').authorization}\r\n\r\n`, () => socket.resetAndDestroy()));
    socket.on('close', resolve);
  });
  assert.equal((await ask(s.port, '/fixed', { headers: basic('ann', 'pw') })).status, 200);
  assert.equal((await ask(s.port, '/fixed', { headers: basic('ann', 'wrong') })).status, 401);
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('auth bearer: the one token, from the manifest or a file', async (t) => {
  const a = new App(t, { ...FILES, token: 'from-a-file\n', 'actix.yaml': manifest('auth: { a: { bearer: { token: "${TOKEN:-t1}" } }, b: { bearer: { token_file: token } } }\nroutes:\n  /a: { handler: who.js, auth: a }\n  /b: { handler: who.js, auth: b }\n') });
  const { port } = await a.serve();
  assert.equal((await ask(port, '/a', { headers: bearer('t1') })).status, 200);
  assert.deepEqual(JSON.parse((await ask(port, '/b', { headers: bearer('from-a-file') })).text).auth, { name: 'b', scheme: 'bearer' });
  assert.equal((await ask(port, '/a')).headers['www-authenticate'], 'Bearer realm="a"');
  for (const headers of [bearer('t'), bearer('t12'), bearer('from-a-file'), bearer(''), { authorization: 't1' }]) assert.equal((await ask(port, '/a', { headers })).status, 401, JSON.stringify(headers));
  assert.match((await ask(port, '/a', { headers: bearer('no') })).headers['www-authenticate'], /^Bearer realm="a", error="invalid_token"/);
});

test('auth jwt: HS256 and RS256 as node:crypto signs them; every other token is refused', async (t) => {
  const a = new App(t, {
    ...FILES,
    'pub.pem': PUBLIC,
    'actix.yaml': manifest(`auth:
  hs: { jwt: { alg: HS256, secret: ${SECRET}, audience: api, issuer: "https://me", scope: "read list", leeway: 5s } }
  rs: { jwt: { alg: RS256, key_file: pub.pem } }
routes:
  /hs: { handler: who.js, auth: hs }
  /rs: { handler: who.js, auth: rs }\n`),
  });
  const { port } = await a.serve();
  const good = { aud: ['x', 'api'], iss: 'https://me', scope: 'list write read', exp: now() + 60, nbf: now(), sub: 'ann', 'ünï': '"' };
  const status = async (path, token) => (await ask(port, path, { headers: bearer(token) })).status;
  const ok = await ask(port, '/hs', { headers: bearer(hs(good)) });
  assert.equal(ok.status, 200, ok.headers['www-authenticate']);
  assert.deepEqual(JSON.parse(ok.text).auth, { name: 'hs', scheme: 'bearer', claims: good });
  assert.equal(await status('/hs', hs({ ...good, aud: 'api', exp: now() - 2 })), 200, 'within the leeway');
  assert.equal(await status('/rs', rs({ sub: 'x' })), 200);
  assert.equal(await status('/rs', rs({ exp: now() + 100.5 })), 200);
  const other = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const bad = {
    'no signature': `${b64({ alg: 'none' })}.${b64(good)}.`,
    'alg none, signed': hs(good, { alg: 'none' }),
    'alg HS512': hs(good, { alg: 'HS512' }),
    'alg twice': hs(good, '{"alg":"none","alg":"HS256"}'),
    'no alg': hs(good, {}),
    crit: hs(good, { alg: 'HS256', crit: ['exp'] }),
    'another secret': hs(good, undefined, `${SECRET}x`),
    expired: hs({ ...good, exp: now() - 10 }),
    'exp is text': hs({ ...good, exp: 'tomorrow' }),
    early: hs({ ...good, nbf: now() + 60 }),
    'another audience': hs({ ...good, aud: ['apis', 'ap'] }),
    'no audience': hs({ ...good, aud: undefined }),
    'another issuer': hs({ ...good, iss: 'https://me/' }),
    'no issuer': hs({ ...good, iss: undefined }),
    'no object': hs([good]),
    'signature cut': hs(good).slice(0, -2),
    'four parts': `${hs(good)}.x`,
    'padding': `${hs(good)}=`,
    empty: '..',
    'payload of another': hs(good).replace(/\.[^.]+\./, `.${b64({ ...good, sub: 'eve' })}.`),
  };
  for (const [name, token] of Object.entries(bad)) {
    const res = await ask(port, '/hs', { headers: bearer(token) });
    assert.equal(res.status, 401, name);
    assert.match(res.headers['www-authenticate'], /^Bearer realm="hs", error="invalid_token", error_description="/, name);
  }
  assert.equal(await status('/rs', hs({ sub: 'x' }, { alg: 'HS256' }, PUBLIC)), 401, 'the public key is no secret');
  assert.equal(await status('/rs', hs({ sub: 'x' }, { alg: 'RS256' }, PUBLIC)), 401);
  assert.equal(await status('/rs', rs({ sub: 'x' }, undefined, other)), 401);
  const poor = await ask(port, '/hs', { headers: bearer(hs({ ...good, scope: 'read' })) });
  assert.equal(poor.status, 403);
  assert.equal(poor.headers['www-authenticate'], 'Bearer realm="hs", error="insufficient_scope", scope="read list"');
});

test('files that are no keys fail the start at their place, and a reload keeps what runs', async (t) => {
  const good = manifest('auth:\n  rs: { jwt: { alg: RS256, key_file: pub.pem } }\nroutes: { /: { handler: who.js, auth: rs } }\n');
  const a = new App(t, { ...FILES, 'pub.pem': 'no key', users: 'ann:$apr1$salt$UKNZrd2UQ0drlkKVBcsbb/\n', 'actix.yaml': good });
  const fails = async (wanted) => {
    const err = await a.serve().then(() => assert.fail('it serves'), (e) => e);
    assert.match(err.stderr, wanted);
  };
  await fails(/actix\.yaml:4:7: auth rs: \S+\/pub\.pem holds no public key/);
  a.write('actix.yaml', manifest('auth: { staff: { basic: users } }\nroutes: { /: { handler: who.js, auth: staff } }\n'));
  await fails(/actix\.yaml:3:16: auth staff: \S+users line 1: the hash of ann is none of bcrypt/);
  a.write('users', 'nothing\n');
  await fails(/line 1 is no name:hash/);
  a.write('actix.yaml', good);
  a.write('pub.pem', PUBLIC);
  const { port } = await a.serve();
  a.write('pub.pem', crypto.generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ type: 'spki', format: 'pem' }));
  const reload = a.run('reload');
  assert.equal(reload.code, 1);
  assert.match(reload.stderr, /fewer than 2048 bits/);
  assert.equal((await ask(port, '/', { headers: bearer(rs({})) })).status, 200);
});

test('cors: preflights, answers and refusals; also on 401 and 404', async (t) => {
  const a = new App(t, {
    ...FILES,
    'actix.yaml': manifest(`auth: { a: { bearer: { token: t } } }
cors:
  web: { origins: ["https://a.example", "https://b.example:8443"], methods: [GET, PUT], headers: [X-A, content-type], expose: [x-b], credentials: true, max_age: 10m }
  all: { origins: "*" }
rules:
  /api: { cors: web, auth: a }
routes:
  /api/x: { GET: who.js, PUT: who.js }
  /api/any: who.js
  /api/own: { handler: who.js, cors: off }
  /all: who.js
  /pub: { handler: who.js, cors: all }\n`),
  });
  const { port } = await a.serve();
  const preflight = (path, origin, method, headers) => ask(port, path, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': method, ...(headers && { 'access-control-request-headers': headers }) } });
  for (const path of ['/api/x', '/api/any', '/api/nobody']) {
    const res = await preflight(path, 'https://b.example:8443', 'PUT', 'x-a,Content-Type, accept');
    assert.equal(res.status, 204, path);
    const { vary, 'access-control-allow-origin': origin, 'access-control-allow-methods': methods, 'access-control-allow-headers': names, 'access-control-max-age': age, 'access-control-allow-credentials': credentials } = res.headers;
    assert.deepEqual([vary, origin, methods, names, age, credentials], ['Origin', 'https://b.example:8443', 'GET, PUT', 'X-A, content-type', '600', 'true']);
  }
  const refused = [['https://evil.example', 'PUT'], ['https://a.example.evil', 'PUT'], ['http://a.example', 'GET'], ['null', 'GET'], ['https://a.example', 'DELETE'], ['https://a.example', 'put'], ['https://a.example', 'PUT', 'x-a, x-c'], ['https://A.example', 'GET']];
  for (const [origin, method, headers] of refused) {
    const res = await preflight('/api/x', origin, method, headers);
    assert.equal(res.status, 204);
    assert.equal(res.headers.vary, 'Origin');
    assert.deepEqual(Object.keys(res.headers).filter((k) => k.startsWith('access-control-')), [], `${origin} ${method} ${headers}`);
  }
  for (const [path, headers, status] of [['/api/x', bearer('t'), 200], ['/api/x', {}, 401], ['/api/none', {}, 404]]) {
    const res = await ask(port, path, { headers: { origin: 'https://a.example', ...headers } });
    assert.equal(res.status, status);
    assert.equal(res.headers['access-control-allow-origin'], 'https://a.example');
    assert.equal(res.headers['access-control-allow-credentials'], 'true');
    assert.equal(res.headers['access-control-expose-headers'], 'x-b');
    assert.equal(res.headers.vary, 'Origin');
    const evil = await ask(port, path, { headers: { origin: 'https://evil.example', ...headers } });
    assert.equal(evil.status, status);
    assert.equal(evil.headers['access-control-allow-origin'], undefined);
    assert.equal(evil.headers.vary, 'Origin');
  }
  assert.equal((await ask(port, '/pub', { headers: { origin: 'https://x' } })).headers['access-control-allow-origin'], '*');
  assert.equal((await ask(port, '/pub', { headers: { origin: 'https://x' } })).headers.vary, undefined);
  for (const path of ['/all', '/api/own']) assert.equal((await ask(port, path, { headers: { origin: 'https://a.example', ...bearer('t') } })).headers['access-control-allow-origin'], undefined);
  const plain = await ask(port, '/api/x', { method: 'OPTIONS', headers: { origin: 'https://a.example' } });
  assert.equal(plain.headers.allow, 'GET, HEAD, PUT, OPTIONS', 'no preflight: as ever');
});

test('rate_limit: a bucket by client over all workers, shared by a rule, 429 with Retry-After before login', async (t) => {
  const a = new App(t, {
    ...FILES,
    'actix.yaml': manifest(`auth: { a: { bearer: { token: t } } }
rules: { /api: { rate_limit: 1/h burst 6, auth: a } }
routes:
  /api/a: who.js
  /api/b: who.js
  /api/own: { handler: touched.js, rate_limit: 1/m burst 2 }
  /free: who.js\n`, 'workers: 3, trusted_proxies: [127.0.0.1]'),
  });
  const { port } = await a.serve();
  const hit = (path, client, headers = bearer('t')) => ask(port, path, { headers: { 'x-forwarded-for': client, ...headers } });
  const all = await Promise.all(Array.from({ length: 12 }, (_, i) => hit(i % 2 ? '/api/a' : '/api/b', '192.0.2.1')));
  assert.equal(all.filter((r) => r.status === 200).length, 6);
  const refused = all.find((r) => r.status === 429);
  assert.deepEqual(JSON.parse(refused.text), { error: 'Too Many Requests', limit: 'rate_limit' });
  assert.ok(Number(refused.headers['retry-after']) > 3500 && Number(refused.headers['retry-after']) <= 3600);
  assert.equal((await hit('/api/a', '192.0.2.1', {})).status, 429, 'before auth');
  assert.equal((await hit('/api/none', '192.0.2.1')).status, 429, 'and where no route answers');
  assert.equal((await hit('/api/a', '192.0.2.2')).status, 200, 'another client');
  assert.equal((await hit('/free', '192.0.2.1')).status, 200);
  const own = [];
  for (let i = 0; i < 3; i++) own.push((await hit('/api/own', '192.0.2.1')).status);
  assert.deepEqual(own, [200, 200, 429]);
  const v6 = [];
  for (let i = 0; i < 3; i++) v6.push((await hit('/api/own', `2001:db8::${i}`)).status);
  assert.deepEqual(v6, [200, 200, 429], 'IPv6 by its /64');
  assert.equal((await hit('/api/own', '2001:db8:0:1::1')).status, 200);
});

test('compress: by weight, type and size; never twice, never against no-transform; HEAD says what GET sends', async (t) => {
  const a = new App(t, {
    ...FILES,
    'actix.yaml': manifest(`routes:
  /: { handler: big.js, compress: true }
  /some: { handler: big.js, compress: { types: [image/*], min: 10 } }
  /off: big.js
  /text: { respond: "${'hello '.repeat(400)}", compress: true }\n`),
  });
  const { port } = await a.serve();
  const get = (path, accept, method) => ask(port, path, { method, headers: accept === undefined ? {} : { 'accept-encoding': accept } });
  const text = 'ab'.repeat(2000);
  const undo = { br: zlib.brotliDecompressSync, gzip: zlib.gunzipSync };
  for (const [accept, coding] of [['gzip', 'gzip'], ['br', 'br'], ['gzip, br', 'br'], ['br;q=0.5, gzip;q=0.9', 'gzip'], ['gzip;q=0', undefined], ['identity', undefined], [undefined, undefined], ['*', 'br'], ['deflate', undefined]]) {
    const res = await get('/?size=4000', accept);
    assert.equal(res.headers['content-encoding'], coding, accept);
    assert.equal(res.headers.vary, 'Accept-Encoding');
    assert.equal((coding ? undo[coding](res.body) : res.body).toString(), text);
    assert.equal(Number(res.headers['content-length']), res.body.length);
    const head = await get('/?size=4000', accept, 'HEAD');
    assert.equal(head.headers['content-length'], res.headers['content-length']);
    assert.equal(head.headers['content-encoding'], coding);
  }
  const plain = ['/?size=1000', '/off?size=4000', '/?size=4000&type=image/png', '/?size=4000&content-encoding=gzip', '/?size=4000&cache-control=public,%20no-transform', '/some?size=4000', '/?size=4000000'];
  for (const path of plain) {
    const res = await get(path, 'gzip');
    assert.notEqual(res.headers['content-encoding'] === 'gzip' && !path.includes('content-encoding'), true, path);
    assert.equal(res.headers.vary, undefined, path);
  }
  assert.equal((await get('/some?size=20&type=image/bmp', 'gzip')).headers['content-encoding'] ?? 'none', 'none', 'it came out longer');
  assert.equal((await get('/some?size=200&type=image/bmp', 'gzip')).headers['content-encoding'], 'gzip');
  assert.equal((await get('/?size=4000&etag=%22x%22', 'gzip')).headers.etag, 'W/"x"');
  assert.equal((await get('/?size=4000&etag=%22x%22')).headers.etag, '"x"');
  assert.equal((await get('/?size=4000&etag=W/%22x%22', 'br')).headers.etag, 'W/"x"');
  assert.equal(zlib.gunzipSync((await get('/text', 'gzip')).body).toString(), 'hello '.repeat(400));
});

const PIECES = `const { Readable } = require('node:stream');
let go;
const gate = new Promise((resolve) => (go = resolve));
async function* pieces(req) {
  yield 'the first piece';
  if (req.path === '/gate') await gate;
  yield Buffer.from(' and the second');
  yield new Uint8Array(0);
  if (req.getQueryString().includes('big')) yield Buffer.alloc(5 << 20, 'z');
  if (req.getQueryString().includes('short')) return;
  yield ' and the third'.repeat(100);
}
module.exports = (req) => {
  if (req.path === '/go') return go(), 'gone';
  const { type = 'text/plain', length, fails } = Object.fromEntries(new URLSearchParams(req.getQueryString()));
  const headers = { 'content-type': type, etag: '"x"' };
  if (length) return new Response(Readable.toWeb(Readable.from(pieces(req))), { headers: { ...headers, 'content-length': length } });
  for (const [name, value] of Object.entries(headers)) req.addHeader(name, value);
  return fails ? (async function* () { yield 'a piece'; throw new Error('broken'); })() : pieces(req);
};`;

test('compress: what comes in pieces is gzip, and each piece can be read at once', async (t) => {
  const a = new App(t, {
    'pieces.js': PIECES,
    'actix.yaml': manifest('routes:\n  /*rest: { handler: pieces.js, compress: true }\n  /events: { handler: pieces.js, compress: { types: [text/event-stream] } }\n'),
  });
  const { port } = await a.serve();
  const text = `the first piece and the second${' and the third'.repeat(100)}`;
  const get = (path, accept = 'gzip, br', method = 'GET') => ask(port, path, { method, headers: { 'accept-encoding': accept } });

  for (const path of ['/', `/?length=${text.length}`, '/events?type=text/event-stream']) {
    const res = await get(path);
    const { 'content-encoding': coding, vary, etag, 'transfer-encoding': framing, 'content-length': length } = res.headers;
    assert.deepEqual([coding, vary, etag, framing, length], ['gzip', 'Accept-Encoding', 'W/"x"', 'chunked', undefined], path);
    assert.equal(zlib.gunzipSync(res.body).toString(), text, path);
    assert.ok(res.body.length < text.length / 4, path);
    const head = await get(path, 'gzip', 'HEAD');
    assert.deepEqual([head.headers['content-encoding'], head.headers['content-length'], head.body.length], ['gzip', undefined, 0], path);
  }
  for (const [path, accept] of [['/', 'identity'], ['/', 'br'], ['/?type=image/png'], ['/?type=text/event-stream'], ['/?short&length=30']]) {
    const res = await get(path, accept);
    assert.equal(res.headers['content-encoding'], undefined, path);
    assert.equal(res.text, path.includes('short') ? text.slice(0, 30) : text, path);
    assert.equal(res.headers.etag, '"x"', path);
  }
  const big = await get('/?big');
  assert.equal(zlib.gunzipSync(big.body).toString(), text.replace('second', `second${'z'.repeat(5 << 20)}`), 'a piece that would hold up others is stored');
  assert.ok(big.body.length > 5 << 20);

  const old = await raw(port, 'GET / HTTP/1.0\r\nAccept-Encoding: gzip\r\nConnection: keep-alive\r\n\r\n');
  assert.match(old, /^HTTP\/1\.1 200 [^]*Connection: close\r\n/);
  assert.equal(zlib.gunzipSync(Buffer.from(old.slice(old.indexOf('\r\n\r\n') + 4), 'latin1')).toString(), text);

  for (const path of ['/?fails=1', `/?length=${text.length + 1}`]) await assert.rejects(get(path), { code: 'ECONNRESET' }, path);
});

test('compress: a piece reaches the client before the next one is made', async (t) => {
  const { port } = await new App(t, { 'pieces.js': PIECES, 'actix.yaml': manifest('routes:\n  /*rest: { handler: pieces.js, compress: true }\n') }).serve();
  const res = await new Promise((resolve, reject) => {
    http.get({ host: '127.0.0.1', port, path: '/gate', agent: false, headers: { 'accept-encoding': 'gzip' } }, resolve).on('error', reject);
  });
  const plain = res.pipe(zlib.createGunzip());
  let got = '';
  for await (const data of plain) {
    got += data;
    if (got === 'the first piece') assert.equal((await ask(port, '/go')).text, 'gone');
  }
  assert.match(got, /^the first piece and the second( and the third){100}$/);
});

test("errors: pages for browsers and the server's own answers alone", async (t) => {
  const a = new App(t, { ...FILES, '404.html': '<h1>gone</h1>', '5xx.html': '<h1>oh</h1>', 'actix.yaml': manifest('errors: { 404: 404.html, 5xx: 5xx.html }\nroutes: { /boom: boom.js, /own: boom.js }\n') });
  const { port } = await a.serve();
  const browser = { headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } };
  for (const [path, status, text] of [['/none', 404, '<h1>gone</h1>'], ['/boom', 500, '<h1>oh</h1>']]) {
    const page = await ask(port, path, browser);
    assert.equal(page.status, status);
    assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
    assert.equal(page.text, text);
    for (const accept of [undefined, '*/*', 'application/json', 'text/html;q=0']) {
      const json = await ask(port, path, { headers: accept === undefined ? {} : { accept } });
      assert.equal(json.headers['content-type'], 'application/json; charset=utf-8', accept);
      assert.equal(json.status, status);
    }
  }
  assert.equal(JSON.parse((await ask(port, '/own', browser)).text).error, 'mine');
});

test('rules: longest prefix by key, for routes in code too; what they add is on every answer', async (t) => {
  const a = new App(t, {
    ...FILES,
    'code.js': `const { get } = require('actix-js'); get('/api/code', (err, req) => req.sendText('code')); get('/apix', (err, req) => req.sendText('free'));`,
    'actix.yaml': manifest(`modules: [code.js]
auth: { a: { bearer: { token: t } } }
rules:
  /: { headers: { x-all: 1 } }
  /api: { auth: a, headers: { x-api: 2 } }
  /api/open: { auth: off }
routes: { /api/open/x: who.js, /api/y: who.js, /z: who.js }\n`),
  });
  const { port } = await a.serve();
  for (const [path, status, api] of [['/z', 200], ['/apix', 200], ['/api/y', 401, '2'], ['/api/code', 401, '2'], ['/api/open/x', 200, '2'], ['/api/none', 404, '2'], ['/none', 404]]) {
    const res = await ask(port, path);
    assert.equal(res.status, status, path);
    assert.equal(res.headers['x-all'], '1', path);
    assert.equal(res.headers['x-api'], api, path);
  }
  assert.equal((await ask(port, '/api/code', { headers: bearer('t') })).text, 'code');
});

test('secrets are told nowhere', async (t) => {
  const a = new App(t, { ...FILES, 'actix.yaml': manifest('auth: { a: { bearer: { token: hush-hush } } }\nroutes: { /: { handler: who.js, auth: a } }\n') });
  const s = await a.serve();
  a.write('actix.yaml', a.read('actix.yaml').replace('hush-hush', 'hash-hash'));
  const reload = a.run('reload');
  assert.equal(reload.code, 0, reload.stderr);
  assert.equal((await ask(s.port, '/', { headers: bearer('hash-hash') })).status, 200);
  assert.equal((await ask(s.port, '/', { headers: bearer('hush-hush') })).status, 401);
  const said = [s.stdout, s.stderr, reload.stdout, reload.stderr, ...['status', 'routes', 'stats'].map((c) => a.run(c).stdout)].join('\n');
  assert.doesNotMatch(said, /h[ua]sh-h[ua]sh/);
  assert.match(said, /auth: ~ a/);
});
