#!/usr/bin/env node
// What an operator does with the package on a machine that systemd runs: installs, enables, deploys, reloads, has it crash,
// upgrades and downgrades it under load, removes and purges it.  Started by packaging/systemd-test.sh in the network of that
// machine; nothing in it is played.
//
//   systemd-test.mjs PID       process 1 of the machine; /root/actix.deb and /root/next.deb are its packages
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { until } from '../tests/chaos/lib/app.mjs';
import { Load } from '../tests/chaos/lib/load.mjs';
import { mix } from '../tests/chaos/lib/mix.mjs';
import { script } from '../tests/chaos/lib/script.mjs';
import { ask } from '../tests/chaos/lib/wire.mjs';

const INIT = Number(process.argv[2]);
const CLIENTS = 64;
const MORE = 2000; // requests between one step and the next
const EXPOSURE = 3.0; // of systemd-analyze security, at most
const LONG = 60_000;
const PORTS = { shop: 3001, threads: 3010, processes: 3011, web: 80 };
const PACKAGES = ['/root/next.deb', '/root/actix.deb'];

const ENVIRONMENT = [
  'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
  'HOME=/root',
  'LC_ALL=C.UTF-8',
  'DEBIAN_FRONTEND=noninteractive',
];

const target = (name) => ({ host: '127.0.0.1', port: PORTS[name] });

/** In the machine: { code, out }. */
function run(...words) {
  const args = ['-t', String(INIT), '-m', '-p', '-n', '-i', '-u', '-C', '--', '/usr/bin/env', '-i', ...ENVIRONMENT, ...words];
  const child = spawn('nsenter', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (out += text));
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (code, signal) => done({ code: code ?? signal, out: out.trim() }));
  });
}

/** What must go well. */
async function does(...words) {
  const { code, out } = await run(...words);
  if (code !== 0) throw new Error(`${words.join(' ')}: exit ${code}: ${out}`);
  return out;
}

const inMachine = (path) => join(`/proc/${INIT}/root`, path);

function write(path, text) {
  mkdirSync(dirname(inMachine(path)), { recursive: true });
  writeFileSync(inMachine(path), text);
  chmodSync(inMachine(path), 0o644);
}

function app(name, manifest, files) {
  write(`/srv/${name}/actix.yaml`, JSON.stringify(manifest));
  for (const [file, text] of Object.entries(files)) write(`/srv/${name}/${file}`, text);
}

const unit = (name) => `actix@${name}.service`;
const journal = async (name, what) =>
  what.test(await does('journalctl', '-q', '-o', 'cat', '-u', unit(name))) ? 'said' : 'nothing';
const show = (name, property) => does('systemctl', 'show', '-P', property, unit(name));
const status = async (name) => JSON.parse(await does('actix', 'status', '--json', '--state', `/var/lib/actix/${name}`));
const counted = async (name) =>
  JSON.parse(await does('actix', 'stats', '--json', '--db', `/var/lib/actix/${name}/metrics.db`)).total.requests;
const get = async (name, path = '/') => {
  const { status: code, how, body } = await ask(target(name), path);
  return code ? `${code} ${body}` : how;
};
const answers = (name) => until(async () => (await get(name)).startsWith('200'), LONG, `${name} answers`);
const restarted = (name, times) =>
  until(async () => Number(await show(name, 'NRestarts')) === times, LONG, `${name} was started again`);

async function boots(it) {
  const state = async () => (await run('systemctl', 'is-system-running', '--wait')).out;
  await until(async () => /^(running|degraded)$/.test(await state()), LONG, 'it has booted');
  it.equal('the machine', await state(), 'running');
  it.figure('systemd', (await does('systemctl', '--version')).split('\n')[0]);
  it.figure('Node', await does('node', '--version'));
}

const SHOP = {
  server: { listen: PORTS.shop, workers: 2 },
  routes: { '/': 'home.js', '/writes': 'writes.js', '/slow': 'slow.js' },
};
const SLOW = "module.exports = () => new Promise((done) => setTimeout(done, 1000, 'slow'));\n";
const HOME = "module.exports = () => 'home';\n";
// What a read-only root and app folder leave: the code of each attempt to write.
const WRITES = `const fs = require('node:fs');
const paths = ['/srv/shop', '/etc', '/usr', '/var/lib', '/home', '/var/lib/actix/shop', '/tmp'];
module.exports = () => paths.map((path) => {
  try {
    fs.writeFileSync(path + '/written', '');
    return 'written';
  } catch (err) {
    return err.code;
  }
}).join(' ');
`;

async function installs(it) {
  it.heading('dpkg -i, actix new, systemctl enable --now');
  await does('dpkg', '-i', '/root/actix.deb');
  const units = ['/lib/systemd/system/actix@.service', '/lib/systemd/system/actix@.socket'];
  const verify = await run('systemd-analyze', 'verify', '--man=no', ...units);
  it.equal('systemd-analyze verify', `${verify.code} ${verify.out}`.trim(), '0');
  await does('actix', 'new', '/srv/shop');
  await does('systemctl', 'enable', '-q', '--now', unit('shop'));
  it.equal('enabled, active', await does('systemctl', 'is-active', unit('shop')), 'active');
  it.equal('the first request', (await get('shop', '/healthz')).slice(0, 3), '200');
  it.equal('its processes are of', await users('shop'), 'actix');
  const security = await run('systemd-analyze', 'security', `--threshold=${EXPOSURE * 10}`, unit('shop'));
  it.figure('systemd-analyze security', security.out.split('\n').at(-1).replace(/^\W*/, ''));
  it.equal(`exit code with the threshold ${EXPOSURE}`, security.code, 0);
  it.figure('what systemctl status says', await show('shop', 'StatusText'));
}

async function users(name) {
  const control = await show(name, 'ControlGroup');
  const script = 'for p in $(cat "/sys/fs/cgroup$1/cgroup.procs"); do stat -c %U "/proc/$p"; done | sort -u';
  const out = await does('sh', '-c', script, 'sh', control);
  return out.split('\n').join(' ');
}

async function deploys(it) {
  it.heading('systemctl reload: new code, a bad manifest, what the app may write');
  const pid = await show('shop', 'MainPID');
  app('shop', SHOP, { 'home.js': HOME, 'writes.js': WRITES, 'slow.js': SLOW });
  it.equal('reload', (await run('systemctl', 'reload', unit('shop'))).code, 0);
  it.equal('the new code', await get('shop'), '200 home');
  it.equal('writes', await get('shop', '/writes'), '200 EROFS EROFS EROFS EROFS EACCES written written');
  write('/srv/shop/actix.yaml', 'nonsense: 1\n');
  const reload = await run('systemctl', 'reload', unit('shop'));
  it.must('reload of a bad manifest', reload.code, 'not 0', reload.code !== 0);
  it.equal('the service behind it', await show('shop', 'ActiveState'), 'active');
  it.equal('what the journal says of it', await journal('shop', /actix\.yaml:1:1: .*nonsense/), 'said');
  it.equal('the old generation goes on', await get('shop'), '200 home');
  it.equal('same process', await show('shop', 'MainPID'), pid);
}

async function fails(it) {
  it.heading('killed, stuck, a manifest that is wrong at the start');
  app('shop', SHOP, {});
  await does('sh', '-c', `kill -KILL ${await show('shop', 'MainPID')}`);
  await restarted('shop', 1);
  await answers('shop');
  it.equal('after kill -9 of its main process', await get('shop'), '200 home');
  write(`/run/systemd/system/${unit('shop')}.d/watchdog.conf`, '[Service]\nWatchdogSec=3\n');
  await does('systemctl', 'daemon-reload');
  await does('systemctl', 'restart', unit('shop'));
  await does('sh', '-c', `kill -STOP ${await show('shop', 'MainPID')}`);
  await restarted('shop', 1);
  await answers('shop');
  it.equal('after the watchdog has found it stopped', await get('shop'), '200 home');
  it.equal('what the journal says of the watchdog', await journal('shop', /watchdog timeout/i), 'said');
  await does('systemctl', 'stop', unit('shop'));
  write('/srv/shop/actix.yaml', 'nonsense: 1\n');
  const begin = await run('systemctl', 'start', unit('shop'));
  it.must('start with a bad manifest', begin.code, 'not 0', begin.code !== 0);
  it.equal('the service behind it', await show('shop', 'ActiveState'), 'failed');
  it.equal('its exit code; started again', `${await show('shop', 'ExecMainStatus')}; ${await show('shop', 'NRestarts')}`, '3; 0');
}

const CAPS = `const { readFileSync } = require('node:fs');
module.exports = () => /CapEff:\\s*(\\S+)/.exec(readFileSync('/proc/self/status', 'latin1'))[1];
`;

async function sockets(it) {
  it.heading('actix@.socket: port 80 without a privilege');
  write(`/run/systemd/system/actix@web.socket.d/port.conf`, `[Socket]\nListenStream=\nListenStream=127.0.0.1:${PORTS.web}\n`);
  app('web', { server: { workers: 1 }, routes: { '/': 'home.js', '/caps': 'caps.js' } }, { 'home.js': HOME, 'caps.js': CAPS });
  await does('systemctl', 'daemon-reload');
  await does('systemctl', 'start', 'actix@web.socket');
  it.equal('the service before a connection', (await run('systemctl', 'is-active', unit('web'))).out, 'inactive');
  it.equal('the first request starts it', await get('web'), '200 home');
  it.equal('its capabilities', await get('web', '/caps'), '200 0000000000000000');
  const asked = [];
  let over = false;
  const asks = (async () => {
    while (!over) asked.push(await get('web'));
  })();
  await does('systemctl', 'restart', unit('web'));
  over = true;
  await asks;
  it.figure('requests while it restarts, each on its own connection', asked.length);
  it.equal('refused', asked.filter((one) => one === 'refused').length, 0);
  it.equal('answered otherwise', asked.filter((one) => /^\d/.test(one) && one !== '200 home').join(', '), '');
  it.equal('closed before their request was read', asked.filter((one) => /^(closed|reset)$/.test(one)).length, 0);
}

const LOADED = ['threads', 'processes'];

/** Beside those under load are one that runs idle and one that has failed: an upgrade has nothing to say of either. */
async function upgrades(it) {
  it.heading(`dpkg -i of the next version, and of the first, under load: ${CLIENTS} kept connections to each of two instances`);
  const manifest = (name, isolation) => ({ server: { listen: PORTS[name], workers: 2, isolation }, routes: mix.ROUTES });
  app('threads', manifest('threads', 'thread'), mix.FILES);
  app('processes', manifest('processes', 'process'), mix.FILES);
  for (const name of LOADED) await does('systemctl', 'start', unit(name));
  const pids = await Promise.all(LOADED.map((name) => show(name, 'MainPID')));
  const loads = LOADED.map((name) => new Load(target(name), { seed: it.seed, clients: CLIENTS }).start());
  const goOn = () => Promise.all(loads.map((load) => load.goesOn(MORE)));
  await goOn();
  const seen = [];
  for (const file of PACKAGES) {
    const { code, out } = await run('dpkg', '-i', file);
    it.must(`dpkg -i ${file}`, code === 0 ? 'exit 0' : out, 'exit 0, no complaint', code === 0 && !/actix:/.test(out));
    const wanted = (await does('dpkg-deb', '-f', file, 'Version')).replace(/-1$/, '');
    for (const name of LOADED) {
      it.equal(`${name}: version that serves`, (await status(name)).version, wanted);
      seen.push(wanted);
    }
    await goOn();
  }
  it.equal('different versions', new Set(seen).size, PACKAGES.length);
  for (const load of loads) await load.stop();
  for (const [i, name] of LOADED.entries()) {
    it.heading(name);
    it.undisturbed(loads[i]);
    it.equal('connections of the load', loads[i].connects, CLIENTS);
    it.equal('same main process', await show(name, 'MainPID'), pids[i]);
    it.equal('times that systemd has started it again', await show(name, 'NRestarts'), '0');
    await until(async () => (await counted(name)) === loads[i].answered, 10_000, 'all are counted').catch(() => undefined);
    it.equal('counted in the database', await counted(name), loads[i].answered);
  }
}

async function ends(it) {
  it.heading('systemctl stop with a request in progress; remove; purge');
  app('shop', SHOP, {});
  await does('systemctl', 'reset-failed', unit('shop'));
  await does('systemctl', 'start', unit('shop'));
  const slow = get('shop', '/slow');
  await until(async () => (await status('shop')).workers.some((one) => one.inflight > 0), 10_000, 'the slow request runs');
  await does('systemctl', 'stop', unit('shop'));
  it.equal('the request', await slow, '200 slow');
  it.equal('Result, exit code', `${await show('shop', 'Result')}, ${await show('shop', 'ExecMainStatus')}`, 'success, 0');
  await does('apt-get', 'remove', '-y', '-q', 'actix');
  const units = await does('systemctl', 'list-units', '--no-legend', '--plain', '--state=active,failed', 'actix@*');
  it.equal('active units after the removal', units, '');
  it.equal('database after the removal', (await run('test', '-f', '/var/lib/actix/threads/metrics.db')).code, 0);
  await does('apt-get', 'purge', '-y', '-q', 'actix');
  const folders = '/var/lib/actix /run/actix /etc/actix /usr/lib/actix /usr/share/actix /etc/logrotate.d/actix';
  const left = await run('sh', '-c', `(ls -d ${folders}; getent passwd actix; getent group actix) 2> /dev/null`);
  it.equal('left after the purge', left.out, '');
}

await script('systemd', async (it) => {
  if (!readFileSync(`/proc/${INIT}/comm`, 'latin1').startsWith('systemd')) throw new Error(`${INIT} is no systemd`);
  await boots(it);
  await installs(it);
  await deploys(it);
  await fails(it);
  await sockets(it);
  await upgrades(it);
  await ends(it);
});
