// A machine of the network that runs an app with the real `actix`, as an operator would.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
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

export class Machine {
  constructor(lan, name, address) {
    Object.assign(this, { lan, name, address, err: '', out: '' });
    this.dir = mkdtempSync(join(tmpdir(), 'actix-many-'));
    lan.plug(name, address);
    process.on('exit', () => this.clean());
  }

  write(name, text) {
    const file = join(this.dir, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  /** Resolves when it listens; throws with what it said when it ends before. */
  async serve(bin) {
    this.bin = bin;
    const [program, args] = this.lan.on(this.name, bin, 'serve');
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
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }
}
