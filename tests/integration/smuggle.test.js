'use strict';
// Requests that two parsers may read differently, made up at random from a grammar of what is known to divide them, and
// bent byte by byte.  A short strict parser below, written on its own from RFC 9112, says which requests there are; the
// server has to see the very same ones, or refuse and close.  SMUGGLE_SEED and SMUGGLE_ROUNDS ask for other or more.
const assert = require('node:assert/strict');
const net = require('node:net');
const test = require('node:test');
const { App } = require('./serve-app');

const SEED = Number(process.env.SMUGGLE_SEED ?? 1);
const ROUNDS = Number(process.env.SMUGGLE_ROUNDS ?? 3000);
const LIMIT_MS = 20_000 + ROUNDS * 10;
const AT_ONCE = 16;
const LIMITS = { header: 2048, header_count: 20, uri: 512, body: 1024 };

// ---- the reference: all of `text` that is a request, in order, and how it ends

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const VALUE = '[\\t\\x20-\\x7e\\x80-\\xff]*';
const HEAD = new RegExp(`(${TOKEN}) ([^\\0-\\x20\\x7f#]+) HTTP/(\\d)\\.(\\d)\\r\\n((?:${TOKEN}:${VALUE}\\r\\n)*)\\r\\n`, 'y');
const CHUNK = new RegExp(`([0-9A-Fa-f]{1,16})(?:[\\t ]*;${VALUE})?\\r\\n`, 'y');
const TRAILERS = new RegExp(`(?:${TOKEN}:${VALUE}\\r\\n)*\\r\\n`, 'y');
const REG_NAME = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*(?::\d*)?$/;
const HANDLED = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const ELSEWHERE = ['TRACE', 'CONNECT', 'PROPFIND', 'SEARCH', 'PURGE']; // known, and answered 405

class Refused extends Error {}
/** Not whole: whether something is wrong in it already is the server's to say. */
class Cut extends Error {}

const refuseIf = (wrong, why) => {
  if (wrong) throw new Refused(why);
};

/** What `pattern` matches at `at`; if nothing, it is malformed if it has its `end`. */
function take(pattern, text, at, end) {
  pattern.lastIndex = at;
  const match = pattern.exec(text);
  if (match) return match;
  throw text.includes(end, at) ? new Refused(`no match of ${pattern}`) : new Cut();
}

function authorityOk(text) {
  const literal = /^\[([^\]]*)\](?::\d*)?$/.exec(text);
  return literal ? net.isIPv6(literal[1]) && !literal[1].includes('%') : REG_NAME.test(text);
}

function fieldsOf(lines) {
  const all = lines.split('\r\n').slice(0, -1);
  refuseIf(all.length > LIMITS.header_count, 'too many fields');
  const nameOf = (line) => line.slice(0, line.indexOf(':')).toLowerCase();
  // Of a length HT is no part, and not dropped either: stricter than RFC 9110, 5.5, as llhttp is.
  const space = (name) => (name === 'content-length' ? /^[\t ]+| +$/g : /^[\t ]+|[\t ]+$/g);
  return (name) => all.filter((line) => nameOf(line) === name).map((line) => line.slice(line.indexOf(':') + 1).replace(space(name), ''));
}

/** The path of a target; null where there is none. */
function pathOf(method, target) {
  if (method === 'CONNECT') {
    refuseIf(!/.:[^:]/.test(target) || !authorityOk(target), 'CONNECT without host and port');
    return null;
  }
  if (target.startsWith('/')) return target.split('?')[0];
  if (target === '*') return refuseIf(method !== 'OPTIONS', '* without OPTIONS') ?? null;
  const uri = /^https?:\/\/([^/?]*)([^?]*)(\?.*)?$/is.exec(target);
  refuseIf(!uri || /^(:|$)/.test(uri[1]) || !authorityOk(uri[1]), 'no URI of ours');
  if (uri[2] === '' && uri[3] === undefined && method === 'OPTIONS') return null;
  return uri[2] || '/';
}

function pathOk(path) {
  return path.split('/').slice(1).every((segment) => {
    if (/%(?![0-9A-Fa-f]{2})/.test(segment)) return false;
    const decoded = segment.replace(/%(..)/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
    if (decoded === '.' || decoded === '..' || decoded.includes('\0')) return false;
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(decoded, 'latin1'));
      return true;
    } catch {
      return false;
    }
  });
}

function framing(fields, minor) {
  const lengths = fields('content-length');
  const codings = fields('transfer-encoding');
  refuseIf(codings.length > 0 && (minor === 0 || lengths.length > 0 || codings.length > 1 || codings[0].toLowerCase() !== 'chunked'), 'coding');
  refuseIf(lengths.length > 1 || (lengths.length === 1 && !/^\d+$/.test(lengths[0])), 'length');
  refuseIf(BigInt(lengths[0] ?? 0) > 0xffffffffffffffffn, 'length');
  return { chunked: codings.length > 0, length: Number(lengths[0] ?? 0) };
}

function chunkedBody(text, at) {
  let body = '';
  for (;;) {
    const size = take(CHUNK, text, at, '\r\n');
    at += size[0].length;
    const n = parseInt(size[1], 16);
    if (n === 0) break;
    refuseIf(body.length + Math.min(n, text.length - at) > LIMITS.body, 'too large');
    if (text.length - at < n + 2) throw text.length - at > n && text[at + n] !== '\r' ? new Refused('no CR') : new Cut();
    refuseIf(text.slice(at + n, at + n + 2) !== '\r\n', 'data without CRLF');
    body += text.slice(at, at + n);
    at += n + 2;
  }
  return { body, end: at + take(TRAILERS, text, at, '\r\n\r\n')[0].length };
}

/** One request at `at`: { method, target, body, status (200 = a handler's), close, end }. */
function oneRequest(text, at, seen) {
  const head = take(HEAD, text, at, '\r\n\r\n');
  const [all, method, target, major, minorText, lines] = head;
  const minor = Number(minorText);
  refuseIf(all.length > LIMITS.header || target.length > LIMITS.uri || major !== '1' || minor > 1, 'limit or version');
  const fields = fieldsOf(lines);
  refuseIf(!HANDLED.includes(method) && !ELSEWHERE.includes(method), 'method');
  const path = pathOf(method, target);
  const hosts = fields('host');
  refuseIf(hosts.length > 1 || (hosts.length === 0 && minor === 1) || !hosts.every(authorityOk), 'Host');
  const { chunked, length } = framing(fields, minor);
  const expected = fields('expect');
  refuseIf(!expected.every((value) => value.toLowerCase() === '100-continue'), 'Expect');
  const options = fields('connection').flatMap((value) => value.split(',')).map((option) => option.trim().toLowerCase());
  const status = path === null ? (method === 'OPTIONS' ? 204 : 405) : !pathOk(path) ? 400 : HANDLED.includes(method) ? 200 : 405;
  const unasked = status !== 200 && minor === 1 && expected.length > 0 && (chunked || length > 0);
  const close = options.includes('close') || (minor === 0 && !options.includes('keep-alive')) || method === 'CONNECT' || unasked;
  refuseIf(status === 200 && length > LIMITS.body, 'too large'); // of a body that nobody wants as much is read
  const request = { method, target, status, close, body: '' };
  if (status !== 200) seen.push(request); // answered before its body is read
  let end = at + all.length;
  if (unasked) return { ...request, end };
  if (chunked) ({ body: request.body, end } = chunkedBody(text, end));
  else if (text.length - end < length) throw new Cut();
  else request.body = text.slice(end, (end += length));
  if (status === 200) seen.push(request);
  return { ...request, end };
}

function reference(text) {
  const seen = [];
  try {
    for (let at = 0; ; ) {
      while (text.startsWith('\r\n', at)) at += 2;
      if (at === text.length) return { seen, end: 'idle' };
      const { close, end } = oneRequest(text, at, seen);
      if (close) return { seen, end: 'closed' };
      at = end;
    }
  } catch (err) {
    if (err instanceof Refused) return { seen, end: 'refused', why: err.message };
    if (err instanceof Cut) return { seen, end: 'cut' };
    throw err;
  }
}

// ---- what is sent

/** xorshift32 */
function generator(seed) {
  let x = seed | 0 || 1;
  const below = (n) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % n;
  };
  return { calm: false, below, pick: (list) => list[below(list.length)], chance: (percent) => below(1000) < percent * 10 };
}

const SPACES = ['', ' ', '  ', '\t', ' \t', '\r\n ', '\x0b', '\x0c', '\xa0', '\0'];
const CODINGS = ['chunked', 'Chunked', 'CHUNKED', 'chunked, chunked', 'chunked,', ',chunked', 'gzip, chunked', 'chunked, gzip', 'identity', 'identity, chunked', '"chunked"', 'chunked;a=b', 'xchunked', 'chunke', 'chunked\x0b', '\x0cchunked', 'chun\rked', 'chunked\n', ''];
const LENGTHS = ['0', '5', '05', '+5', '-5', '5,5', '5, 5', '0x5', '5e0', '5.0', ' 5', '5 ', '5\x0b', '5 5', '', '1025', '99999999999999999999', '18446744073709551621', '4294967301', '\xb25', '5_0'];
const CODING_NAMES = ['Transfer-Encoding', 'transfer-encoding', 'TRANSFER-ENCODING', 'Transfer-Encoding ', ' Transfer-Encoding', 'Transfer_Encoding', 'Transfer-Encoding\t', 'Transfer-Encoding\0', 'Transfer-Encodin\xe7', 'Transfer Encoding', 'X: y\rTransfer-Encoding', 'X: y\nTransfer-Encoding', 'X-Transfer-Encoding'];
const LENGTH_NAMES = ['Content-Length', 'content-length', 'Content-Length ', ' Content-Length', 'Content_Length', 'Content-Length\x0b', 'Content-\tLength', 'X: y\nContent-Length', 'Content-Lengt', 'Content-Lengthh'];
const HOSTS = ['a', 'a.example:80', '[::1]:80', '', 'a b', 'a, b', 'a/b', 'u@a', '[::1', 'a:b', 'a\\b', '\xfc', 'a%41', 'a%4'];
const CONNECTIONS = ['close', 'keep-alive', 'close, keep-alive', 'Keep-Alive, Close', 'x', ',close', 'Transfer-Encoding', 'Content-Length, Host', 'Upgrade', 'closed', 'close\x0b'];
const TARGETS = ['/', '/a', '/a?b', '/a%2Fb', '/../a', '/%2e%2E', '/a/./b', '/a%', '/%00', '/%ff', '/\xc3\xbc', '//a', '*', 'http://a/b', 'HTTPS://a:1?b', 'http://a', 'http://', 'http://u@a/', 'a', '?a', '/a#b', '/a b', '/\x01', 'a:80', 'http://a\\b/'];
const VERSIONS = ['HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/1.2', 'HTTP/1.01', 'http/1.1', 'HTTP/1', 'HTTP/1.1 ', 'HTTP/ 1.1', ''];
const SIZES = ['5', '05', '5 ', ' 5', '5;a', '5 ;a', '5;a="b"', '0x5', '+5', '-5', '5\t', '5g', '', '10000000000000005', '00000000000000005', 'ffffffffffffffff', '5\r', '5;\n', '5;a\rb', '401'];
const ENDS = ['\r\n', '\n', '\r', '\r\r\n', '\n\r', '\r\n\r\n', ' \r\n', ''];
const NOISE = ['X: y', 'Cookie: a=b; c=d', 'Upgrade: h2c', 'Upgrade: websocket', 'HTTP2-Settings: AAMAAABkAAQ', 'TE: trailers', 'Trailer: Content-Length', 'Max-Forwards: 0', 'X-Forwarded-Host: b', 'Content-Type: text/plain', 'X:', 'X', ': y', 'X : y', '\tfold', 'X: \x01', "!#$%&'*+-.^_`|~: z", 'Expect: 100-continue', 'Expect: tea'];
const INSIDE = ['hello', 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n', '0\r\n\r\n', '\r\n', '5\r\nhello\r\n0\r\n\r\n', ''];
const SPECIAL = ['\r', '\n', '\0', ' ', '\t', ':', ',', ';', '\x0b', '\x0c', '\x7f', '\x80', '\xff', '0', '5', 'a', 'X', '/', '%', '#', '?', '\\', '"', '\r\n', '\r\n\r\n'];

/** Half of the requests have nothing odd: what is behind them is reached. */
const usual = (random, percent, good, odd) => (random.calm || random.chance(percent) ? good : random.pick(odd));

function chunkedText(random) {
  let text = '';
  for (let i = random.below(4); i > 0; i--) {
    const data = random.pick(INSIDE);
    const size = usual(random, 96, data.length.toString(16), SIZES);
    text += `${size}${usual(random, 98, '\r\n', ENDS)}${data}${usual(random, 98, '\r\n', ENDS)}`;
  }
  const trailers = !random.calm && random.chance(20) ? random.pick(['Content-Length: 5\r\n', 'Transfer-Encoding: gzip\r\n', 'A: b\r\n', 'A : b\r\n', 'Host: x\r\n', 'A\r\n', ' A: b\r\n', 'A: b\n', 'GET / HTTP/1.1\r\n']) : '';
  const last = usual(random, 92, '0', ['00', '0;a', '0 ', '', '0 ;a', '-0', '0x0']);
  return `${text}${last}${usual(random, 98, '\r\n', ENDS)}${trailers}${usual(random, 98, '\r\n', ENDS)}`;
}

/** Fields that frame a body, and bytes that would fit one of the ways to read them. */
function framed(random) {
  const lines = [];
  const inside = random.pick(INSIDE);
  const kind = random.below(random.calm ? 9 : 10);
  const coding = () => lines.push(`${usual(random, 95, 'Transfer-Encoding', CODING_NAMES)}:${usual(random, 97, ' ', SPACES)}${usual(random, 93, 'chunked', CODINGS)}${usual(random, 98, '', SPACES)}`);
  const length = () => lines.push(`${usual(random, 95, 'Content-Length', LENGTH_NAMES)}:${usual(random, 97, ' ', SPACES)}${usual(random, 94, String(inside.length), LENGTHS)}`);
  if (kind < 3) return { lines, body: random.calm || random.chance(97) ? '' : inside };
  if (kind < 6) length();
  else if (kind < 9) coding();
  else for (let i = 2 + random.below(2); i > 0; i--) random.pick([coding, length])();
  return { lines, body: kind < 6 || (kind === 9 && random.chance(50)) ? inside : chunkedText(random) };
}

function someRequest(random, n) {
  random.calm = random.chance(50);
  const { lines, body } = framed(random);
  if (random.chance(99)) lines.push(`Host: ${usual(random, 97, 'a', HOSTS)}`);
  if (!random.calm && random.chance(1)) lines.push('Host: b');
  if (random.chance(15)) lines.push(`Connection: ${random.pick(CONNECTIONS)}`);
  for (let i = random.chance(80) ? random.below(3) : 0; i > 0; i--) lines.push(random.calm || random.chance(90) ? 'X: y' : random.pick(NOISE));
  for (let i = lines.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [lines[i], lines[j]] = [lines[j], lines[i]];
  }
  const method = usual(random, 90, lines.length % 2 ? 'POST' : 'GET', ['HEAD', 'PUT', 'OPTIONS', 'TRACE', 'BREW', 'get', 'CONNECT', 'PRI', 'POST\t', 'DELETE']);
  const target = usual(random, 90, `/n${n}`, TARGETS);
  const first = `${method}${usual(random, 99, ' ', SPACES)}${target}${usual(random, 99, ' ', SPACES)}${usual(random, 97, 'HTTP/1.1', VERSIONS)}`;
  const head = [first, ...lines].map((line) => line + usual(random, 99.5, '\r\n', ENDS)).join('');
  return `${!random.calm && random.chance(3) ? random.pick(ENDS) : ''}${head}${usual(random, 98, '\r\n', ENDS)}${body}`;
}

function bend(random, text) {
  const at = random.below(text.length);
  const rest = text.slice(at + random.below(2));
  return text.slice(0, at) + (random.chance(75) ? random.pick(SPECIAL) : '') + rest;
}

function conversation(random) {
  let text = '';
  for (let n = 1 + random.below(4); n > 0; n--) text += someRequest(random, n);
  for (let n = random.chance(30) ? 1 + random.below(2) : 0; n > 0; n--) text = bend(random, text);
  if (random.chance(10)) return text.slice(0, 1 + random.below(text.length)); // it ends anywhere
  return `${text}GET /last HTTP/1.1\r\nHost: a\r\n\r\n`;
}

// ---- what comes back

const echo = `module.exports = (req) => {
  req.addHeader('X-Echo', Buffer.from(JSON.stringify([req.method, req.getUri(), req.getBodyBuffer().toString('latin1')])).toString('base64'));
  return 'seen';
};`;

/** Writes in random pieces, then closes its half; resolves with all that came. */
function talk(port, text, random) {
  const bytes = Buffer.from(text, 'latin1');
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    let got = '';
    socket.setEncoding('latin1').on('data', (data) => (got += data));
    socket.on('end', () => resolve(got)).on('error', (err) => (err.code === 'ECONNRESET' || err.code === 'EPIPE' ? resolve(got) : reject(err)));
    socket.setTimeout(10_000, () => socket.destroy(new Error(`no end: ${JSON.stringify(text)}`)));
    const write = (at) => {
      if (at >= bytes.length || socket.destroyed) return socket.end();
      const n = random.chance(50) ? bytes.length - at : 1 + random.below(bytes.length - at);
      socket.write(bytes.subarray(at, at + n), () => setImmediate(write, at + n));
    };
    socket.on('connect', () => write(0));
  });
}

/** [{ status, close, request }]; of what `seen` asked with HEAD the answer has no body. */
function answersOf(text, seen) {
  const all = [];
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\r\n\r\n', at) + 4;
    assert.ok(end >= 4, 'half a head');
    const head = text.slice(at, end);
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
    at = end;
    if (status === 100) continue;
    assert.match(head, /^Date: /m);
    // Beyond what was seen comes a refusal at most, maybe of HEAD.
    const bodiless = all.length < seen.length ? seen[all.length].method === 'HEAD' : at === text.length;
    const length = bodiless ? 0 : Number(/^Content-Length: (\d+)\r$/m.exec(head)?.[1] ?? 0);
    const told = /^X-Echo: (.*)\r$/m.exec(head);
    all.push({ status, close: /^Connection: close\r$/m.test(head), request: told ? JSON.parse(Buffer.from(told[1], 'base64').toString()) : undefined });
    at += length;
    assert.ok(at <= text.length, 'half a body');
  }
  return all;
}

function check(text, got) {
  const { seen, end } = reference(text);
  const answers = answersOf(got, seen);
  for (const [i, want] of seen.entries()) {
    const answer = answers[i];
    assert.ok(answer, `request ${i} was not answered`);
    assert.equal(answer.status, want.status);
    if (want.status === 200) assert.deepEqual(answer.request, [want.method, want.target, want.body]);
  }
  const more = answers.slice(seen.length);
  assert.ok(more.every((answer) => answer.request === undefined), 'a request that is none');
  assert.ok(more.length <= 1 && more.every((answer) => answer.status >= 400 && answer.close), 'answers that nobody asked for');
  if (end === 'idle' || end === 'closed') assert.equal(more.length, 0, 'refused');
  // Silent where the request that is malformed further on has its answer already.
  if (end === 'refused') assert.ok(more.length === 1 || (seen.length > 0 && seen.at(-1).status !== 200), 'not refused');
  if (end === 'closed') assert.ok(answers.at(-1).close);
  return end;
}

test('the server sees the requests that a strict parser sees, or refuses and closes', async (t) => {
  const limits = `limits: { header: ${LIMITS.header}, header_count: ${LIMITS.header_count}, uri: ${LIMITS.uri}, body: ${LIMITS.body} }`;
  const a = new App(t, { 'actix.yaml': `version: 1\nserver: { workers: 1, listen: "127.0.0.1:0" }\n${limits}\nroutes:\n  /*path: echo.js\n`, 'echo.js': echo });
  const s = await a.serve();
  const until = Date.now() + LIMIT_MS;
  const ends = { idle: 0, closed: 0, refused: 0, cut: 0 };
  let done = 0;
  const one = async (k) => {
    for (let n = k; n < ROUNDS && Date.now() < until; n += AT_ONCE, done++) {
      const random = generator(Math.imul(SEED, 0x9e3779b1) + n);
      const text = conversation(random);
      const got = await talk(s.port, text, random);
      try {
        ends[check(text, got)]++;
      } catch (err) {
        err.message += `\nround ${n} of seed ${SEED}\nsent: ${JSON.stringify(text)}\nreference: ${JSON.stringify(reference(text))}\ncame: ${JSON.stringify(got)}`;
        throw err;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, (_, k) => one(k)));
  t.diagnostic(`${done} conversations: ${JSON.stringify(ends)}`);
  for (const [end, count] of Object.entries(ends)) assert.ok(count > done / 100, `only ${count} of ${done} are ${end}`);
  assert.equal(await s.signal('SIGTERM'), 0);
});
