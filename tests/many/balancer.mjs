// HAProxy with the file of packaging/haproxy, on a machine of its own.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../chaos/lib/app.mjs';

const FILE = new URL('../../packaging/haproxy/haproxy.cfg', import.meta.url);
// What only the test wants: which machine an answer came from, and a Date in HAProxy's own answers, which the reader of
// the load generator insists on.
const SEEN = `    http-after-response set-header X-Served-By %[srv_name]
    http-after-response set-header Date %[date,http_date] unless { res.hdr(date) -m found }
`;

export class Balancer {
  constructor(lan, name, address) {
    this.dir = mkdtempSync(join(tmpdir(), 'actix-many-'));
    this.file = join(this.dir, 'haproxy.cfg');
    this.socket = join(this.dir, 'admin.sock');
    this.err = '';
    this.lan = lan;
    this.name = name;
    lan.plug(name, address);
    process.on('exit', () => this.clean());
    const text = readFileSync(FILE, 'utf8').replaceAll('/run/haproxy/admin.sock', this.socket);
    writeFileSync(this.file, text.replace('    default_backend app\n', `${SEEN}    default_backend app\n`));
  }

  /** Why there can be none, or ''. */
  static lacking() {
    return spawnSync('haproxy', ['-v']).status === 0 ? '' : 'needs haproxy (apt-get install haproxy)';
  }

  /** What `haproxy -c` says of the file as it is shipped; '' when it is clean. */
  static checked() {
    const { status, stdout, stderr } = spawnSync('haproxy', ['-c', '-q', '-f', FILE.pathname], { encoding: 'utf8' });
    return `${stdout}${stderr}`.trim() || (status === 0 ? '' : `exit ${status}`);
  }

  async start() {
    const [program, args] = this.lan.on(this.name, 'haproxy', '-db', '-f', this.file);
    this.child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.child.stderr.on('data', (text) => (this.err += text));
    const ends = new Promise((_, fail) => {
      this.child.on('close', (code) => fail(new Error(`haproxy: exit ${code}: ${this.err}`)));
    });
    await Promise.race([ends, until(() => this.servers().catch(() => undefined), 10_000, 'haproxy answers')]);
    ends.catch(() => undefined); // at the end it is told to
  }

  /** One command on its socket. */
  ask(command) {
    return new Promise((done, fail) => {
      let said = '';
      const socket = net.connect(this.socket, () => socket.write(`${command}\n`));
      socket.on('data', (text) => (said += text));
      socket.on('end', () => done(said));
      socket.on('error', fail);
    });
  }

  /** Name -> the row of `show stat`: status, scur, stot, wretr, wredis, econ, eresp … */
  async servers() {
    const [head, ...lines] = (await this.ask('show stat app 4 -1')).slice(2).trim().split('\n');
    const names = head.split(',');
    const rows = lines.map((line) => Object.fromEntries(line.split(',').map((value, i) => [names[i], value])));
    return new Map(rows.map((row) => [row.svname, row]));
  }

  /** Waits until it says so of the machine; resolves with the milliseconds since `since`. */
  async becomes(name, status, since = performance.now()) {
    const is = async () => (await this.servers()).get(name).status.startsWith(status);
    await until(is, 60_000, `${name} is ${status} for haproxy`);
    return performance.now() - since;
  }

  clean() {
    this.child?.kill('SIGKILL');
    rmSync(this.dir, { recursive: true, force: true });
  }
}
