// static.mjs: a file of 10 KB from `static` against nginx, with sendfile on and off, in one run: requests per second with 64
// keep-alive connections, and CPU time of the serving process per request, which a busy machine changes least.
//
//     node bench/static.mjs [ROUNDS [SECONDS]]      ACTIX names the program; needs nginx and wrk (apt-get)
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const [rounds = '5', seconds = '3'] = process.argv.slice(2);
const actix = path.resolve(process.env.ACTIX ?? path.join(import.meta.dirname ?? '.', '../build/release/bin/actix'));
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'actix-static-'));
const CONNECTIONS = 64;
const TICK_US = 1e6 / Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout);

fs.mkdirSync(path.join(dir, 'public'));
fs.chmodSync(dir, 0o755);
fs.writeFileSync(path.join(dir, 'public/10k.html'), 'x'.repeat(10240));
fs.writeFileSync(path.join(dir, 'actix.yaml'), 'version: 1\nserver: { listen: "127.0.0.1:0", workers: 1 }\nroutes:\n  /*path: { static: public }\n');
const nginxConf = (socket, sendfile) => `worker_processes 1; pid ${dir}/${sendfile}.pid; error_log ${dir}/${sendfile}.log; daemon off;
${process.getuid() === 0 ? 'user root;' : ''}
events { worker_connections 1024; }
http { access_log off; include /etc/nginx/mime.types; keepalive_requests 1000000000;
  server { listen 127.0.0.1:${socket}; root ${dir}/public; sendfile ${sendfile}; tcp_nopush on; } }\n`;

const running = [];
function start(file, args) {
  const child = spawn(file, args, { cwd: dir, stdio: ['ignore', 'pipe', 'inherit'] });
  running.push(child);
  return child;
}

async function until(what) {
  for (;;) {
    const value = await what();
    if (value) return value;
    await new Promise((r) => setTimeout(r, 20));
  }
}

/** The child that serves: the engine, nginx's worker. */
const childOf = (pid) => until(() => Number(fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]));
const freePort = () =>
  new Promise((resolve) => {
    import('node:net').then(({ createServer }) => {
      const s = createServer().listen(0, '127.0.0.1', () => {
        const { port } = s.address();
        s.close(() => resolve(port));
      });
    });
  });
const answers = (url) => fetch(url).then((r) => r.arrayBuffer()).then((b) => b.byteLength === 10240, () => false);

async function actixServer() {
  const child = start(actix, ['serve']);
  let out = '';
  child.stdout.on('data', (d) => (out += d));
  const url = await until(() => /listening on (\S+)/.exec(out)?.[1]);
  return { name: 'actix', url: `${url}/10k.html`, pid: await childOf(child.pid) };
}

async function nginxServer(sendfile) {
  const port = await freePort();
  fs.writeFileSync(path.join(dir, `${sendfile}.conf`), nginxConf(port, sendfile));
  const child = start('nginx', ['-c', path.join(dir, `${sendfile}.conf`)]);
  const url = `http://127.0.0.1:${port}/10k.html`;
  await until(() => answers(url));
  return { name: `nginx, sendfile ${sendfile}`, url, pid: await childOf(child.pid) };
}

const cpuTicks = (pid) => {
  const f = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
  return Number(f[11]) + Number(f[12]);
};

function measure({ url, pid }) {
  const before = cpuTicks(pid);
  const { stdout } = spawnSync('wrk', ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, url], { encoding: 'utf8' });
  const requests = Number(/(\d+) requests in/.exec(stdout)[1]);
  return { rps: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)[1]), us: ((cpuTicks(pid) - before) * TICK_US) / requests };
}

const median = (v) => v.sort((a, b) => a - b)[Math.floor(v.length / 2)];
try {
  const servers = [await actixServer(), await nginxServer('on'), await nginxServer('off')];
  const got = servers.map(() => []);
  for (let i = 0; i < Number(rounds); i++) servers.forEach((s, k) => got[k].push(measure(s)));
  console.log('| server | requests/s | µs of CPU a request |\n|---|---|---|');
  servers.forEach(({ name }, k) => {
    const rps = Math.round(median(got[k].map((g) => g.rps))).toLocaleString('en-US');
    console.log(`| ${name} | ${rps} | ${median(got[k].map((g) => g.us)).toFixed(1)} |`);
  });
} finally {
  for (const child of running) child.kill('SIGTERM');
  await Promise.all(running.map((child) => (child.exitCode === null ? new Promise((r) => child.on('exit', r)) : undefined)));
  fs.rmSync(dir, { recursive: true, force: true });
}
