'use strict';
// `actix request`: sends one request and tells the time by phase, as the client sees it.  `node ask.js`; what to send is JSON
// on descriptor 3, standard input of the user is descriptor 4, the result as JSON goes to descriptor 5.  Without `json` the
// response is printed while it comes.
const fs = require('node:fs');
const http = require('node:http');
const { performance } = require('node:perf_hooks');

const [SPEC, INPUT, RESULT] = [3, 4, 5];

const spec = JSON.parse(fs.readFileSync(SPEC, 'utf8'));

function bodyOf(data) {
  if (data === undefined) return undefined;
  if (!data.startsWith('@')) return Buffer.from(data);
  return fs.readFileSync(data === '@-' ? INPUT : data.slice(1));
}

function isJson(body) {
  try {
    return typeof JSON.parse(body.toString('utf8')) === 'object';
  } catch {
    return false;
  }
}

/** [name, value, ...] as node:http wants it; what the user says goes before what we would say. */
function headersOf(body) {
  const list = spec.headers.map((line) => {
    const colon = line.indexOf(':');
    if (colon < 1) throw new Error(`a header is 'name: value' (found '${line}')`);
    return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
  });
  const has = (name) => list.some(([given]) => given.toLowerCase() === name);
  if (!has('host')) list.push(['host', spec.host]);
  if (!has('user-agent')) list.push(['user-agent', `actix/${spec.version}`]);
  if (!has('accept')) list.push(['accept', '*/*']);
  if (body !== undefined && !has('content-type')) {
    list.push(['content-type', isJson(body) ? 'application/json' : 'application/x-www-form-urlencoded']);
  }
  if (body !== undefined && !has('content-length') && !has('transfer-encoding')) list.push(['content-length', String(body.length)]);
  return list.flat();
}

function say(object) {
  fs.writeSync(RESULT, JSON.stringify(object));
}

function fail(err) {
  say({ error: err.message });
  process.exitCode = 1;
}

const us = (from, to) => Math.max(0, Math.round((to - from) * 1000));

/** Chunks that are text, as text; else base64. */
function textOf(bytes) {
  const text = bytes.toString('utf8');
  return Buffer.from(text).equals(bytes) ? { body: text } : { body: bytes.toString('base64'), encoding: 'base64' };
}

function color(status) {
  if (!spec.color) return ['', ''];
  return [`\x1b[${[0, 0, 32, 36, 33, 31][Math.floor(status / 100)] ?? 0}m`, '\x1b[0m'];
}

function printHead(res) {
  const [on, off] = color(res.statusCode);
  let out = `HTTP/${res.httpVersion} ${on}${res.statusCode} ${res.statusMessage}${off}\n`;
  for (let i = 0; i < res.rawHeaders.length; i += 2) out += `${res.rawHeaders[i]}: ${res.rawHeaders[i + 1]}\n`;
  process.stdout.write(`${out}\n`);
}

function send() {
  const body = bodyOf(spec.data);
  const at = { begin: performance.now() };
  const req = http.request({ ...spec.to, method: spec.method, path: spec.path, headers: headersOf(body), agent: false });
  req.on('socket', (socket) => socket.once('connect', () => (at.connected = performance.now())));
  req.on('error', fail);
  req.on('response', (res) => receive(res, at));
  req.end(body);
}

function receive(res, at) {
  at.head = performance.now();
  const chunks = [];
  let bytes = 0;
  if (!spec.json) printHead(res);
  res.on('data', (chunk) => {
    bytes += chunk.length;
    if (spec.json) chunks.push(chunk);
    else process.stdout.write(chunk);
  });
  res.on('error', fail);
  res.on('end', () => {
    const end = performance.now();
    const time = { connect: us(at.begin, at.connected), wait: us(at.connected, at.head), receive: us(at.head, end), total: us(at.begin, end) };
    say({ status: res.statusCode, reason: res.statusMessage, headers: pairs(res.rawHeaders), bytes, ...(spec.json ? textOf(Buffer.concat(chunks)) : {}), time_us: time });
  });
}

function pairs(raw) {
  const list = [];
  for (let i = 0; i < raw.length; i += 2) list.push([raw[i], raw[i + 1]]);
  return list;
}

try {
  send();
} catch (err) {
  fail(err);
}
