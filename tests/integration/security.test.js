'use strict';
// What nobody may get at: other people's control socket, fields that the client makes up, files outside of their folder,
// secrets of the environment, the inside of an error.
const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const test = require('node:test');
const { App, BIN, until } = require('./serve-app');

const NOBODY = 65534;
const server = 'server: { workers: 1, listen: "127.0.0.1:0" }';
const manifest = (routes, head = server, more = '') => `version: 1\n${head}\n${more}\nroutes:\n${routes}`;
const mode = (file) => fs.statSync(file).mode & 0o777;

/** Sends bytes, resolves with everything that comes back until the server closes. */
function raw(port, text) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(text, 'latin1'));
    let got = '';
    socket.setEncoding('latin1').on('data', (data) => (got += data));
    socket.on('end', () => resolve(got)).on('error', reject);
  });
}

const request = (method, target, headers = [], body = '') =>
  [`${method} ${target} HTTP/1.1`, 'Host: a', 'Connection: close', ...headers, '', body].join('\r\n');

async function ask(s, method, target, headers = [], body = '') {
  const length = body.length > 0 ? [`Content-Length: ${body.length}`] : [];
  const text = await raw(s.port, request(method, target, [...length, ...headers], body));
  const end = text.indexOf('\r\n\r\n');
  return { status: Number(text.slice(9, 12)), head: text.slice(0, end), body: text.slice(end + 4), text };
}

/** Every process below this one, with the file of each that `name`s something in /proc. */
function processes(pid) {
  const children = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').filter(Boolean);
  return [pid, ...children.flatMap((child) => processes(Number(child)))];
}

// ---- the control socket

/** Says `line`, or nothing, to the socket as another user; what it is told, or how it failed. */
function asUser(uid, file, line) {
  const script = `
    const socket = require('node:net').connect(process.argv[1], () => process.argv[2] && socket.write(process.argv[2] + '\\n'));
    socket.on('data', (data) => process.stdout.write(data)).on('error', (err) => console.log(err.code));
    socket.setTimeout(5000, () => socket.destroy());
    socket.once('data', () => socket.end());`;
  const run = spawnSync(process.execPath, ['-e', script, file, line], { uid, gid: uid, cwd: '/', env: {}, encoding: 'utf8', timeout: 20_000 });
  return run.stdout.trim() || run.stderr;
}

test('the control socket is its owner’s alone', async (t) => {
  const a = new App(t, { 'actix.yaml': manifest('  /: h.js'), 'h.js': "module.exports = () => 'here';" });
  const s = await a.serve();
  const state = path.join(a.dir, '.actix');
  const socket = path.join(state, 'control.sock');
  assert.equal(mode(state), 0o700);
  assert.equal(mode(socket), 0o600);
  assert.equal(fs.statSync(socket).uid, process.getuid());
  if (process.getuid() === 0) {
    assert.match(asUser(NOBODY, socket, '{"command":"status"}'), /EACCES/);
    // Somebody has opened folder and socket to all; who connects is looked at again.
    for (const dir of [a.dir, state]) fs.chmodSync(dir, 0o755);
    fs.chmodSync(socket, 0o666);
    assert.deepEqual(JSON.parse(asUser(NOBODY, socket, '')), { error: 'this user may not control the server' });
    for (const command of ['status', 'stop', 'flush', 'reload']) // closed before it is read, or as it is written
      assert.match(asUser(NOBODY, socket, JSON.stringify({ command })), /^(\{"error":"this user may not control the server"\}|EPIPE|ECONNRESET)$/);
    assert.equal(JSON.parse(asUser(0, socket, '{"command":"status"}')).pid, s.child.pid);
  }
  assert.equal((await ask(s, 'GET', '/')).body, 'here');
  assert.equal(await s.signal('SIGTERM'), 0);
  assert.equal(fs.existsSync(socket), false);
});

test('a control socket that was opened to others is open to them', { skip: process.getuid() !== 0 }, async (t) => {
  const control = `server: { workers: 1, listen: "127.0.0.1:0", control: { mode: 0660, group: "${NOBODY}" } }`;
  const a = new App(t, { 'actix.yaml': manifest('  /: { respond: x }', control) });
  const s = await a.serve();
  fs.chmodSync(a.dir, 0o755);
  const socket = path.join(a.dir, '.actix/control.sock');
  assert.equal(mode(socket), 0o660);
  assert.equal(JSON.parse(asUser(NOBODY, socket, '{"command":"status"}')).pid, s.child.pid);
  assert.match(asUser(NOBODY - 1, socket, '{"command":"status"}'), /EACCES/);
  assert.equal(await s.signal('SIGTERM'), 0);
});

// ---- fields of a response

const INJECTED = ['a\r\nX-Injected: 1', 'a\nX-Injected: 1', 'a\rX-Injected: 1', 'a\r\n\r\nHTTP/1.1 200 OK', 'a\0b', 'a\x1bb', 'a\x7fb', 'a\u0100', 'a\u560d\u560aX-Injected: 1', '\ud800'];
const BAD_NAMES = ['', 'a b', 'a:b', 'X\r\nY', 'X\0', 'ü', 'a\tb', '(a)', 'Set-Cookie\n'];

const injections = {
  'value.js': 'module.exports = (req) => { req.addHeader("X-Echo", req.getBodyJson()); return "added"; };',
  'name.js': 'module.exports = (req) => { req.addHeader(req.getBodyJson(), "x"); return "added"; };',
  'cookie.js': 'module.exports = (req) => { req.addHeader("Set-Cookie", "a=" + req.getBodyJson()); return "added"; };',
  'location.js': 'module.exports = (req) => { req.setStatusCode(302); req.addHeader("Location", req.getBodyJson()); req.sendEmpty(); };',
  'type.js': 'module.exports = (req) => { req.addHeader("Content-Type", req.getBodyJson()); return "added"; };',
  'async.js': 'module.exports = async (req) => { await req.addHeaderAsync("X-Echo", req.getBodyJson()); return "added"; };',
  // A shape of a Response that checks nothing.
  'shape.js': `module.exports = (req) => ({ status: 200, body: null, headers: new Map([['X-Echo', req.getBodyJson()]]), arrayBuffer: async () => new ArrayBuffer(0) });`,
  'shapename.js': `module.exports = (req) => ({ status: 200, body: null, headers: new Map([[req.getBodyJson(), 'x']]), arrayBuffer: async () => new ArrayBuffer(0) });`,
  'shapecookie.js': `module.exports = (req) => ({ status: 200, body: null, headers: { forEach() {}, getSetCookie: () => [req.getBodyJson()] }, arrayBuffer: async () => new ArrayBuffer(0) });`,
  'tell.js': 'module.exports = (req) => { try { req.addHeader("X-Echo", req.getBodyJson()); } catch (err) { return err.code; } };',
  'status.js': 'module.exports = (req) => { const took = req.setStatusCode(req.getBodyJson()); return String(took); };',
  'error.js': 'module.exports = (req) => { throw Object.assign(new Error(req.getBodyJson()), { status: 400 }); };',
};

test('no value, name, cookie, target or status that a client chose ends a line of a head', async (t) => {
  const routes = Object.keys(injections).map((file) => `  /${path.basename(file, '.js')}: { POST: ${file} }\n`).join('');
  const a = new App(t, { 'actix.yaml': manifest(routes), ...injections });
  const s = await a.serve();
  const post = (where, value) => ask(s, 'POST', where, [], JSON.stringify(value).replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`));
  for (const value of INJECTED) {
    for (const where of ['/value', '/cookie', '/location', '/type', '/async', '/shape', '/shapecookie']) {
      const answer = await post(where, value);
      assert.equal(answer.status, 500, `${where} ${JSON.stringify(value)}`);
      assert.equal(answer.body, '{"error":"Internal Server Error"}');
      assert.doesNotMatch(answer.head, /injected|x-echo|set-cookie|location/i);
    }
    assert.equal((await post('/tell', value)).body, 'ERR_INVALID_CHAR');
    const answer = await post('/error', value);
    assert.equal(answer.status, 400);
    assert.doesNotMatch(answer.head, /injected/i);
    assert.doesNotThrow(() => JSON.parse(answer.body));
  }
  for (const name of BAD_NAMES)
    for (const where of ['/name', '/shapename']) {
      const answer = await post(where, name);
      assert.equal(answer.status, 500, `${where} ${JSON.stringify(name)}`);
      assert.equal(answer.head.split('\r\n').length, 6, answer.head); // status line, type, Date, Connection, length, id
    }
  for (const status of ['200\r\nX-Injected: 1', '404', 99, 1000, -1, 200.5, null, {}, [201], 1e300]) {
    const answer = await post('/status', status);
    assert.doesNotMatch(answer.head, /injected/i);
    assert.match(answer.head, /^HTTP\/1\.1 (200|500) /, JSON.stringify(status));
  }
  assert.match((await post('/value', 'caf\u00e9')).head, /^X-Echo: caf\xe9$/m); // latin1 is fine
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('redirects and fixed fields of a manifest cannot hold a line end either', (t) => {
  for (const route of ['/a: { redirect: "/b\\r\\nX: y" }', '/a: { respond: x, headers: { x-a: "b\\nc" } }', '/a: { respond: x, headers: { "x\\r\\na": b } }', '/a: { redirect: "/b\\0" }']) {
    const a = new App(t, { 'actix.yaml': manifest(`  ${route}\n`) });
    assert.equal(a.run('check', '--no-load').code, 3, route);
  }
});

// ---- names that are something in JavaScript

const names = ['__proto__', 'constructor', 'hasOwnProperty', 'toString', 'valueOf', '__defineGetter__', 'prototype', 'then', 'toJSON'];
const look = `
const tell = (object) => Object.fromEntries(Object.getOwnPropertyNames(object).map((name) => ['_' + name, typeof object[name] === 'object' ? 'object' : Object.getOwnPropertyDescriptor(object, name).value]));
const polluted = () => ({}).polluted !== undefined || [].polluted !== undefined || Object.prototype.hasOwnProperty('x') || Object.keys(Object.prototype).length > 0;
module.exports = async (req) => {
  const what = { getQueryParams: () => req.getQueryParams(), query: () => req.query, cookies: () => req.cookies, headers: () => req.headers, getHeaders: () => req.getHeaders(),
    params: () => req.params, getPathParams: () => req.getPathParams(), form: () => req.getFormData(), formAsync: () => req.getFormDataAsync(), json: () => req.getBodyJson() };
  const got = await what[req.getHeader('x-what')]();
  const plain = Object.getPrototypeOf(got) === null || Object.getPrototypeOf(got) === Object.prototype;
  req.sendText(JSON.stringify({ names: tell(got), plain, polluted: polluted(), type: typeof got }));
};`;

test('names such as __proto__ are names, in whatever a client can name', async (t) => {
  const params = names.map((name) => `  /p/${name}/:${name}: look.js\n`).join('');
  const a = new App(t, { 'actix.yaml': manifest(`  /look: look.js\n${params}`), 'look.js': look });
  const s = await a.serve();
  const see = async (what, target, headers = [], body = '', method = 'POST') => {
    const answer = await ask(s, method, target, [`X-What: ${what}`, ...headers], body);
    assert.equal(answer.status, 200, answer.text);
    const told = JSON.parse(answer.body);
    assert.equal(told.polluted, false, what);
    assert.equal(told.plain, true, `${what}: its prototype was replaced`);
    return told.names;
  };
  const pairs = names.map((name) => `${name}=v`).join('&');
  const all = Object.fromEntries(names.map((name) => [`_${name}`, 'v']));
  for (const what of ['getQueryParams', 'query']) {
    assert.deepEqual(await see(what, `/look?${pairs}`), all);
    assert.deepEqual(await see(what, `/look?${pairs}&x=%41`), { ...all, _x: 'A' });
    assert.deepEqual(await see(what, '/look?__proto__[polluted]=1&constructor[prototype][polluted]=1&__proto__.polluted=1'), {
      '___proto__[polluted]': '1',
      '_constructor[prototype][polluted]': '1',
      '___proto__.polluted': '1',
    });
  }
  assert.deepEqual(await see('cookies', '/look', [`Cookie: ${names.map((name) => `${name}=v`).join('; ')}`]), all);
  const lower = Object.fromEntries(names.map((name) => [`_${name.toLowerCase()}`, 'v']));
  for (const what of ['headers', 'getHeaders']) {
    const seen = await see(what, '/look', names.map((name) => `${name}: v`));
    for (const [name, value] of Object.entries(lower)) assert.equal(seen[name], value, `${what} ${name}`);
    assert.equal((await see(what, '/look', ['__proto__: a', '__proto__: b'])).___proto__, 'a, b');
  }
  for (const name of names)
    for (const what of ['params', 'getPathParams']) assert.deepEqual(await see(what, `/p/${name}/v`, [], '', 'GET'), { [`_${name}`]: 'v' });
  const part = (name, more = '') => `--b\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\nv\r\n`;
  for (const what of ['form', 'formAsync']) {
    assert.deepEqual(await see(what, '/look', ['Content-Type: application/x-www-form-urlencoded'], pairs), all);
    assert.deepEqual(await see(what, '/look', ['Content-Type: multipart/form-data; boundary=b'], `${names.map((name) => part(name)).join('')}--b--\r\n`), all);
    const twice = await see(what, '/look', ['Content-Type: application/x-www-form-urlencoded'], `${pairs}&${pairs}`);
    assert.deepEqual(Object.keys(twice), Object.keys(all));
  }
  const seen = await see('json', '/look', [], '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}');
  assert.deepEqual(seen, { ___proto__: 'object', _constructor: 'object' });
  assert.equal(await s.signal('SIGTERM'), 0);
});

// ---- uploads

const originals = [
  '../../escape.txt', '..\\..\\escape.txt', '/etc/passwd', 'C:\\Windows\\x.txt', '....//....//x.txt', '%2e%2e%2fx.txt', 'a/b/c.txt', '.', '..', '...', '.htaccess',
  'x.', 'x. ', 'nul', 'CON', 'con.txt', 'aux.js', 'x.txt:stream', 'x.php.', 'x.php%00.png', 'x.\u202egnp.exe', '\u2025/\u2025/x.txt', '\uff0e\uff0e\uff0fx.txt', 'x.\u0442xt',
  'a'.repeat(5000), `${'a'.repeat(300)}.${'b'.repeat(300)}`, '~root/x', '$(touch x).sh', '-rf', '|x', 'x\ty.txt', '.actix-upload.x', 'x.tar.gz', '\u{1f4a9}.\u{1f4a9}',
];
const upload = `module.exports = async (req) => {
  const form = req.getHeader('x-async') ? await req.getFormDataAsync() : req.getFormData();
  return [form.f].flat().map(({ originalName, filename, path, size }) => ({ originalName, filename, path, size }));
};`;

test('an upload is stored in its folder, under a name of the server’s, for nobody else', async (t) => {
  const a = new App(t, { 'actix.yaml': manifest('  /up: { POST: up.js }', server, 'uploads: { dir: files, files: 100 }'), 'up.js': upload });
  const s = await a.serve();
  const dir = path.join(a.dir, 'files');
  const before = fs.readdirSync(a.dir).sort();
  const parts = originals.map((name) => `--b\r\nContent-Disposition: form-data; name="f"; filename="${name.replaceAll('\\', '\\\\')}"\r\n\r\ncontent\r\n`);
  const body = Buffer.from(`${parts.join('')}--b--\r\n`).toString('latin1');
  for (const how of [[], ['X-Async: 1']]) {
    fs.rmSync(dir, { recursive: true, force: true });
    const answer = await ask(s, 'POST', '/up', ['Content-Type: multipart/form-data; boundary=b', ...how], body);
    assert.equal(answer.status, 200, answer.text);
    const files = JSON.parse(Buffer.from(answer.body, 'latin1').toString());
    assert.equal(files.length, originals.length);
    for (const [i, file] of files.entries()) {
      assert.match(file.filename, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.[A-Za-z0-9]{1,8})?$/, originals[i]);
      assert.equal(path.dirname(path.resolve(a.dir, file.path)), dir);
      const stat = fs.lstatSync(path.resolve(a.dir, file.path));
      assert.ok(stat.isFile() && stat.size === 7 && (stat.mode & 0o777) === 0o600, originals[i]);
    }
    assert.deepEqual(fs.readdirSync(dir).sort(), files.map((file) => file.filename).sort());
    assert.deepEqual(fs.readdirSync(a.dir).filter((name) => name !== 'files').sort(), before.filter((name) => name !== 'files'));
  }
  for (const name of ['a\0b', 'a\r\nX: y']) {
    const answer = await ask(s, 'POST', '/up', ['Content-Type: multipart/form-data; boundary=b'], `--b\r\nContent-Disposition: form-data; name="f"; filename="${name}"\r\n\r\nc\r\n--b--\r\n`);
    assert.ok(answer.status === 400 || (answer.status === 200 && JSON.parse(answer.body).every((f) => /^[0-9a-f-]{36}$/.test(f.filename))), answer.text);
  }
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('a folder for uploads may be a link, whose target is where they go', async (t) => {
  const a = new App(t, { 'actix.yaml': manifest('  /up: { POST: up.js }', server, 'uploads: { dir: files }'), 'up.js': upload });
  fs.mkdirSync(path.join(a.dir, 'elsewhere'));
  fs.symlinkSync('elsewhere', path.join(a.dir, 'files'));
  const s = await a.serve();
  const body = '--b\r\nContent-Disposition: form-data; name="f"; filename="../x.txt"\r\n\r\nc\r\n--b--\r\n';
  const answer = await ask(s, 'POST', '/up', ['Content-Type: multipart/form-data; boundary=b'], body);
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(fs.readdirSync(path.join(a.dir, 'elsewhere')), [JSON.parse(answer.body)[0].filename]);
  assert.equal(await s.signal('SIGTERM'), 0);
});

// ---- secrets and insides

const SECRET = 'hunter2-horse-battery';

test('values of env are in no log, page, table or command line', async (t) => {
  const head = `server: { workers: 1, listen: "127.0.0.1:0" }
log: { access: stderr, level: debug, format: json }
metrics: { requests: all }
env: { TOKEN: ${SECRET}-manifest, LIST: "\${SECRET_OUTSIDE}" }`;
  const a = new App(t, {
    'actix.yaml': manifest('  /: h.js\n  /fails: fails.js\n  /has: has.js\n', head),
    '.env': `DOT=${SECRET}-dotenv\n`,
    'h.js': "module.exports = () => 'ok';",
    'has.js': `module.exports = () => [process.env.TOKEN, process.env.DOT, process.env.LIST].every((v) => v?.startsWith('${SECRET}'));`,
    'fails.js': "module.exports = () => { throw new Error('it failed'); };",
  });
  const s = await a.serveWith({ SECRET_OUTSIDE: `${SECRET}-outside` });
  assert.equal((await ask(s, 'GET', '/has')).body, 'true');
  const said = [];
  for (const target of ['/', '/fails', '/missing', '/%zz', '/?x=\0']) said.push((await ask(s, 'GET', target)).text);
  for (const command of [['status'], ['stats'], ['routes'], ['check']])
    for (const json of [[], ['--json']]) {
      const run = a.runWith({ SECRET_OUTSIDE: `${SECRET}-outside` }, ...command, ...json);
      assert.equal(run.code, 0, `${command}: ${run.stderr}`);
      said.push(run.stdout, run.stderr);
    }
  for (const pid of processes(s.child.pid)) said.push(fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1'));
  await until(() => s.stderr.includes('it failed'));
  assert.equal(await s.signal('SIGTERM'), 0);
  said.push(s.stdout, s.stderr, fs.readFileSync(path.join(a.dir, '.actix/metrics.db'), 'latin1'));
  for (const text of said) assert.ok(!text.includes(SECRET), text.slice(Math.max(0, text.indexOf(SECRET) - 200)).slice(0, 400));
});

test('what is wrong with env is said without its value', (t) => {
  const wrong = [`env: { "BAD NAME": ${SECRET} }`, `env: { "A=B": ${SECRET} }`, `env: { A: [${SECRET}] }`, `env: { A: { b: ${SECRET} } }`, `env: [${SECRET}]`, `env: ${SECRET}`, `env: { A: "${SECRET}\\0" }`];
  for (const line of wrong) {
    const a = new App(t, { 'actix.yaml': manifest('  /: { respond: x }', server, line) });
    const run = a.run('check', '--no-load');
    assert.equal(run.code, 3, line);
    assert.ok(!(run.stdout + run.stderr).includes(SECRET), run.stderr);
  }
});

test('an error shows nothing of its inside outside of development', async (t) => {
  const fails = {
    'error.js': "module.exports = () => { throw new Error('secret inside'); };",
    'late.js': "module.exports = async () => { await null; throw new TypeError('secret inside'); };",
    'object.js': "module.exports = () => { throw { secret: 'inside', status: 403 }; };",
    'text.js': "module.exports = () => { throw 'secret inside'; };",
    'status.js': "module.exports = () => { throw Object.assign(new Error('told'), { status: 409, inside: 'secret' }); };",
    'getter.js': "module.exports = () => { throw { get message() { throw new Error('secret inside'); } }; };",
    'returned.js': "module.exports = () => new RangeError('secret inside');",
    'symbol.js': 'module.exports = () => Symbol("secret inside");',
    'cycle.js': "module.exports = () => { const secret = {}; secret.inside = secret; return secret; };",
    'nothing.js': 'module.exports = async () => undefined;',
  };
  const routes = Object.keys(fails).map((file) => `  /${path.basename(file, '.js')}: ${file}\n`).join('');
  const a = new App(t, { 'actix.yaml': manifest(routes), ...fails });
  const s = await a.serve();
  for (const file of Object.keys(fails)) {
    const answer = await ask(s, 'GET', `/${path.basename(file, '.js')}`);
    assert.doesNotMatch(answer.text, /secret|inside|\.js|node:|stack|at /i, file);
    assert.ok(answer.status >= 400, file);
    assert.deepEqual(Object.keys(JSON.parse(answer.body)), ['error'], file);
  }
  assert.equal(await s.signal('SIGTERM'), 0);
});

test('what a client sends cannot forge a line of the log', async (t) => {
  const head = `${server}\nlog: { access: stderr, format: text }`;
  const a = new App(t, { 'actix.yaml': manifest('  /:id: h.js', head), 'h.js': "module.exports = (req) => { throw new Error('no ' + req.params.id); };" });
  const s = await a.serve();
  await ask(s, 'GET', '/%0a2026-01-01%20forged%0d%1b%5b31m%c2%85%e2%80%a8', ['User-Agent: a\tb\x9b31m\x85']);
  await until(() => s.stderr.split('\n').length > 2);
  assert.equal(await s.signal('SIGTERM'), 0);
  for (const line of s.stderr.split('\n')) assert.doesNotMatch(line, /^2026-01-01 forged/);
  assert.doesNotMatch(s.stderr, /[\x00-\x08\x0b-\x1f\x7f]/);
});

assert.ok(fs.existsSync(BIN) && os.platform() === 'linux', 'built, on Linux');
