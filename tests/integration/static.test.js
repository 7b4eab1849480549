'use strict';
// Routes with `static` on a real server: what is served and how, conditions and ranges of RFC 9110, and 200 ways out of the
// folder, none of which leads there.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');
const test = require('node:test');
const zlib = require('node:zlib');
const { App, until } = require('./serve-app');

const MIB = 1 << 20;
const SECRET = 'TOP-SECRET';
const digits = '0123456789';
const script = 'console.log("hello");\n'.repeat(100);
const medium = Buffer.alloc(300_000, 'abcdefghijklmnop');
const manifest = `version: 1
server: { workers: 1, listen: "127.0.0.1:0" }
timeouts: { stall: 500ms }
routes:
  /: home.js
  /spin: spin.js
  /later: later.js
  /files/*path: { static: public, headers: { cache-control: "public, max-age=60" }, POST: home.js }
  /typed/*path: { static: public, index: off, headers: { content-type: text/x-own } }
  /robots.txt: { static: public/digits.txt }
  /app/*path: { static: public, fallback: index.html }
`;
const files = {
  'actix.yaml': manifest,
  'home.js': "module.exports = (req) => `home ${req.method}`;",
  'spin.js': 'module.exports = () => { for (;;); };',
  'later.js': "module.exports = async () => { await new Promise((r) => setTimeout(r, 50)); return 'later'; };",
  secret: SECRET,
  'outside/secret': SECRET,
  'public/.secret': SECRET,
  'public/.git/secret': SECRET,
  'public/.well-known/known.txt': 'known',
  'public/index.html': '<h1>index</h1>',
  'public/digits.txt': digits,
  'public/empty.txt': '',
  'public/sub/index.html': '<h1>sub</h1>',
  'public/sub/deep/page.html': '<h1>page</h1>',
  'public/bare/file.txt': 'bare',
  'public/caf\u00e9 one.txt': 'café',
  'public/app.js': script,
  'public/app.js.gz': zlib.gzipSync(script),
  'public/app.js.br': zlib.brotliCompressSync(script),
  'public/only.css': 'a{}',
  'public/only.css.gz': zlib.gzipSync('a{}'),
  'public/medium.bin': medium,
};

let app, served, agent;
test.before(async () => {
  app = new App({ after: () => undefined }, files);
  for (const [to, name] of [
    ['../secret', 'out'],
    ['../outside', 'outfolder'],
    [path.join(app.dir, 'secret'), 'absolute'],
    ['..', 'up'],
    ['digits.txt', 'inside'],
  ])
    fs.symlinkSync(to, path.join(app.dir, 'public', name));
  served = await app.serve();
  agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
});
test.after(async () => {
  agent?.destroy();
  const code = await served?.signal('SIGTERM');
  await app?.clean();
  assert.equal(code, 0);
});

/** { status, headers, body: Buffer, text }; the path is sent as it stands. */
function ask(target, headers = {}, method = 'GET') {
  return new Promise((resolve, reject) => {
    const req = http.request({ host: '127.0.0.1', port: served.port, path: target, method, headers, agent }, (res) => {
      const parts = [];
      res.on('data', (d) => parts.push(d));
      res.on('error', reject);
      res.on('end', () => {
        const body = Buffer.concat(parts);
        resolve({ status: res.statusCode, headers: res.headers, body, text: body.toString() });
      });
    });
    req.on('error', reject).end();
  });
}

test('a file: type, validators, nosniff, the headers of the route; HEAD the same without the body', async () => {
  const a = await ask('/files/digits.txt');
  assert.equal(a.status, 200);
  assert.equal(a.text, digits);
  assert.equal(a.headers['content-type'], 'text/plain; charset=utf-8');
  assert.equal(a.headers['content-length'], '10');
  assert.match(a.headers.etag, /^"[^"]+"$/);
  assert.equal(a.headers['accept-ranges'], 'bytes');
  assert.equal(a.headers['x-content-type-options'], 'nosniff');
  assert.equal(a.headers['cache-control'], 'public, max-age=60');
  const { mtime } = fs.statSync(path.join(app.dir, 'public/digits.txt'));
  assert.equal(a.headers['last-modified'], new Date(Math.floor(mtime / 1000) * 1000).toUTCString());
  const h = await ask('/files/digits.txt', {}, 'HEAD');
  assert.equal(h.body.length, 0);
  for (const name of ['content-type', 'content-length', 'etag', 'last-modified', 'accept-ranges', 'x-content-type-options'])
    assert.equal(h.headers[name], a.headers[name], name);
});

test('other names and sizes', async () => {
  assert.equal((await ask('/files/caf%C3%A9%20one.txt')).text, 'café');
  assert.equal((await ask('/files/.well-known/known.txt')).text, 'known');
  assert.equal((await ask('/files/inside')).text, digits, 'a link that stays inside');
  assert.equal((await ask('/robots.txt')).text, digits, 'one file');
  assert.equal((await ask('/files/empty.txt')).body.length, 0);
  assert.deepEqual((await ask('/files/medium.bin')).body, medium);
  assert.equal((await ask('/typed/digits.txt')).headers['content-type'], 'text/x-own');
  assert.equal((await ask('/files/digits.txt', {}, 'POST')).text, 'home POST', 'a METHOD beside static');
  const no = await ask('/robots.txt', {}, 'DELETE');
  assert.equal(no.status, 405);
  assert.equal(no.headers.allow, 'GET, HEAD, OPTIONS');
  assert.equal((await ask('/robots.txt', {}, 'OPTIONS')).status, 204);
});

test('folders: index, 308 with the query kept, never a listing', async () => {
  assert.equal((await ask('/files/')).text, '<h1>index</h1>');
  assert.equal((await ask('/files/sub/')).text, '<h1>sub</h1>');
  const to = await ask('/files/sub?a=%20b');
  assert.equal(to.status, 308);
  assert.equal(to.headers.location, '/files/sub/?a=%20b');
  for (const none of ['/files/bare/', '/files/nothing', '/files/digits.txt/', '/typed/', '/typed/sub/', '/files//sub/', '/files/sub//']) {
    const a = await ask(none);
    assert.equal(a.status, 404, none);
    assert.deepEqual(JSON.parse(a.text), { error: 'Not Found', path: none });
  }
});

test('the fallback is for GET that names text/html', async () => {
  const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
  for (const page of ['/app/users/7', '/app/bare/', '/app/']) {
    const a = await ask(page, html);
    assert.equal(a.status, 200, page);
    assert.equal(a.text, '<h1>index</h1>');
  }
  assert.match((await ask('/app/users/7', html)).headers.vary, /Accept/);
  assert.equal((await ask('/app/users/7', html, 'HEAD')).status, 200);
  assert.equal((await ask('/app/users/7', html, 'POST')).status, 405);
  for (const accept of [undefined, '*/*', 'application/json', 'image/*,*/*;q=0.8', 'text/html;q=0'])
    assert.equal((await ask('/app/no.js', accept === undefined ? {} : { accept })).status, 404, accept);
  assert.equal((await ask('/app/.secret', html)).status, 404);
  assert.equal((await ask('/app/digits.txt', html)).text, digits, 'what is there is served');
});

test('compressed beside it: by quality, with Vary, each with its own tag', async () => {
  const plain = await ask('/files/app.js');
  assert.equal(plain.headers.vary, 'Accept-Encoding');
  assert.equal(plain.headers['content-encoding'], undefined);
  const tags = new Set([plain.headers.etag]);
  for (const [accept, coding, unpack] of [
    ['gzip, deflate, br', 'br', zlib.brotliDecompressSync],
    ['gzip', 'gzip', zlib.gunzipSync],
    ['br;q=0.5, gzip;q=0.8', 'gzip', zlib.gunzipSync],
    ['br;q=0, gzip;q=0', undefined, (b) => b],
    ['identity, gzip;q=0.5', undefined, (b) => b],
  ]) {
    const a = await ask('/files/app.js', { 'accept-encoding': accept });
    assert.equal(a.headers['content-encoding'], coding, accept);
    assert.equal(a.headers['content-type'], plain.headers['content-type']);
    assert.equal(unpack(a.body).toString(), script);
    tags.add(a.headers.etag);
    const again = await ask('/files/app.js', { 'accept-encoding': accept, 'if-none-match': a.headers.etag });
    assert.equal(again.status, 304);
    assert.equal(again.headers.vary, 'Accept-Encoding');
  }
  assert.equal(tags.size, 3);
  assert.equal((await ask('/files/only.css', { 'accept-encoding': 'br, gzip;q=0.1' })).headers['content-encoding'], 'gzip');
  assert.equal((await ask('/files/digits.txt', { 'accept-encoding': 'br, gzip' })).headers['content-encoding'], undefined);
});

test('conditions, in the order of RFC 9110, 13.2.2', async () => {
  const { etag, 'last-modified': date } = (await ask('/files/digits.txt')).headers;
  const shifted = (ms) => new Date(Date.parse(date) + ms).toUTCString();
  const before = shifted(-1000), after = shifted(1000), weak = `W/${etag}`;
  const table = [
    [{ 'if-match': etag }, 200],
    [{ 'if-match': '*' }, 200],
    [{ 'if-match': `"x", ${etag}` }, 200],
    [{ 'if-match': ['"x"', etag] }, 200],
    [{ 'if-match': weak }, 412],
    [{ 'if-match': '"x"' }, 412],
    [{ 'if-unmodified-since': date }, 200],
    [{ 'if-unmodified-since': before }, 412],
    [{ 'if-unmodified-since': 'nonsense' }, 200],
    [{ 'if-match': etag, 'if-unmodified-since': before }, 200],
    [{ 'if-match': '"x"', 'if-unmodified-since': after }, 412],
    [{ 'if-none-match': etag }, 304],
    [{ 'if-none-match': weak }, 304],
    [{ 'if-none-match': '*' }, 304],
    [{ 'if-none-match': `"x", ${etag}` }, 304],
    [{ 'if-none-match': '"x"' }, 200],
    [{ 'if-modified-since': date }, 304],
    [{ 'if-modified-since': after }, 304],
    [{ 'if-modified-since': before }, 200],
    [{ 'if-modified-since': 'nonsense' }, 200],
    [{ 'if-none-match': '"x"', 'if-modified-since': date }, 200],
    [{ 'if-none-match': etag, 'if-modified-since': before }, 304],
    [{ 'if-match': '"x"', 'if-none-match': etag }, 412],
    [{ 'if-match': etag, 'if-none-match': etag }, 304],
    [{ range: 'bytes=0-1', 'if-range': etag }, 206],
    [{ range: 'bytes=0-1', 'if-range': weak }, 200],
    [{ range: 'bytes=0-1', 'if-range': '"x"' }, 200],
    [{ range: 'bytes=0-1', 'if-range': date }, 206],
    [{ range: 'bytes=0-1', 'if-range': after }, 200],
    [{ range: 'bytes=50-', 'if-range': '"x"' }, 200],
    [{ range: 'bytes=50-', 'if-none-match': etag }, 304],
    [{ range: 'bytes=50-', 'if-match': '"x"' }, 412],
    [{ range: 'bytes=50-' }, 416],
  ];
  for (const [headers, status] of table) {
    const a = await ask('/files/digits.txt', headers);
    assert.equal(a.status, status, JSON.stringify(headers));
    if (status === 304) {
      assert.equal(a.headers.etag, etag);
      assert.equal(a.headers['cache-control'], 'public, max-age=60');
      assert.equal(a.headers['content-length'], undefined);
    }
  }
  assert.equal((await ask('/files/digits.txt', { 'if-none-match': etag }, 'HEAD')).status, 304);
});

test('ranges: one, several, none, out of reach', async () => {
  for (const [range, want] of [
    ['bytes=0-0', '0-0'],
    ['bytes=2-4', '2-4'],
    ['bytes=-3', '7-9'],
    ['bytes=7-', '7-9'],
    ['bytes=0-', '0-9'],
    ['bytes=0-99', '0-9'],
    ['bytes=1-3,2-5', '1-5'],
    ['bytes=1-3,99-', '1-3'],
  ]) {
    const a = await ask('/files/digits.txt', { range });
    const [first, last] = want.split('-').map(Number);
    assert.equal(a.status, 206, range);
    assert.equal(a.headers['content-range'], `bytes ${want}/10`);
    assert.equal(a.text, digits.slice(first, last + 1));
    assert.equal(Number(a.headers['content-length']), last + 1 - first);
  }
  const seventeen = Array.from({ length: 17 }, (_, i) => `${2 * i}-${2 * i}`).join();
  for (const range of ['bytes=5-4', 'items=0-1', 'bytes=x', `bytes=${seventeen}`])
    assert.equal((await ask('/files/digits.txt', { range })).status, 200, range);
  const none = await ask('/files/digits.txt', { range: 'bytes=10-' });
  assert.equal(none.status, 416);
  assert.equal(none.headers['content-range'], 'bytes */10');
  const head = await ask('/files/digits.txt', { range: 'bytes=0-1' }, 'HEAD');
  assert.equal(head.status, 200);
  assert.equal(head.headers['content-length'], '10');
});

/** The parts of multipart/byteranges: [Content-Range, bytes]. */
function partsOf({ headers, body }) {
  const boundary = /^multipart\/byteranges; boundary=(\S+)$/.exec(headers['content-type'])[1];
  const pieces = `\r\n${body.toString('latin1')}`.split(`\r\n--${boundary}`);
  assert.equal(pieces.shift(), '');
  assert.equal(pieces.pop(), '--\r\n');
  return pieces.map((piece) => {
    const end = piece.indexOf('\r\n\r\n');
    return [/Content-Range: (.*)$/m.exec(piece.slice(0, end))[1], piece.slice(end + 4)];
  });
}

test('several ranges come as parts, small ones and large ones', async () => {
  const a = await ask('/files/digits.txt', { range: 'bytes=0-1, 4-5,-1' });
  assert.equal(a.status, 206);
  assert.deepEqual(partsOf(a), [['bytes 0-1/10', '01'], ['bytes 4-5/10', '45'], ['bytes 9-9/10', '9']]);
  assert.match(a.text, /Content-Type: text\/plain; charset=utf-8\r\n/);
  const b = await ask('/files/medium.bin', { range: 'bytes=1-100000,200000-200009,0-0' });
  const wanted = (first, last) => medium.subarray(first, last + 1).toString('latin1');
  assert.deepEqual(partsOf(b), [
    ['bytes 0-100000/300000', wanted(0, 100000)],
    ['bytes 200000-200009/300000', wanted(200000, 200009)],
  ]);
});

test('200 ways out of the folder: none leads there', async () => {
  const dots = ['..', '%2e%2e', '%2E.', '.%2e', '%252e%252e', '%c0%ae%c0%ae', '%e0%80%ae%e0%80%ae', '..%00', '..;', '..%5c'];
  const slashes = ['/', '%2f', '%5c', '//', '%252f', '%c0%af'];
  const attempts = [];
  for (const dot of dots)
    for (const slash of slashes)
      for (const start of ['', 'sub/deep/', '.well-known/'])
        for (const depth of [1, 3]) attempts.push(`/files/${start}${`${dot}${slash}`.repeat(depth)}secret`);
  for (const link of ['out', 'outfolder/secret', 'absolute', 'up/secret', 'up/public/digits.txt', 'up', 'outfolder', 'sub/../up/secret'])
    for (const base of ['/files/', '/app/', '/typed/']) attempts.push(base + link);
  for (const hidden of ['.secret', '.git/secret', '%2esecret', '.%67it/secret', './.secret', 'sub/../.secret', '.well-known/../.secret', '.git'])
    attempts.push(`/files/${hidden}`);
  attempts.push(`/files/${app.dir}/secret`, `/files//${app.dir}/secret`, '/files/secret%00.txt', '/files/proc/self/root/etc/passwd', '/robots.txt/../secret');
  assert.ok(attempts.length >= 200, String(attempts.length));
  for (const attempt of attempts) {
    const a = await ask(attempt);
    assert.ok(a.status === 404 || a.status === 400, `${attempt}: ${a.status}`);
    assert.ok(!a.text.includes(SECRET), attempt);
  }
});

test('changes are seen: content at once, names within a second', async () => {
  app.write('public/change.txt', 'one');
  const one = await ask('/files/change.txt');
  assert.equal(one.text, 'one');
  app.write('public/change.txt', 'longer');
  const two = await ask('/files/change.txt');
  assert.equal(two.text, 'longer');
  assert.notEqual(two.headers.etag, one.headers.etag);
  app.write('public/change.new', 'replaced');
  fs.renameSync(path.join(app.dir, 'public/change.new'), path.join(app.dir, 'public/change.txt'));
  await until(async () => (await ask('/files/change.txt')).text === 'replaced');
  fs.unlinkSync(path.join(app.dir, 'public/change.txt'));
  await until(async () => (await ask('/files/change.txt')).status === 404);
});

/** A connection by hand. */
function connect(text) {
  const socket = net.connect(served.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(text);
  return socket;
}

test('pipelined behind a slow handler it keeps its turn', async () => {
  const host = 'Host: a\r\n';
  const socket = connect(`GET /later HTTP/1.1\r\n${host}\r\nGET /files/medium.bin HTTP/1.1\r\n${host}\r\nGET /files/digits.txt HTTP/1.1\r\n${host}Connection: close\r\n\r\n`);
  let got = '';
  for await (const piece of socket.setEncoding('latin1')) got += piece;
  const at = [got.indexOf('\r\n\r\nlater'), got.indexOf(medium.toString('latin1')), got.lastIndexOf(digits)];
  assert.ok(at[0] > 0 && at[0] < at[1] && at[1] < at[2] && got.endsWith(digits), String(at));
});

/** Resident bytes of the engine. */
function resident() {
  const children = fs.readFileSync(`/proc/${served.child.pid}/task/${served.child.pid}/children`, 'utf8').trim().split(' ');
  return Math.max(...children.map((pid) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024));
}

test('1 GiB comes down in less than 30 MB; a reader that stops holds nobody up', async () => {
  const size = 1024 * MIB;
  fs.closeSync(fs.openSync(app.write('public/huge.bin', ''), 'r+'));
  fs.truncateSync(path.join(app.dir, 'public/huge.bin'), size);
  await ask('/files/digits.txt');
  const before = resident();
  const stalled = connect('GET /files/huge.bin HTTP/1.1\r\nHost: a\r\n\r\n').pause();
  let most = before, got = 0;
  await new Promise((resolve, reject) => {
    http.get({ host: '127.0.0.1', port: served.port, path: '/files/huge.bin', agent: false }, (res) => {
      assert.equal(res.headers['content-length'], String(size));
      res.on('data', (d) => {
        got += d.length;
        if (got % (64 * MIB) < d.length) most = Math.max(most, resident());
      });
      res.on('end', resolve).on('error', reject);
    });
  });
  assert.equal(got, size);
  assert.ok(most - before < 30 * MIB, `${((most - before) / MIB).toFixed(1)} MiB more`);
  assert.equal((await ask('/files/digits.txt')).text, digits);
  stalled.destroy();
});

test('a file that shrinks while it is sent ends its connection', async () => {
  const name = path.join(app.dir, 'public/shrinks.bin');
  app.write('public/shrinks.bin', Buffer.alloc(64 * MIB, 'x'));
  const socket = connect('GET /files/shrinks.bin HTTP/1.1\r\nHost: a\r\n\r\n');
  let got = 0;
  await new Promise((resolve) => socket.once('readable', resolve));
  fs.truncateSync(name, 1000);
  await new Promise((resolve) => socket.on('close', resolve).on('data', (d) => (got += d.length)).on('end', () => socket.end()));
  assert.ok(got < 64 * MIB);
  assert.equal((await ask('/files/digits.txt')).status, 200);
  fs.unlinkSync(name);
});

test('a worker that is taken over while it sends a file: the connection ends or goes on, whole or not at all', async () => {
  const socket = connect('GET /files/huge.bin HTTP/1.1\r\nHost: a\r\n\r\n');
  let first = '', got = 0;
  await new Promise((resolve) => socket.once('readable', resolve)); // and is read no further
  const spun = await ask('/spin');
  assert.equal(spun.status, 504);
  await new Promise((resolve) => {
    socket.on('data', (d) => {
      if (got < 200) first += d.toString('latin1', 0, 200);
      got += d.length;
    });
    socket.on('close', resolve).on('end', () => socket.end());
  });
  assert.match(first, /^HTTP\/1\.1 200 OK\r\n/);
  assert.ok(got < 1024 * MIB, 'it was cut');
  await until(async () => (await ask('/files/digits.txt').catch(() => ({}))).text === digits);
});

test('check and serve refuse what is not there, at its place', (t) => {
  for (const [route, says] of [
    ['/a/*p: { static: publik }', /^actix\.yaml:3:20: no folder publik, did you mean public\?$/m],
    ['/a/*p: { static: public/digits.txt }', /^actix\.yaml:3:20: public\/digits\.txt is no folder$/m],
    ['/a: { static: public }', /^actix\.yaml:3:17: public is no file; for a folder the path must end in \*name/m],
    ['/a/*p: { static: public, fallback: no.html }', /^actix\.yaml:3:38: no file public\/no\.html/m],
  ]) {
    const bad = new App(t, { 'actix.yaml': `version: 1\nroutes:\n  ${route}\n`, 'public/digits.txt': '' });
    for (const command of ['check', 'serve']) {
      const { code, stderr } = bad.run(command);
      assert.equal(code, 3, `${command} ${route}: ${stderr}`);
      assert.match(stderr, says);
    }
  }
});

test('routes shows them; reload says what changes, and keeps what it has when a folder is gone', async () => {
  const { routes } = app.json('routes');
  assert.equal(routes.find((r) => r.path === '/files/*path' && r.method === 'GET').handler, 'static public');
  app.write('actix.yaml', manifest.replace('static: public, fallback: index.html', 'static: public, fallback: digits.txt'));
  const changed = app.run('reload');
  assert.equal(changed.code, 0, changed.stderr);
  assert.match(changed.stdout + changed.stderr, /fallback: index\.html -> digits\.txt/);
  assert.equal((await ask('/app/nothing', { accept: 'text/html' })).text, digits);
  app.write('actix.yaml', manifest.replace('static: public, fallback: index.html', 'static: gone'));
  const refused = app.run('reload');
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /no folder gone/);
  assert.equal((await ask('/app/nothing', { accept: 'text/html' })).text, digits);
});
