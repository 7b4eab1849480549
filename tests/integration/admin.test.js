'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');
const test = require('node:test');
const { App, get, until } = require('./serve-app');

const handlers = {
  'home.js': "module.exports = () => 'home';",
  'never.js': 'module.exports = () => new Promise(() => undefined);',
  'boom.js': "module.exports = () => { throw new Error('boom'); };",
  'slow-start.js': "const { onStart } = require('actix-js'); onStart(() => new Promise((r) => setTimeout(r, 1500))); module.exports = () => 'x';",
  // loads as fast as any other the first time; a replacement takes a second, in which no loop moves
  'heavy.js': "const fs = require('node:fs'); const end = Date.now() + (fs.existsSync('heavy') ? 1000 : 0); while (Date.now() < end); module.exports = () => 'heavy';",
  'spin.js': 'module.exports = (req) => { const end = Date.now() + Number(req.query.ms); while (Date.now() < end); return "spun"; };',
};
const manifest = (head, routes = '') => `version: 1
${head}
routes:
  /: home.js
  /users/:id: home.js
  /boom: boom.js
  /never: never.js
  /spin: spin.js
${routes}`;
const plain = 'server: { workers: 2, listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }';
const app = (t, head = plain, routes = '') => new App(t, { 'actix.yaml': manifest(head, routes), ...handlers });
const adminOf = (s) => /^admin on (\S+)$/m.exec(s.stdout)[1];

// The text format 0.0.4, strictly: samples as Map 'name{labels}' -> number, labels as they stand there.
function parse(text) {
  const samples = new Map();
  const families = new Set();
  let family;
  let type;
  assert.ok(text.endsWith('\n'));
  for (const line of text.slice(0, -1).split('\n')) {
    const help = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) [^\\]+$/.exec(line);
    const typed = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)$/.exec(line);
    if (help) {
      assert.ok(!families.has(help[1]), line);
      families.add((family = help[1]));
    } else if (typed) {
      assert.equal(typed[1], family);
      type = typed[2];
    } else {
      const m = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)+\})? (-?\d+(?:\.\d+)?)$/.exec(line);
      assert.ok(m, line);
      const suffix = m[1].slice(family.length);
      assert.ok(m[1].startsWith(family) && (type === 'histogram' ? ['_bucket', '_sum', '_count'].includes(suffix) : suffix === ''), line);
      const key = m[1] + (m[2] ?? '');
      assert.ok(!samples.has(key), key);
      samples.set(key, Number(m[3]));
    }
  }
  return samples;
}

async function scrape(admin) {
  const res = await get(typeof admin === 'string' ? `${admin}/metrics` : { ...admin, path: '/metrics' });
  assert.equal(res.status, 200);
  assert.equal(res.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  return parse(res.body);
}

/** Requests by route and class. */
function counts(samples) {
  const all = {};
  for (const [key, n] of samples) {
    const m = /^http_server_request_duration_seconds_count\{http_request_method="(.*?)",http_route="(.*?)",http_response_status_class="(.*?)"\}$/.exec(key);
    if (m && n) all[`${m[2]} ${m[3]}`] = n;
  }
  return all;
}

const health = (admin, which) => get(`${admin}/health/${which}`);

test('counts equal the requests sent, over the end of an engine and beside the database', async (t) => {
  const a = app(t);
  const s = await a.serve();
  const admin = adminOf(s);
  const round = { '/': 5, '/users/1': 2, '/users/%22x': 1, '/boom': 3, '/nowhere': 4 };
  const send = async () => {
    for (const [where, n] of Object.entries(round)) for (let i = 0; i < n; i++) await get(s.url + where);
  };
  const want = (k) => ({ '/ 2xx': 5 * k, '/users/:id 2xx': 3 * k, '/boom 5xx': 3 * k, '(none) 4xx': 4 * k });
  await send();
  const first = await scrape(admin);
  assert.deepEqual(counts(first), want(1));
  assert.equal(first.get('actix_requests_total'), 15);
  assert.equal(first.get('actix_engine_restarts_total'), 0);
  assert.equal(first.get('actix_ready'), 1);
  assert.ok(first.get('process_resident_memory_bytes') > 10e6);
  assert.ok(first.get('process_cpu_seconds_total') > 0);
  assert.ok(Math.abs(first.get('process_start_time_seconds') - Date.now() / 1000) < 60);
  assert.equal([...first.keys()].filter((k) => k.startsWith('actix_build_info{version="')).length, 1);
  assert.deepEqual(a.json('status').admin, [admin]);
  assert.match(a.run('status').stdout, new RegExp(`^admin on ${admin}$`, 'm'));

  process.kill(a.json('status').engine.pid, 'SIGKILL');
  await until(async () => (await scrape(admin)).get('actix_engine_restarts_total') === 1 && (await health(admin, 'ready')).status === 200);
  await send();
  const second = await scrape(admin);
  assert.deepEqual(counts(second), want(2));
  for (const [key, n] of first) if (/_total|_count|_sum|_bucket/.test(key)) assert.ok(second.get(key) >= n, key);
  const open = get(`${s.url}/never`).catch(() => undefined);
  await until(async () => (await scrape(admin)).get('http_server_active_requests') === 1);
  assert.equal(await s.signal('SIGKILL'), 'SIGKILL');
  await open;
});

test('a broken database stops no scrape', async (t) => {
  const a = app(t, plain.replace('}\nadmin', ' }\nmetrics: { interval: 100ms }\nadmin'));
  const s = await a.serve();
  const admin = adminOf(s);
  fs.writeFileSync(path.join(a.dir, '.actix/metrics.db'), 'no database');
  for (let i = 0; i < 7; i++) await get(`${s.url}/`);
  assert.deepEqual(counts(await scrape(admin)), { '/ 2xx': 7 });
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('methods, paths and addresses', async (t) => {
  const a = app(t, 'server: { workers: 1, listen: "127.0.0.1:0" }\nadmin: { listen: ["localhost:0", { unix: admin.sock, mode: 0600 }] }');
  const s = await a.serve();
  const urls = [...s.stdout.matchAll(/^admin on (\S+)$/gm)].map((m) => m[1]);
  const socketPath = path.join(fs.realpathSync(a.dir), 'admin.sock');
  assert.equal(urls.at(-1), `unix:${socketPath}`);
  assert.equal(fs.statSync(socketPath).mode & 0o777, 0o600);
  assert.equal(s.urls.length, 1);
  for (const url of urls.slice(0, -1)) assert.equal((await scrape(url)).get('actix_live'), 1);
  assert.equal((await scrape({ socketPath })).get('actix_ready'), 1);
  const ask = (method, where) =>
    new Promise((resolve, reject) => {
      const req = http.request({ socketPath, method, path: where, agent: false }, (res) => {
        let body = '';
        res.on('data', (d) => (body += d)).on('end', () => resolve({ status: res.statusCode, body, headers: res.headers }));
      });
      req.on('error', reject).end(method === 'POST' ? 'x' : undefined);
    });
  for (const where of ['/metrics', '/health/live', '/health/ready']) {
    const [g, h, p] = [await ask('GET', where), await ask('HEAD', where), await ask('POST', where)];
    assert.equal(g.status, 200);
    assert.equal(g.headers['cache-control'], 'no-store');
    assert.equal(h.status, 200);
    assert.equal(h.body, '');
    if (where !== '/metrics') assert.equal(h.headers['content-length'], String(g.body.length));
    assert.equal(p.status, 405);
    assert.equal(p.headers.allow, 'GET, HEAD, OPTIONS');
  }
  for (const where of ['/', '/metrics/', '/health', '/../metrics', '/users/1', '/control.sock']) {
    const { status, body } = await ask('GET', where);
    assert.equal(status, where.includes('..') ? 400 : 404);
    assert.ok(JSON.parse(body).error);
  }
  assert.equal(await s.signal('SIGTERM'), 0);
  assert.ok(!fs.existsSync(socketPath));
});

test('an address that cannot be had fails the start', async (t) => {
  const other = net.createServer().listen(0, '127.0.0.1');
  await new Promise((r) => other.once('listening', r));
  t.after(() => other.close());
  const a = app(t, `server: { workers: 1, listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:${other.address().port}" }`);
  await assert.rejects(a.serve(), (e) => e.code === 1 && /actix\.yaml:3:\d+: cannot listen on 127\.0\.0\.1:\d+: the address is in use/.test(e.stderr));
});

test('health through start, lame duck and stop', async (t) => {
  const a = app(t, `${plain}\ntimeouts: { lame_duck: 1s }`, '  /slow: slow-start.js\n');
  const starting = a.serve();
  const [s] = a.running;
  await until(() => /^admin on/m.test(s.stdout));
  const admin = adminOf(s);
  const early = await health(admin, 'ready');
  assert.equal(early.status, 503);
  assert.deepEqual(JSON.parse(early.body), { error: 'starting' });
  assert.equal((await health(admin, 'live')).status, 200);
  assert.equal((await scrape(admin)).get('actix_ready'), 0);
  await starting;
  assert.deepEqual(JSON.parse((await until(async () => (await health(admin, 'ready')).status === 200 && health(admin, 'ready'))).body), { status: 'ready' });
  assert.deepEqual(JSON.parse((await health(admin, 'live')).body), { status: 'live' });
  const open = get(`${s.url}/never`).catch(() => undefined);
  await until(async () => (await scrape(admin)).get('actix_inflight') === 1);
  s.child.kill('SIGTERM');
  const late = await until(async () => { const r = await health(admin, 'ready'); return r.status === 503 && r; });
  assert.deepEqual(JSON.parse(late.body), { error: 'stopping' });
  assert.equal((await get(`${s.url}/`)).body, 'home'); // lame duck: the app still answers
  await until(() => /waiting for \d+ request/.test(s.stderr));
  assert.equal((await health(admin, 'ready')).status, 503); // drain: the admin does, too
  assert.equal((await health(admin, 'live')).status, 200);
  s.child.kill('SIGINT');
  assert.equal(await s.ended, 5);
  await open;
  await assert.rejects(health(admin, 'live'), { code: 'ECONNREFUSED' });
});

test('min_ready counts', async (t) => {
  const a = app(t, 'server: { workers: 2, min_ready: 2, listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }');
  const s = await a.serve();
  const admin = adminOf(s);
  await until(async () => (await health(admin, 'ready')).status === 200);
  process.kill(a.json('status').engine.pid, 'SIGKILL');
  const gone = await until(async () => { const r = await health(admin, 'ready'); return r.status === 503 && r; });
  assert.match(JSON.parse(gone.body).error, /^\d of the 2 workers wanted/);
  await until(async () => (await health(admin, 'ready')).status === 200);
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('a reload opens, moves and closes it, and goes backwards in no count', async (t) => {
  const head = (admin, more = '') => `server: { workers: 1, listen: "127.0.0.1:0" }\nadmin: ${admin}\n${more}`;
  const a = app(t, head('off'));
  const s = await a.serve();
  const reload = (...args) => {
    a.write('actix.yaml', manifest(...args));
    return a.run('reload');
  };
  assert.doesNotMatch(s.stdout, /admin on/);
  assert.deepEqual(a.json('status').admin, []);
  for (let i = 0; i < 3; i++) await get(`${s.url}/`);
  assert.match(reload(head('{ listen: ["127.0.0.1:0", unix:admin.sock] }')).stdout, /admin\.listen: \+ unix:admin\.sock/);
  const [admin, sock] = a.json('status').admin;
  const socketPath = sock.slice('unix:'.length);
  await until(async () => (await health(admin, 'ready')).status === 200);
  for (let i = 0; i < 4; i++) await get(`${s.url}/`);
  const first = await scrape(admin);
  assert.ok(first.get('actix_requests_total') >= 4); // from the first generation, what its engine still had to say
  const before = counts(first)['/ 2xx'];

  // another generation, with another route; the address stays
  assert.equal(reload(head('{ listen: ["127.0.0.1:0", unix:admin.sock] }'), '  /new: home.js\n').code, 0);
  assert.deepEqual(a.json('status').admin, [admin, sock]);
  for (let i = 0; i < 5; i++) await get(`${s.url}/`);
  await get(`${s.url}/new`);
  const second = await scrape(admin);
  assert.equal(counts(second)['/ 2xx'], before + 5);
  assert.equal(counts(second)['/new 2xx'], 1);
  for (const [key, n] of first) if (/_total|_count|_sum|_bucket/.test(key)) assert.ok(second.get(key) >= n, key);
  assert.equal(second.get('actix_engine_restarts_total'), 0);

  // an address that cannot be had changes nothing
  const bad = reload(head('{ listen: "192.0.2.1:1" }'));
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /cannot listen on 192\.0\.2\.1:1/);
  assert.deepEqual(a.json('status').admin, [admin, sock]);
  assert.equal((await health(admin, 'ready')).status, 200);

  assert.equal(reload(head('{ listen: unix:admin.sock }')).code, 0);
  assert.deepEqual(a.json('status').admin, [sock]);
  await assert.rejects(health(admin, 'ready'), { code: 'ECONNREFUSED' });
  assert.equal(counts(await scrape({ socketPath }))['/ 2xx'], before + 5);
  assert.equal(reload(head('off')).code, 0);
  assert.deepEqual(a.json('status').admin, []);
  assert.ok(!fs.existsSync(socketPath));
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('one process a worker: the counts are those of all of them', async (t) => {
  const a = app(t, 'server: { workers: 2, isolation: process, min_ready: 2, listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }');
  const s = await a.serve();
  const admin = adminOf(s);
  await until(async () => (await health(admin, 'ready')).status === 200);
  for (let i = 0; i < 20; i++) await get(`${s.url}/`);
  const samples = await scrape(admin);
  assert.equal(counts(samples)['/ 2xx'], 20);
  assert.equal(samples.get('actix_workers_ready'), 2);
  assert.equal((await health(admin, 'live')).status, 200);
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('live says no while the only worker spins beyond stall, and yes again', async (t) => {
  const a = app(t, 'server: { workers: 1, listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }\ntimeouts: { handler: 600ms }', '  /heavy: heavy.js\n');
  const s = await a.serve();
  const admin = adminOf(s);
  assert.equal((await health(admin, 'live')).status, 200);
  a.write('heavy', '');
  get(`${s.url}/spin?ms=3000`).catch(() => undefined);
  const no = await until(async () => { const r = await health(admin, 'live'); return r.status === 503 && r; });
  assert.match(JSON.parse(no.body).error, /no worker has moved for timeouts\.stall/);
  await until(async () => (await health(admin, 'live')).status === 200);
  await new Promise((r) => setTimeout(r, 1500)); // an idle app is no dead one
  assert.equal((await health(admin, 'live')).status, 200);
  await s.signal('SIGTERM');
});

// ---- who tries to break it

const connect = (port) =>
  new Promise((resolve, reject) => {
    const c = net.connect(port, '127.0.0.1', () => resolve(c));
    c.on('error', reject);
  });

test('slow clients, a thousand connections, huge heads and readers that do not read', async (t) => {
  const a = app(t);
  const s = await a.serve();
  const admin = adminOf(s);
  const port = Number(new URL(admin).port);
  const open = [];
  t.after(() => open.forEach((c) => c.destroy()));
  const keep = async () => {
    const c = await connect(port);
    c.on('error', () => undefined).on('data', () => undefined);
    open.push(c);
    return c;
  };

  // as many as it takes, and more: idle ones make room for who asks
  const thousand = await Promise.all(Array.from({ length: 1000 }, keep));
  for (let i = 0; i < 200; i++) thousand[i].write('GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal((await get(`${s.url}/`)).body, 'home');
  thousand.forEach((c) => c.destroy());
  await until(async () => (await health(admin, 'live')).status === 200);

  // half a head each, one byte at a time
  const half = await Promise.all(Array.from({ length: 50 }, keep));
  half.forEach((c) => c.write('GET /met'));
  assert.equal((await health(admin, 'ready')).status, 200);
  half.forEach((c) => c.destroy());

  // heads beyond the limits
  const said = async (bytes) => {
    const c = await connect(port);
    c.on('error', () => undefined);
    c.end(bytes);
    let all = '';
    for await (const d of c) all += d;
    return Number(/^HTTP\/1\.1 (\d+)/.exec(all)?.[1]);
  };
  assert.equal(await said(`GET /${'x'.repeat(9000)} HTTP/1.1\r\nHost: a\r\n\r\n`), 414);
  assert.equal(await said(`GET /metrics HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20000)}\r\n\r\n`), 431);
  assert.equal(await said('GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'), 400);
  assert.equal(await said('POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n'), 405);

  // pipelines of pages that nobody reads
  const deaf = await Promise.all(Array.from({ length: 100 }, keep));
  for (const c of deaf) {
    c.pause();
    c.write('GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(200));
  }
  assert.equal((await get(`${s.url}/`)).body, 'home');
  assert.equal((await health(admin, 'live')).status, 200);
  const { pid } = a.json('status');
  const rss = Number(/VmRSS:\s+(\d+) kB/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
  assert.ok(rss < 200_000, `${rss} kB`);
  deaf.forEach((c) => c.destroy());
  await until(async () => (await get(`${admin}/metrics`)).status === 200);
  assert.equal(counts(await scrape(admin))['/ 2xx'], 2);
  assert.equal(await s.signal('SIGTERM'), 0);
});
