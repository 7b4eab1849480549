// world.mjs: where a page's blocks run: a temporary folder, `actix` of the build in PATH, a current folder and an
// environment that go on from block to block, and the server that a block has left running.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

/** The ports that pages name; each run takes free ones in their place. */
const PORTS = ['3001', '3002', '3003'];

const freePort = () =>
  new Promise((resolve, reject) => {
    const server = net.createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(String(port)));
    });
  });

/** What a container's banner adds is the machine's, not the page's. */
const withoutMachine = (text) => text.replace(/ \(and on all other addresses, since this is a container\)/g, '');

/** Does `got` look like `want`? `…` stands for anything, a line of it alone for any lines, white space for white space. */
export function alike(want, got) {
  const shape = (line) => line.trim().split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/\s+/g, '\\s+')).join('.*?');
  const lines = want.split('\n').filter((line) => line.trim() !== '');
  const pattern = lines.map((line) => (line.trim() === '…' ? '(?:.*\\n)*?' : `\\s*${shape(line)}\\s*\\n`)).join('');
  return new RegExp(`^${pattern}\\s*$`).test(`${withoutMachine(got).trim()}\n`);
}

export class World {
  /** @param {{ actix: string, addon: string, ports: Map<string, string> }} options */
  constructor(options) {
    Object.assign(this, options);
    this.servers = [];
    this.root = fs.mkdtempSync(path.join(os.tmpdir(), 'actix-docs-'));
    this.begin();
  }

  static async make(actix) {
    const ports = new Map();
    for (const port of PORTS) ports.set(port, await freePort());
    return new World({ actix, addon: path.resolve(actix, '../../lib/actix/addon'), ports });
  }

  begin() {
    this.dir = fs.mkdtempSync(path.join(this.root, 'page-'));
    this.state = fs.mkdtempSync(path.join(this.root, 'state-'));
    const env = {};
    for (const [name, value] of Object.entries(process.env)) {
      if (!/^(ACTIX|PORT$|HOST$|STATE_DIRECTORY|RUNTIME_DIRECTORY|NODE_OPTIONS|MAKE|NODE_TEST)/.test(name)) env[name] = value;
    }
    this.env = { ...env, PATH: `${path.dirname(this.actix)}:${env.PATH}`, HOME: this.state, NO_COLOR: '1' };
    fs.writeFileSync(`${this.state}/.curlrc`, 'silent\nshow-error\n'); // as on a terminal: no progress for a short answer
    fs.writeFileSync(`${this.state}/cwd`, this.dir);
    fs.writeFileSync(`${this.state}/env`, '');
  }

  /** An empty folder, nothing running. */
  async fresh() {
    await this.stop();
    this.begin();
  }

  get cwd() {
    return fs.readFileSync(`${this.state}/cwd`, 'utf8').trim();
  }

  swap(text) {
    for (const [port, free] of this.ports) text = text.replaceAll(new RegExp(`(?<![\\d.])${port}(?!\\d)`, 'g'), free);
    return text;
  }

  write(file, text) {
    const to = path.join(this.cwd, file);
    fs.mkdirSync(path.dirname(to), { recursive: true });
    fs.writeFileSync(to, this.swap(text));
    return to;
  }

  /** Scaffolded apps listen on the ports that pages name, too. */
  swapFiles(dir = this.dir, depth = 0) {
    for (const entry of fs.readdirSync(dir, { withFileTypes: true })) {
      const file = path.join(dir, entry.name);
      if (entry.isDirectory() && depth < 3 && entry.name !== 'node_modules') this.swapFiles(file, depth + 1);
      if (!entry.isFile() || !/^(.*\.ya?ml|app\.js)$/.test(entry.name)) continue;
      const was = fs.readFileSync(file, 'utf8');
      if (this.swap(was) !== was) fs.writeFileSync(file, this.swap(was));
    }
  }

  script(commands) {
    const file = path.join(this.state, 'block.sh');
    fs.writeFileSync(file, this.swap(commands));
    return `. ${this.state}/env; cd "$(cat ${this.state}/cwd)" || exit 99
trap 'code=$?; export -p > ${this.state}/env; pwd > ${this.state}/cwd; exit $code' EXIT
set -e -o pipefail
. ${file}`;
  }

  /** Runs commands to their end: { code, output } */
  async run(commands, seconds = 60) {
    // A file, not a pipe: what `--daemon` leaves running would keep a pipe open.
    const log = path.join(this.state, 'run');
    const out = fs.openSync(log, 'w');
    const child = spawn('bash', ['-c', this.script(commands)], {
      cwd: this.dir, env: this.env, stdio: ['ignore', out, out], timeout: seconds * 1000, killSignal: 'SIGKILL',
    });
    fs.closeSync(out);
    const code = await new Promise((resolve) => child.once('exit', (status, signal) => resolve(signal ? `killed after ${seconds} s` : status)));
    this.swapFiles();
    return { code, output: fs.readFileSync(log, 'utf8') };
  }

  /** Runs commands whose last one goes on; resolves once it says where it listens: { code: 0, output, server } */
  async serve(commands, ready = /(?:listening on|running at) /, seconds = 60) {
    const log = path.join(this.state, `serve-${this.servers.length}`);
    const out = fs.openSync(log, 'w');
    const child = spawn('bash', ['-c', this.script(commands).replace(/^trap .*$/m, '')], {
      cwd: this.dir, env: this.env, stdio: ['ignore', out, out], detached: true,
    });
    fs.closeSync(out);
    const server = { child };
    this.servers.push(server);
    for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
      const output = fs.readFileSync(log, 'utf8');
      if (typeof ready === 'function' ? await ready() : ready.test(output)) return { code: 0, output, server };
      if (child.exitCode !== null) return { code: child.exitCode || 'ended', output, server };
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return { code: `nothing served after ${seconds} s`, output: fs.readFileSync(log, 'utf8'), server };
  }

  /** Until all of its process group is gone.  A second INT stops at once: nobody waits for a lame duck here. */
  async stopOne({ child }) {
    const signal = (name) => {
      try {
        return process.kill(-child.pid, name);
      } catch {
        return false;
      }
    };
    signal('SIGTERM');
    for (let tick = 1; signal(0); tick++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (tick === 50 || tick === 55) signal('SIGINT');
      if (tick === 750) signal('SIGKILL');
    }
  }

  async stop() {
    for (const server of this.servers.splice(0)) await this.stopOne(server);
    // What was put into the background by `--daemon` answers to its state folder.
    for (const dir of this.states(this.dir)) spawnSync(this.actix, ['stop', '--state', dir], { env: this.env, stdio: 'ignore' });
  }

  states(dir, depth = 0) {
    return fs.readdirSync(dir, { withFileTypes: true }).filter((e) => e.isDirectory()).flatMap((entry) => {
      const file = path.join(dir, entry.name);
      if (fs.existsSync(path.join(file, 'control.sock'))) return [file];
      return depth < 3 && entry.name !== 'node_modules' ? this.states(file, depth + 1) : [];
    });
  }

  async end() {
    await this.stop();
    fs.rmSync(this.root, { recursive: true, force: true });
  }
}
