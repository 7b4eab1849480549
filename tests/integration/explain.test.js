'use strict';
// `actix explain` says what the server then does: each answer is held against a real one.  And the lint of `actix routes`.
const assert = require('node:assert/strict');
const http = require('node:http');
const test = require('node:test');
const { App } = require('./serve-app');

const manifest = (more = '') => `version: 1
server: { workers: 1, listen: "127.0.0.1:0", trailing_slash: redirect }
routes:
  /: home.js
  /users/:id:
    GET: users.js#show
    PUT: { handler: users.js#update, timeout: 2s, body: 10MiB, max_inflight: 3, queue: 4 }
  /files/*path: { GET: { respond: file } }
  /by: by.js
${more}`;
const files = {
  'home.js': "module.exports = () => 'home';",
  'users.js': "exports.show = (req) => ({ show: req.params }); exports.update = () => 'updated';",
  'by.js': "exports.GET = () => 'get'; exports.POST = () => 'post';",
};

function send(url, method, target) {
  return new Promise((resolve, reject) => {
    const { hostname: host, port } = new URL(url);
    const req = http.request({ host, port, method, path: target, agent: false }, (res) => {
      let body = '';
      res.on('data', (data) => (body += data));
      res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, body }));
    });
    req.on('error', reject).end();
  });
}

test('what is explained is what is answered', async (t) => {
  const a = new App(t, { 'actix.yaml': manifest(), ...files });
  const s = await a.serve();
  for (const [method, target] of [
    ['GET', '/'], ['GET', '/users/7'], ['GET', '/users/a%2Fb?x=1'], ['HEAD', '/users/7'], ['PUT', '/users/7'], ['DELETE', '/users/7'],
    ['OPTIONS', '/users/7'], ['GET', '/users/7/'], ['GET', '/files/'], ['GET', '/files/a/b'], ['GET', '/nope'], ['GET', '/a/%2e%2e/b'],
    ['POST', '/by'], ['PUT', '/by'], ['DELETE', '/'],
  ]) {
    const { code, stdout, stderr } = a.run('explain', method, target, '--json');
    const told = JSON.parse(stdout);
    const got = await send(s.url, method, target);
    assert.equal(stderr, '');
    assert.equal(told.status ?? 200, got.status, `${method} ${target}`);
    assert.equal(code, got.status < 400 ? 0 : 1);
    assert.equal(told.location, got.headers.location);
    assert.equal(told.allow, got.headers.allow);
    if (method === 'GET' && told.route?.handler === 'users.js#show' && got.status === 200) assert.deepEqual({ show: told.params }, JSON.parse(got.body));
  }
});

test('limits, the place, and what lost', (t) => {
  const a = new App(t, { 'actix.yaml': manifest('  /users/me: { GET: users.js#show, PUT: users.js#update }\n'), ...files });
  const put = JSON.parse(a.run('explain', 'put', '/users/7', '--json').stdout);
  assert.deepEqual(put.limits, { timeout_ms: 2000, body: 10 << 20, max_inflight: 3, queue: 4 });
  assert.deepEqual([put.route.file, put.route.line, put.route.path], ['actix.yaml', 7, '/users/:id']);
  const me = a.run('explain', 'GET', '/users/me');
  assert.equal(me.code, 0);
  assert.match(me.stdout, /^GET \/users\/me\n {2}route {5}GET \/users\/me \(actix\.yaml:10:/);
  assert.match(me.stdout, /not +GET \/users\/:id: a more specific pattern goes before it/);
  const bare = a.run('explain', 'GET', '/by', '--no-load');
  assert.match(bare.stdout, /handler {3}by\.js\n/);
  assert.match(a.run('explain', 'GET', 'by').stderr, /a path starts with \/ \(found 'by'\)/);
  assert.equal(a.run('explain', 'GET').code, 2);
});

test('policy: the rule that counts, and what it says', (t) => {
  const more = 'rules:\n  /users: { auth: staff, rate_limit: 5/s burst 9, use: [use.js] }\n  /users/deep: { compress: true }\nauth: { staff: { bearer: { token: abc } } }\n';
  const a = new App(t, { 'actix.yaml': manifest() + more, ...files, 'use.js': 'module.exports = (req, next) => next();' });
  const { policy } = a.json('explain', 'GET', '/users/7');
  assert.deepEqual([policy.auth, policy.rate_limit, policy.compress, policy.use, policy.rule.prefix, policy.rule.line], ['staff', '5/s burst 9', false, ['use.js'], '/users', 11]);
  assert.match(a.run('explain', 'GET', '/users/7').stdout, / {2}auth {6}staff\n {2}rate {6}5\/s burst 9\n {2}use {7}use\.js\n {2}rule {6}\/users \(actix\.yaml:11:3\)\n/);
  assert.equal(a.json('explain', 'GET', '/by').policy.rule, null);
});

test('a handler that does not load is told, and nothing is explained', (t) => {
  const a = new App(t, { 'actix.yaml': manifest(), ...files, 'by.js': 'throw new Error("no luck");' });
  const r = a.run('explain', 'GET', '/');
  assert.deepEqual([r.code, r.stdout], [3, '']);
  assert.match(r.stderr, /^actix\.yaml:9:8: cannot load by\.js: no luck \(by\.js:1:7\)/);
});

test('routes that hide each other are warned of, and refused by check --strict', (t) => {
  const a = new App(t, { 'actix.yaml': manifest('  /users/me: { GET: users.js#show }\n'), ...files });
  const warning = 'actix.yaml:7:21: warning: PUT /users/:id is shadowed by /users/me, which has no PUT: /users/me is answered 405 there\n';
  assert.equal(a.run('routes').stderr, warning);
  assert.equal(a.run('routes', '--no-load').stderr, warning);
  const { warnings } = a.json('routes');
  assert.deepEqual([warnings.length, warnings[0].line, warnings[0].col], [1, 7, 21]);
  const r = a.run('check');
  assert.deepEqual([r.code, r.stderr], [0, warning]);
  const strict = a.run('check', '--strict');
  assert.deepEqual([strict.code, strict.stderr], [3, warning.replace('warning: ', '')]);
  assert.equal(a.json('check').warnings.length, 1);
});
