// Three machines behind HAProxy, each in a network namespace of its own, under load from a fifth: each is upgraded in
// turn, restarted in turn, one is killed, one is cut off.  docs/many-machines.md has the figures of a run.
//
//   ACTIX=FILE ACTIX_NEXT=FILE [SEED=N] node tests/many/run.mjs
//
// ACTIX_NEXT is the build that the upgrade brings; without it the same one takes over from itself.
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BIN } from '../chaos/lib/app.mjs';
import { mix } from '../chaos/lib/mix.mjs';
import { Skip, script } from '../chaos/lib/script.mjs';
import { Balancer } from './balancer.mjs';
import { Lan, lacking } from './lan.mjs';
import { Machine, run } from './machine.mjs';

// The addresses of packaging/haproxy/haproxy.cfg.
const PROXY = '10.20.0.10';
const CLIENT = '10.20.0.20';
const MACHINES = { a: '10.20.0.11', b: '10.20.0.12', c: '10.20.0.13' };
const CLIENTS = 48;
const CALM_MS = 1500; // of load before and after what happens
const ASKED = 30; // answers that tell which code and which build serve
const SHOWN = 5; // failures that are told in full

const NEXT = resolve(process.env.ACTIX_NEXT ?? BIN);
const CLIENT_PROGRAM = new URL('client.mjs', import.meta.url).pathname;

const manifest = JSON.stringify({
  server: { listen: '*:3001', workers: 2, trusted_proxies: [PROXY] },
  timeouts: { lame_duck: '5s' },
  routes: {
    ...mix.ROUTES,
    '/healthz': { health: 'ready' },
    '/code': 'handlers/code.js',
    '/who': 'handlers/who.js',
  },
});

const code = (n) => `module.exports = () => 'code ${n}';\n`;
const WHO = "module.exports = (req) => [req.ip, req.protocol, req.host].join(' ');\n";

class Client {
  constructor(lan) {
    this.lan = lan;
    lan.plug('client', CLIENT);
  }

  #program(...args) {
    return this.lan.on('client', process.execPath, CLIENT_PROGRAM, ...args.map(String));
  }

  /** The different bodies of some answers, each on a connection of its own. */
  async ask(path) {
    const { code: exit, stdout, stderr } = await run(this.#program('ask', PROXY, path, ASKED));
    if (exit !== 0) throw new Error(`the client ended with ${exit}: ${stderr}`);
    return [...new Set(JSON.parse(stdout))].sort().join(', ');
  }

  /** What became of the requests that were sent while `happens` did, and a while before and after. */
  async load(seed, happens) {
    const [program, args] = this.#program('load', PROXY, seed, CLIENTS);
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.on('data', (text) => (said += text));
    const ended = new Promise((done) => child.on('close', done));
    try {
      await sleep(CALM_MS);
      await happens();
      await sleep(CALM_MS);
    } finally {
      child.stdin.end();
      await ended;
    }
    return JSON.parse(said);
  }
}

/** What the balancer has counted since it was last asked; elsewhere(name): answers that broke off on other machines. */
class Counts {
  #before = new Map();

  constructor(balancer) {
    this.balancer = balancer;
  }

  async next() {
    const before = this.#before;
    const now = await this.balancer.servers();
    const more = (name, counter) => Number(now.get(name)[counter]) - Number(before.get(name)?.[counter] ?? 0);
    const sum = (counter, names = [...now.keys()]) => names.reduce((all, name) => all + more(name, counter), 0);
    this.elsewhere = (spared) => sum('eresp', [...now.keys()].filter((name) => name !== spared));
    this.#before = now;
    return `${sum('econ')} connects failed, ${sum('wretr')} tried again, ${sum('wredis')} by another machine`;
  }
}

const ms = (times) => times.map((t) => Math.round(t)).join(', ');
const failed = (done) => (done.bad.length === 0 ? 'none' : String(done.bad.length));
const span = (from, to) => `${Math.round(to - from)} ms`;

async function figures(it, counts, done) {
  it.figure('requests', `${done.sent} (${Math.round(done.answered / done.seconds)}/s, ${done.connects} connections)`);
  it.figure('answered by', Object.entries(done.servers).sort().map(([name, n]) => `${name} ${n}`).join(', '));
  it.figure('the balancer', await counts.next());
  it.figure('slowest request', `${Math.round(done.slowest)} ms`);
  for (const bad of done.bad.slice(0, SHOWN)) console.error(`many: ${JSON.stringify(bad)}`);
}

/** Nothing may have gone wrong. */
async function undisturbed(it, counts, done) {
  await figures(it, counts, done);
  it.equal('failed requests', failed(done), 'none');
  it.equal('answers by status', done.statuses, `200: ${done.sent}`);
  it.equal('refused connects', done.refused, 0);
  it.equal('keep-alive connections closed', done.idle, 'none');
}

/** Each machine in turn gets what `change` gives it and the code of that version, and reloads. */
async function inTurn(it, { machines, balancer, client, counts }, { version, seed, change = () => undefined }) {
  const times = [];
  const exits = [];
  const done = await client.load(seed, async () => {
    for (const machine of machines.values()) {
      change(machine);
      machine.write('handlers/code.js', code(version));
      const since = performance.now();
      const reload = await machine.actix('reload');
      times.push(performance.now() - since);
      exits.push(reload.code === 0 ? 0 : `${reload.code}: ${reload.stderr.trim()}`);
      await balancer.becomes(machine.name, 'UP');
    }
  });
  it.equal('exit codes of reload', exits.join(', '), '0, 0, 0');
  it.figure('time of a reload, ms', ms(times));
  await undisturbed(it, counts, done);
  it.equal('code that serves', await client.ask('/code'), `code ${version}`);
}

async function reloads(it, all) {
  it.heading('each machine in turn: actix reload, with new code');
  await inTurn(it, all, { version: 2, seed: it.seed });
}

async function upgrades(it, all) {
  it.heading('each machine in turn: the next build is installed, actix reload');
  const before = await statuses(all.machines);
  await inTurn(it, all, { version: 3, seed: it.seed + 1, change: (machine) => machine.install(NEXT) });
  const after = await statuses(all.machines);
  it.equal('processes', after.map((one) => one.pid).join(', '), before.map((one) => one.pid).join(', '));
  it.equal('versions that serve', [...new Set(after.map((one) => one.version))].join(', '), await versionOf(NEXT));
}

const statuses = (machines) => Promise.all([...machines.values()].map((machine) => machine.status()));
const versionOf = async (bin) => JSON.parse((await run([bin, ['version', '--json']])).stdout).version;

async function restarts(it, { machines, balancer, client, counts }) {
  it.heading('each machine in turn: stop with lame duck, start');
  const [out, down, back] = [[], [], []];
  const exits = [];
  const done = await client.load(it.seed + 2, async () => {
    for (const machine of machines.values()) {
      const since = performance.now();
      const left = balancer.becomes(machine.name, 'DOWN', since);
      const stop = await machine.actix('stop');
      exits.push(stop.code, await machine.ended);
      out.push(await left);
      down.push(performance.now() - since);
      machine.write('handlers/code.js', code(4));
      const start = performance.now();
      await machine.serve();
      back.push(await balancer.becomes(machine.name, 'UP', start));
    }
  });
  it.equal('exit codes of stop and serve', exits.join(', '), '0, 0, 0, 0, 0, 0');
  it.figure('from stop until the balancer has left, ms', ms(out));
  it.figure('from stop until it has ended, ms', ms(down));
  it.figure('from start until the balancer is back, ms', ms(back));
  await undisturbed(it, counts, done);
  it.equal('code that serves', await client.ask('/code'), 'code 4');
}

async function killed(it, { machines, balancer, client, counts }) {
  it.heading('one machine is killed, and started again');
  const machine = machines.get('b');
  let at, gone, left, start, back;
  const done = await client.load(it.seed + 3, async () => {
    at = Date.now();
    const since = performance.now();
    const leaves = balancer.becomes('b', 'DOWN', since);
    await machine.kill();
    gone = Date.now();
    left = await leaves;
    await sleep(CALM_MS);
    start = performance.now();
    await machine.serve();
    back = await balancer.becomes('b', 'UP', start);
  });
  await figures(it, counts, done);
  it.figure('from the kill until the balancer has left', span(0, left));
  it.figure('from the start until the balancer is back', span(0, back));
  it.figure('failed requests: they were in flight on it', done.bad.length);
  if (done.bad.length) it.figure('last failure, after the kill', span(at, Math.max(...done.bad.map((bad) => bad.until))));
  it.equal('failed ones that were sent when it was gone', done.bad.filter((bad) => bad.since > gone).length, 0);
  it.equal('answers that broke off on other machines', counts.elsewhere('b'), 0);
  it.atMost('failed ones, of that many clients', done.bad.length, CLIENTS);
  it.equal('refused connects', done.refused, 0);
}

async function cutOff(it, { lan, balancer, client, counts }) {
  it.heading('one machine is cut off, and comes back');
  let at, left, gone, back;
  const done = await client.load(it.seed + 4, async () => {
    at = Date.now();
    const since = performance.now();
    lan.cut('c');
    left = await balancer.becomes('c', 'DOWN', since);
    gone = Date.now();
    await sleep(10_000); // until nothing waits for it any more
    const mended = performance.now();
    lan.mend('c');
    back = await balancer.becomes('c', 'UP', mended);
  });
  await figures(it, counts, done);
  it.figure('from the cut until the balancer has left', span(0, left));
  it.figure('from the mending until the balancer is back', span(0, back));
  it.figure('failed requests: they were sent on its connections', done.bad.length);
  if (done.bad.length) it.figure('last failure, after the cut', span(at, Math.max(...done.bad.map((bad) => bad.until))));
  it.equal('failed ones that were sent when the balancer had left', done.bad.filter((bad) => bad.since > gone).length, 0);
  it.equal('answers that broke off on other machines', counts.elsewhere('c'), 0);
  it.equal('requests that were never answered', done.bad.filter((bad) => bad.how === 'hung').length, 0);
  it.equal('refused connects', done.refused, 0);
}

await script('many', async (it, keep) => {
  const why = lacking() || Balancer.lacking();
  if (why) throw new Skip(why);
  it.equal('haproxy -c', Balancer.checked(), '');
  const lan = new Lan();
  const machines = new Map(Object.entries(MACHINES).map(([name, address]) => [name, keep(new Machine(lan, name, address))]));
  for (const machine of machines.values()) {
    for (const [name, text] of Object.entries(mix.FILES)) machine.write(name, text);
    machine.write('actix.yaml', manifest);
    machine.write('handlers/code.js', code(1));
    machine.write('handlers/who.js', WHO);
    machine.install(BIN);
    await machine.serve();
  }
  const balancer = new Balancer(lan, 'proxy', PROXY);
  const client = new Client(lan);
  await balancer.start();
  for (const name of machines.keys()) await balancer.becomes(name, 'UP');
  const all = { lan, machines, balancer, client, counts: new Counts(balancer) };

  it.equal('who the client is', await client.ask('/who'), `${CLIENT} http chaos`);
  await reloads(it, all);
  await upgrades(it, all);
  await restarts(it, all);
  await killed(it, all);
  await cutOff(it, all);
  it.heading('at the end');
  const exits = await Promise.all([...machines.values()].map(async (m) => (m.child.kill('SIGTERM'), m.ended)));
  it.equal('exit codes', exits.join(', '), '0, 0, 0');
});
