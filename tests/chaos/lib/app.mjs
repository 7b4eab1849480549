// An app in a folder of its own, served by the real `actix` (ACTIX, else the release build in this tree).
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { alive, children, marked } from './proc.mjs';

export const BIN = resolve(
  process.env.ACTIX ?? join(dirname(fileURLToPath(import.meta.url)), '../../../build/release/bin/actix'),
);
const MARK = 'CHAOS_APP';
const LOOK_MS = 10;

const apps = new Set();

/** Ends what is still running and removes what was made, also when a script fails where nobody expects it. */
export function cleanAll() {
  for (const app of apps) app.clean();
}

process.on('exit', cleanAll);

/** Waits for what no event tells. */
export async function until(what, limitMs = 10_000, name = String(what)) {
  const end = performance.now() + limitMs;
  for (;;) {
    const value = await what();
    if (value) return value;
    if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${name}`);
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
}

// What decides how an app is served comes from the script alone.
function environment(dir, more) {
  const env = { ...process.env };
  for (const name of Object.keys(env))
    if (/^(ACTIX|PORT$|HOST$|NODE_|STATE_DIRECTORY$|RUNTIME_DIRECTORY$|LISTEN_|NOTIFY_SOCKET$)/.test(name)) delete env[name];
  return { ...env, [MARK]: dir, ...more };
}

export class App {
  constructor(manifest, files = {}) {
    this.dir = mkdtempSync(join(tmpdir(), 'actix-chaos-'));
    apps.add(this);
    this.out = '';
    this.err = '';
    this.manifest(manifest);
    for (const [name, text] of Object.entries(files)) this.write(name, text);
  }

  write(name, text) {
    const file = join(this.dir, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  /** JSON is YAML. */
  manifest(value) {
    this.write('actix.yaml', JSON.stringify(value, null, 1));
  }

  /** Resolves when it listens; throws with what it said when it ends before. */
  async serve(args = [], { env = {} } = {}) {
    const from = this.out.length;
    this.args = args;
    this.child = spawn(BIN, ['serve', '--host', '127.0.0.1', '--port', '0', ...args], {
      cwd: this.dir,
      env: environment(this.dir, env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.exit = undefined;
    const { child } = this;
    this.ended = new Promise((done) => child.on('close', (code, signal) => done((this.exit = code ?? signal))));
    await new Promise((ready, fail) => {
      child.on('error', fail);
      child.stderr.on('data', (text) => (this.err += text));
      child.stdout.on('data', (text) => {
        this.out += text;
        const found = /^listening on http:\/\/127\.0\.0\.1:(\d+).*\n/m.exec(this.out.slice(from));
        if (found) ready((this.port = Number(found[1])));
      });
      this.ended.then((code) => fail(new Error(`serve ended with ${code}: ${this.err}`)));
    });
    return this;
  }

  get pid() {
    return this.child.pid;
  }

  get target() {
    return { host: '127.0.0.1', port: this.port };
  }

  /** What the server has logged: its records, oldest first.  What handlers print on stderr is not among them. */
  get log() {
    return this.err.split('\n').flatMap((line) => {
      try {
        return line.startsWith('{') ? [JSON.parse(line)] : [];
      } catch {
        return [];
      }
    });
  }

  /** The engines that run now: processes below the supervisor. */
  get engines() {
    return children(this.pid).filter(alive);
  }

  /** Everything that this app has started and that lives, also what has lost its parent. */
  get processes() {
    return marked(MARK, this.dir);
  }

  signal(name) {
    this.child.kill(name);
    return this.ended;
  }

  /** Runs a command of `actix` on this app to its end. */
  actix(...args) {
    const child = spawn(BIN, args, { cwd: this.dir, env: environment(this.dir, {}), stdio: ['ignore', 'pipe', 'pipe'] });
    const it = { code: null, stdout: '', stderr: '' };
    child.stdout.on('data', (text) => (it.stdout += text));
    child.stderr.on('data', (text) => (it.stderr += text));
    return new Promise((done, fail) => {
      child.on('error', fail);
      child.on('close', (code, signal) => done(Object.assign(it, { code: code ?? signal })));
    });
  }

  async json(...args) {
    const { code, stdout, stderr } = await this.actix(...args, '--json');
    if (code !== 0) throw new Error(`${args.join(' ')}: exit ${code}: ${stderr}`);
    return JSON.parse(stdout);
  }

  /** Also while the manifest is broken: the state is where it is by default. */
  status() {
    return this.json('status', '--state', '.actix');
  }

  stats(...args) {
    return this.json('stats', ...args);
  }

  /** Events of those kinds, oldest first. */
  async events(...kinds) {
    return (await this.stats()).events.filter((event) => !kinds.length || kinds.includes(event.kind));
  }

  clean() {
    apps.delete(this);
    for (const pid of [this.pid, ...this.processes]) if (pid && alive(pid)) process.kill(pid, 'SIGKILL');
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** An app that listens. */
export async function start(manifest, files, { args = [], env = {} } = {}) {
  return new App(manifest, files).serve(args, { env });
}
