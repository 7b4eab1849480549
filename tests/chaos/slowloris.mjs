// Thousands of connections that send a head byte by byte: fresh requests are served as before, and each of the slow ones gets 408
// at timeouts.header.
import { setTimeout as sleep } from 'node:timers/promises';
import { start, until } from './lib/app.mjs';
import { mix } from './lib/mix.mjs';
import { resident } from './lib/proc.mjs';
import { script } from './lib/script.mjs';
import { Wire, ask } from './lib/wire.mjs';

const HEADER_MS = 5000; // timeouts.header
const BYTE_MS = 1000; // from one byte to the next
const OPENED_AT_ONCE = 250; // below server.backlog
const LATE_MS = 1500; // that an answer may be late: wheel and a busy machine
const FACTOR = 3; // of the unloaded p99
const HEAD = `GET /echo?id=slow HTTP/1.1\r\nHost: chaos\r\nX-Slow: ${'y'.repeat(200)}`;

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];

/** Fresh connections, one after the other: their latencies in ms, sorted. */
async function fresh(app, n, failures) {
  const ms = [];
  for (let i = 0; i < n; i++) {
    const one = await ask(app.target, `/echo?id=f${i}`);
    if (one.body !== `f${i}`) failures.push(one.how + one.status);
    ms.push(one.ms);
  }
  return ms.sort((a, b) => a - b);
}

/** A connection that sends a byte at a time until it is answered. */
async function slow(app) {
  const wire = new Wire(app.target);
  if (!(await wire.opened)) return { how: 'refused' };
  const request = { method: 'GET', bytes: HEAD[0], check: () => '' };
  const answered = wire.exchange([request]);
  const timer = { at: 1 };
  timer.each = setInterval(() => wire.dead || wire.write(HEAD[timer.at++ % HEAD.length]), BYTE_MS);
  await answered;
  clearInterval(timer.each);
  const left = performance.now();
  const closed = await Promise.race([wire.closed.then(() => true), sleep(10_000, false, { ref: false })]);
  wire.close();
  return { how: request.how, status: request.response?.status, ms: request.ms, closed, closedMs: performance.now() - left };
}

async function openAll(app, n) {
  const all = [];
  while (all.length < n) {
    const some = Array.from({ length: Math.min(OPENED_AT_ONCE, n - all.length) }, () => slow(app));
    all.push(...some);
    await until(async () => (await app.status()).connections >= all.length, 20_000, `${all.length} connections are accepted`);
  }
  return all;
}

await script('slowloris', async (it, keep) => {
  const n = it.size(5000, 300);
  const requests = it.size(1000, 100);
  const manifest = {
    server: { workers: 2, isolation: it.isolation },
    timeouts: { header: `${HEADER_MS}ms` },
    routes: mix.ROUTES,
  };
  const app = keep(await start(manifest, mix.FILES));
  const failures = [];
  await fresh(app, 200, failures); // warm
  const unloaded = await fresh(app, requests, failures);
  const before = resident(app.engines[0]);
  const all = await openAll(app, n);
  const loaded = await fresh(app, requests, failures);
  const held = (await app.status()).connections;
  const memory = resident(app.engines[0]) - before;
  const got = await Promise.all(all);
  await until(async () => (await app.status()).connections === 0, 10_000, 'no connection is left');
  const late = got.map((one) => one.ms ?? 0);

  it.figure('slow connections', n);
  it.figure('of those, open while fresh requests ran', held);
  it.equal('answered 408', got.filter((one) => one.status === 408).length, n);
  it.equal('closed after that', got.filter((one) => one.closed).length, n);
  it.atLeast('earliest 408, ms', Math.min(...late), HEADER_MS - 50);
  it.atMost('latest 408, ms', Math.max(...late), HEADER_MS + it.time(LATE_MS));
  it.equal('failed fresh requests', failures.join(' ') || 'none', 'none');
  for (const q of [0.5, 0.99])
    it.figure(
      `p${q * 100} of fresh requests, ms: unloaded, loaded`,
      `${quantile(unloaded, q).toFixed(2)}, ${quantile(loaded, q).toFixed(2)}`,
    );
  const factor = quantile(loaded, 0.99) / quantile(unloaded, 0.99);
  if (it.generous) it.figure('p99, loaded to unloaded', factor);
  else it.atMost('p99, loaded to unloaded', factor, FACTOR);
  it.figure('memory of a slow connection, bytes', memory / n);
  it.equal('exit code at the end', await app.signal('SIGTERM'), 0);
});
