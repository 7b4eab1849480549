'use strict';
// An app in a temporary folder, served by the real `actix` (ACTIX, else the release build in this tree).
const { execFileSync, spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');

const BIN = process.env.ACTIX ?? path.join(__dirname, '../../build/release/bin/actix');

const sanitized = JSON.parse(execFileSync(BIN, ['version', '--json'], { encoding: 'utf8' })).build.kind === 'asan';
/** A plain Node does not load the address sanitizer by itself; what Node leaks at its end is not ours. */
const sanitizer = sanitized
  ? { LD_PRELOAD: execFileSync('gcc', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim(), ASAN_OPTIONS: 'detect_leaks=0' }
  : {};

// What decides how an app is served must come from the test alone.
function cleanEnv(more) {
  const env = { ...process.env };
  for (const name of Object.keys(env))
    if (/^(ACTIX_|PORT$|HOST$|NODE_|STATE_DIRECTORY$|RUNTIME_DIRECTORY$|LISTEN_|NOTIFY_SOCKET$|WATCHDOG_)/.test(name)) delete env[name];
  return { ...env, ...sanitizer, ...more };
}

class App {
  constructor(t, files) {
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'actix-it-'));
    this.running = new Set();
    for (const [name, text] of Object.entries(files)) this.write(name, text);
    t.after(() => this.clean());
  }

  write(name, text) {
    const file = path.join(this.dir, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
    return file;
  }

  read(name) {
    return fs.readFileSync(path.join(this.dir, name), 'utf8');
  }

  /** Runs a command to its end. */
  run(...args) {
    return this.runWith({}, ...args);
  }

  runWith(env, ...args) {
    const { status, stdout, stderr } = spawnSync(BIN, args, { cwd: this.dir, env: cleanEnv(env), encoding: 'utf8', timeout: 60_000 });
    return { code: status, stdout, stderr };
  }

  /** Serves; resolves when it is ready, rejects with what it said when it ends before. */
  serve(...args) {
    return this.serveWith({}, ...args);
  }

  serveWith(env, ...args) {
    return this.spawn(env, BIN, 'serve', ...args);
  }

  async spawn(env, file, ...args) {
    const s = new Served(spawn(file, args, { cwd: this.dir, env: cleanEnv(env), stdio: ['ignore', 'pipe', 'pipe'] }));
    this.running.add(s);
    await s.ready;
    return s;
  }

  json(...args) {
    const { code, stdout, stderr } = this.run(...args, '--json');
    if (code !== 0) throw new Error(`${args.join(' ')}: exit ${code}: ${stderr}`);
    return JSON.parse(stdout);
  }

  async clean() {
    for (const s of this.running) {
      s.child.kill('SIGKILL');
      await s.ended;
    }
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

class Served {
  constructor(child) {
    this.child = child;
    this.stdout = '';
    this.stderr = '';
    this.urls = [];
    const { promise, resolve, reject } = Promise.withResolvers?.() ?? resolvers();
    this.ready = promise;
    this.ended = new Promise((done) => child.on('close', (code, signal) => done(code ?? signal)));
    this.ended.then((code) => reject(Object.assign(new Error(`ended with ${code}: ${this.stderr}`), { code, stderr: this.stderr })));
    child.stderr.on('data', (data) => (this.stderr += data));
    child.stdout.on('data', (data) => {
      this.stdout += data;
      this.urls = [...this.stdout.matchAll(/^listening on (\S+)/gm)].map((m) => m[1]);
      if (this.urls.length && this.stdout.endsWith('\n')) resolve();
    });
    this.ready.catch(() => undefined);
  }

  get url() {
    return this.urls[0];
  }

  get port() {
    return Number(new URL(this.url).port);
  }

  signal(name) {
    this.child.kill(name);
    return this.ended;
  }
}

function resolvers() {
  const r = {};
  r.promise = new Promise((resolve, reject) => Object.assign(r, { resolve, reject }));
  return r;
}

/** One request on a connection of its own; `target` is a URL or { socketPath, path }. */
function get(target) {
  return new Promise((resolve, reject) => {
    const url = typeof target === 'string' ? new URL(target) : {};
    const options = url.host ? { host: url.hostname.replace(/[[\]]/g, ''), port: url.port, path: url.pathname + url.search } : target;
    const req = http.request({ host: '127.0.0.1', ...options, agent: false }, (res) => {
      let body = '';
      res.setEncoding('utf8');
      res.on('data', (text) => (body += text));
      res.on('error', reject);
      res.on('end', () => resolve({ status: res.statusCode, body, headers: res.headers }));
    });
    req.on('error', reject);
    req.end();
  });
}

const alive = (pid) => {
  try {
    // a zombie is no living process
    return !/^\d+ \(.*\) Z/s.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

/** Waits for what cannot be told by an event, a look every few milliseconds. */
async function until(what, limitMs = 10_000) {
  const end = Date.now() + limitMs;
  for (;;) {
    const value = await what();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((r) => setTimeout(r, 10));
  }
}

/** What `read` tells once it has told the same, and something, for so many times in a row.  Each time asks the server: its
 *  loop has turned in between, so whoever could have gone on has had as many chances. */
async function settled(read, times = 50, limitMs = 20_000) {
  let [before, same] = [undefined, 0];
  await until(async () => {
    const now = await read();
    same = now > 0 && now === before ? same + 1 : 0;
    before = now;
    return same === times;
  }, limitMs);
  return before;
}

module.exports = { App, BIN, alive, cleanEnv, get, sanitized, sanitizer, settled, until };
