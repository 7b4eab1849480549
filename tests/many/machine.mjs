// A machine of the network, on which the real `actix` is installed and runs an app, as an operator would have it.
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { until } from '../chaos/lib/app.mjs';
import { alive, marked, tree } from '../chaos/lib/proc.mjs';

const MARK = 'MANY_MACHINE';

/** What decides how an app is served comes from the test alone. */
export function environment(more) {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(ACTIX|PORT$|HOST$|NODE_|STATE_DIRECTORY$|RUNTIME_DIRECTORY$|LISTEN_|NOTIFY_SOCKET$)/.test(name),
  );
  return { ...Object.fromEntries(inherited), ...more };
}

/** Runs it to its end: { code, stdout, stderr }. */
export function run([program, args], options = {}) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const it = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (text) => (it.stdout += text));
  child.stderr.on('data', (text) => (it.stderr += text));
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (code, signal) => done(Object.assign(it, { code: code ?? signal })));
  });
}

/** Each file by a rename over what lies there, as a package manager does it. */
function place(from, to) {
  if (statSync(from).isDirectory()) {
    mkdirSync(to, { recursive: true });
    for (const name of readdirSync(from)) place(join(from, name), join(to, name));
  } else {
    copyFileSync(from, `${to}.new`);
    renameSync(`${to}.new`, to);
  }
}

export class Machine {
  constructor(lan, name, address) {
    Object.assign(this, { lan, name, address, err: '', out: '' });
    this.dir = mkdtempSync(join(tmpdir(), 'actix-many-'));
    this.root = mkdtempSync(join(tmpdir(), 'actix-many-root-'));
    this.bin = join(this.root, 'bin/actix');
    lan.plug(name, address);
    process.on('exit', () => this.clean());
  }

  write(name, text) {
    const file = join(this.dir, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  /** Installs the build that this program is of, over what there is. */
  install(bin) {
    mkdirSync(dirname(this.bin), { recursive: true });
    for (const part of ['bin/actix', 'lib/actix', 'share/actix']) place(resolve(dirname(bin), '..', part), join(this.root, part));
  }

  /** Resolves when it listens; throws with what it said when it ends before. */
  async serve() {
    const [program, args] = this.lan.on(this.name, this.bin, 'serve');
    this.child = spawn(program, args, { ...this.#where, stdio: ['ignore', 'pipe', 'pipe'] });
    const { child } = this;
    this.ended = new Promise((done) => child.on('close', (code, signal) => done(code ?? signal)));
    await new Promise((ready, fail) => {
      let said = '';
      child.on('error', fail);
      child.stderr.on('data', (text) => (this.err += text));
      child.stdout.on('data', (text) => {
        said += text;
        if (/^listening on http/m.test(said)) ready();
      });
      this.ended.then((code) => fail(new Error(`${this.name}: serve ended with ${code}: ${this.err}`)));
    });
  }

  get #where() {
    return { cwd: this.dir, env: environment({ [MARK]: this.dir }) };
  }

  actix(...args) {
    return run(this.lan.on(this.name, this.bin, ...args), this.#where);
  }

  async status() {
    const { code, stdout, stderr } = await this.actix('status', '--json');
    if (code !== 0) throw new Error(`${this.name}: status: exit ${code}: ${stderr}`);
    return JSON.parse(stdout);
  }

  /** The whole of it at once, as when the power fails; resolves when nothing of it is left. */
  async kill() {
    for (const pid of tree(this.child.pid)) process.kill(pid, 'SIGKILL');
    await until(() => marked(MARK, this.dir).length === 0, 10_000, 'the killed processes are gone');
    await this.ended;
  }

  clean() {
    for (const pid of marked(MARK, this.dir)) if (alive(pid)) process.kill(pid, 'SIGKILL');
    for (const dir of [this.dir, this.root]) rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}
