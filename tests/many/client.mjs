// Runs on the client's machine: load until its standard input ends, then one JSON object on standard output.
//
//   client.mjs load ADDRESS SEED CLIENTS      what became of every request
//   client.mjs ask ADDRESS PATH TIMES         the bodies of so many answers, a connection each
import { Load } from '../chaos/lib/load.mjs';
import { told } from '../chaos/lib/script.mjs';
import { ask } from '../chaos/lib/wire.mjs';

const PORT = 80;
const PAUSE_MS = 60;
const HANG_MS = 60_000; // above any timeout of the balancer

const wall = (since) => performance.timeOrigin + since;

async function load(host, seed, clients) {
  const bad = [];
  const servers = {};
  let slowest = 0;
  const one = ({ since, ms, how, route, why, response }) => {
    slowest = Math.max(slowest, ms);
    const server = response?.headers['x-served-by'] ?? '';
    if (response?.status === 200 && how === 'answered') servers[server] = (servers[server] ?? 0) + 1;
    else bad.push({ since: wall(since), until: wall(since + ms), how, status: response?.status ?? 0, server, route, why });
  };
  const it = new Load({ host, port: PORT }, {
    seed: Number(seed), clients: Number(clients), pauseMs: PAUSE_MS, pipeline: 1, hangMs: HANG_MS, answered: one, lost: one,
  }).start();
  process.stdin.resume();
  await new Promise((done) => process.stdin.on('end', done));
  await it.stop();
  const { sent, answered, connects, refused, seconds } = it;
  const counts = { sent, answered, connects, refused, seconds, statuses: told(it.statuses), idle: told(it.idle) };
  return { ...counts, bad, servers, slowest };
}

async function bodies(host, path, times) {
  const all = [];
  for (let i = 0; i < Number(times); i++) {
    const { status, body } = await ask({ host, port: PORT }, path);
    all.push(status === 200 ? body : `status ${status}`);
  }
  return all;
}

const [what, ...args] = process.argv.slice(2);
process.stdout.write(JSON.stringify(await (what === 'load' ? load : bodies)(...args)));
