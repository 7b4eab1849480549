'use strict';
// The same client script against an app on its own server and under actix: what comes back is compared byte for byte, but
// for what belongs to the server.
const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { createHash } = require('node:crypto');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { cleanEnv } = require('./serve-app');

const MOUNTS = path.join(__dirname, 'mounts');
const SERVERS_OWN = new Set(['date', 'connection', 'keep-alive', 'x-request-id']);
const SHOWN = 2000; // bytes; of longer bodies the hash is compared

/** The reason to skip, or false. */
function lacks(...packages) {
  const missing = packages.filter((name) => !fs.existsSync(path.join(__dirname, '../../node_modules', name)));
  return missing.length > 0 && `npm package ${missing.join(', ')} is not installed (make test does that)`;
}

/** An app of `mounts` on its own server, in the environment that `serve` gives it; resolves with the port. */
async function ownServer(t, file, env = {}) {
  const child = spawn(process.execPath, [path.join(MOUNTS, 'own.mjs'), path.join(MOUNTS, file)], {
    env: cleanEnv({ NODE_ENV: 'production', ...env }),
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.after(() => child.kill('SIGKILL'));
  let said = '';
  for await (const text of child.stdout.setEncoding('utf8')) if ((said += text).includes('\n')) return Number(said);
  throw new Error(`${file} does not start`);
}

/** One request: { method, path, headers, body, pieces, gone }.  `pieces` are sent one by one, each after a turn of the loop. */
async function ask(port, agent, { method = 'GET', path: target, headers = {}, body, pieces }) {
  const req = http.request({ port, host: '127.0.0.1', agent, method, path: target, headers: { Host: 'app.example', ...headers } });
  const answered = once(req, 'response'); // maybe before all was sent
  for (const piece of pieces ?? []) {
    req.write(piece);
    await new Promise((done) => setImmediate(done));
  }
  req.end(body);
  const [res] = await answered;
  const parts = [];
  for await (const part of res) parts.push(part);
  const bytes = Buffer.concat(parts);
  return { status: res.statusCode, message: res.statusMessage, headers: fields(res.rawHeaders), body: shown(bytes), trailers: res.rawTrailers };
}

/** `Name: value` lines as they came. */
function fields(raw) {
  const lines = [];
  for (let i = 0; i < raw.length; i += 2) if (!SERVERS_OWN.has(raw[i].toLowerCase())) lines.push(`${raw[i]}: ${raw[i + 1]}`);
  return lines;
}

const shown = (bytes) =>
  bytes.length <= SHOWN ? bytes.toString('latin1') : `${bytes.length} bytes, ${createHash('sha256').update(bytes).digest('hex')}`;

/** `normal` takes out of an answer what is known to differ. */
async function same(asks, ownPort, port, normal = (answer) => answer) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  try {
    for (const one of asks) {
      const own = await ask(ownPort, agent, one);
      const ours = await ask(port, agent, one);
      assert.deepEqual(normal(ours), normal(own), `${one.method ?? 'GET'} ${one.path}`);
    }
  } finally {
    agent.destroy();
  }
}

/** multipart/form-data: [name, value] and [name, filename, type, bytes]. */
function multipart(parts) {
  const boundary = 'a-boundary-of-the-test';
  const list = [];
  for (const [name, ...rest] of parts) {
    const [value, type, bytes] = rest;
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${name}"`;
    if (bytes === undefined) list.push(Buffer.from(`${head}\r\n\r\n${value}\r\n`));
    else list.push(Buffer.from(`${head}; filename="${value}"\r\nContent-Type: ${type}\r\n\r\n`), bytes, Buffer.from('\r\n'));
  }
  list.push(Buffer.from(`--${boundary}--\r\n`));
  const body = Buffer.concat(list);
  return { headers: { 'Content-Type': `multipart/form-data; boundary=${boundary}`, 'Content-Length': body.length }, body };
}

const json = (value) => {
  const body = typeof value === 'string' ? value : JSON.stringify(value);
  return { method: 'POST', headers: { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }, body };
};

module.exports = { MOUNTS, lacks, ownServer, same, ask, multipart, json };
