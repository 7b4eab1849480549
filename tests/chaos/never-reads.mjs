// Clients that send requests and never read an answer: what the server holds for them stays below its ceiling, others are served
// meanwhile, and timeouts.send ends their connections.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { start, until } from './lib/app.mjs';
import { Load } from './lib/load.mjs';
import { mix } from './lib/mix.mjs';
import { resident } from './lib/proc.mjs';
import { script } from './lib/script.mjs';
import { Wire } from './lib/wire.mjs';

const SEND_MS = 4000; // timeouts.send
const OUTPUT = 64 * 1024; // limits.output
const ANSWER = 32 * 1024; // bytes of an answer
const OTHERS = 1024 + 64 * 2048; // the connection, and limits.pipeline request slots (docs/manifest.md)
const SLACK = 32 * 1024 * 1024; // Node's own heap: garbage of the answers made
const REQUESTS = 400; // asked for by each: 12 MiB that no kernel buffer holds
const LOOK_MS = 50;
const CLOSE_WAIT = '08'; // the server's FIN has come, and counts as a byte

const FLOOD = `const text = 'f'.repeat(${ANSWER});
module.exports = () => text;\n`;

class Watch {
  constructor(app) {
    this.highest = 0;
    this.timer = setInterval(
      () =>
        (this.highest = Math.max(
          this.highest,
          app.engines.reduce((sum, pid) => sum + resident(pid), 0),
        )),
      LOOK_MS,
    );
  }

  stop() {
    clearInterval(this.timer);
    return this.highest;
  }
}

/** Bytes that wait in the kernel for those clients (proc(5), /proc/net/tcp): they grow as long as the server can send. */
function unread({ port }) {
  const server = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  let sum = 0;
  for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n')) {
    const [, , remote, state, queues] = line.trim().split(/\s+/);
    if (remote?.endsWith(server)) sum += Number.parseInt(queues.split(':')[1], 16) - (state === CLOSE_WAIT);
  }
  return sum;
}

async function flood(app, n) {
  const bytes = 'GET /flood HTTP/1.1\r\nHost: chaos\r\n\r\n'.repeat(REQUESTS);
  const wires = Array.from({ length: n }, () => new Wire(app.target, { pause: true }));
  for (const wire of wires) if (await wire.opened) wire.write(bytes);
  return wires;
}

await script('never-reads', async (it, keep) => {
  const n = it.size(1000, 100);
  const manifest = {
    server: { workers: 2, isolation: it.isolation },
    // What they ask for may not use up the requests in progress: that limit is another matter.
    limits: { output: OUTPUT, inflight: 1000000 },
    timeouts: { send: `${SEND_MS}ms`, handler: '60s' },
    routes: { ...mix.ROUTES, '/flood': 'handlers/flood.js' },
  };
  const app = keep(await start(manifest, { ...mix.FILES, 'handlers/flood.js': FLOOD }));
  const load = new Load(app.target, { seed: it.seed, clients: 16 }).start();
  await sleep(it.size(3000, 500)); // the others' share of memory is there before
  const watch = new Watch(app);
  await sleep(2 * LOOK_MS);
  const before = watch.highest;
  const since = performance.now();
  const wires = await flood(app, n);
  let [last, most] = [since, 0]; // when the last byte went to one of them: what counts is progress, and the kernel still makes some
  const gone = async () => {
    const bytes = unread(app.target);
    if (bytes > most) [last, most] = [performance.now(), bytes];
    return (await app.status()).connections <= load.connections;
  };
  await until(gone, SEND_MS * 10, 'their connections are closed');
  const closed = performance.now() - since;
  await load.stop();
  const highest = watch.stop();
  for (const wire of wires) wire.resume();
  const ends = await Promise.race([Promise.all(wires.map((wire) => wire.closed)).then(() => n), sleep(10_000, 'not all')]);
  const ceiling = before + n * (OUTPUT + ANSWER + OTHERS) + SLACK;

  it.figure('clients that never read', n);
  it.figure('bytes that they asked for', n * REQUESTS * ANSWER);
  it.figure('memory before, bytes', before);
  it.atMost('highest memory, bytes', highest, ceiling);
  it.figure('of that, for each client', (highest - before) / n);
  it.atLeast('closed after, ms', closed, SEND_MS);
  it.figure('bytes in the kernel for them', most);
  it.atMost('the last one after the last byte to any, ms', since + closed - last, SEND_MS + it.time(3000));
  it.equal('clients that saw the end', ends, n);
  it.undisturbed(load, 'others: ');
  it.equal('exit code at the end', await app.signal('SIGTERM'), 0);
});
