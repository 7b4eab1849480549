// What JavaScript people already write, and files: each way to answer beside what it is held against, on this server or on
// its own.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CASES, answers } from '../cases.mjs';
import { setUp } from '../install.mjs';
import { actix, nginx, node } from '../peers.mjs';
import { stop, temporary } from '../process.mjs';
import { interleave, paired, summarizeAll } from '../rounds.mjs';
import { serve } from '../server.mjs';
import { figure, rounded } from '../stats.mjs';
import { markdownTable } from '../table.mjs';

export const title = 'Handlers of other kinds, and files';

const FILE_BYTES = 10_240;
const REQUESTS = ['get', 'json', 'post', 'param'];
const FILE = {
  name: 'file',
  title: 'GET, 10 KB',
  method: 'GET',
  path: '/10k.html',
  right: (a) => a.status === 200 && /^text\/html/.test(a.type) && a.body.length === FILE_BYTES,
};

/** A folder with the file, and a manifest beside it. */
function files() {
  const dir = temporary('static');
  mkdirSync(join(dir, 'public'));
  writeFileSync(join(dir, 'public', FILE.path), 'x'.repeat(FILE_BYTES));
  writeFileSync(join(dir, 'actix.yaml'), 'version: 1\nroutes:\n  /*path: { static: public }\n');
  return dir;
}

/** Servers of an app from bench/peers: on its own, and as it is here. */
const app = (name, base, own) => ({
  [base]: async (ctx) => node(await setUp.npm(ctx, name)),
  [own]: async (ctx) => actix(ctx, [join(await setUp.npm(ctx, name), 'actix.yaml')]),
});

/** servers: the first is what the others are held against, the second what has a target. */
const PAIRS = {
  fetch: {
    cases: ['get'],
    servers: () => ({
      'actix, handler': async (ctx) => actix(ctx, ['bench/app/actix.yaml']),
      'actix, fetch module': async (ctx) => actix(ctx, ['bench/app/fetch.yaml']),
    }),
  },
  hono: { cases: REQUESTS, servers: () => app('hono', 'Hono, @hono/node-server', 'Hono, actix') },
  express: { cases: REQUESTS, servers: () => app('express', 'Express, listen()', 'Express, actix `{ node }`') },
  static: {
    cases: [FILE],
    servers() {
      const dir = files();
      const values = (SENDFILE) => ({ ROOT: join(dir, 'public'), SENDFILE });
      return {
        'nginx, sendfile on': (ctx) => nginx(ctx, 'static.conf', values('on')),
        'actix, `static`': async (ctx) => actix(ctx, [join(dir, 'actix.yaml')]),
        'nginx, sendfile off': (ctx) => nginx(ctx, 'static.conf', values('off')),
      };
    },
  },
};

const titleOf = (name) => (CASES[name] ?? FILE).title;

/** Starts all servers of a pair into `contenders` and looks at their answers: without one there is nothing to compare. */
async function start(ctx, { cases, servers }, contenders) {
  for (const [name, spec] of Object.entries(servers())) {
    const server = await serve(await spec(ctx), { cpus: ctx.serverCpus });
    contenders.push({ name, server });
    for (const it of cases)
      if (!(await answers(server.port, it))) throw new Error(`${name} does not answer ${(CASES[it] ?? it).title} as it must`);
  }
}

async function compare(ctx, cases, contenders, { rounds, seconds, connections }) {
  const [base, own] = contenders.map(({ name }) => name);
  const rows = [];
  for (const name of cases) {
    const runs = await interleave(ctx, contenders, name, { rounds, seconds, connections, warmup: Math.min(1, seconds) });
    const to = (s, field) => rounded(paired(runs, s.peer, base, field), 3);
    rows.push(...summarizeAll(runs).map((s) => ({ ...s, rps_ratio: to(s, 'rps'), cpu_ratio: to(s, 'cpu_us') })));
  }
  return { all: rows, judged: rows.filter((s) => s.peer === own) };
}

async function pair(ctx, it, options) {
  const contenders = [];
  try {
    await start(ctx, it, contenders);
    return await compare(ctx, it.cases, contenders, options);
  } finally {
    await Promise.all(contenders.map(({ server }) => stop(server))); // it must not run beside the next
  }
}

/** { rows, and of each pair the rows of what has a target }; a pair that fails is said and leaves the others alone. */
export async function measure(ctx, options) {
  const result = { rows: [] };
  for (const [name, it] of Object.entries(PAIRS)) {
    try {
      const { all, judged } = await pair(ctx, it, options);
      result.rows.push(...all);
      result[name] = judged;
    } catch (err) {
      ctx.problem(`${title}, ${name}: ${err.message}`);
    }
  }
  if (!result.rows.length) throw new Error('nothing could be measured');
  return result;
}

export function describe({ rows }) {
  const cells = rows.map((s) => [
    s.peer,
    titleOf(s.case),
    figure(s.rps.median) + (s.client_bound ? '†' : ''),
    figure(s.rps_ratio, 2),
    figure(s.p50.median),
    figure(s.p99.median),
    figure(s.cpu_us.median, 2),
    figure(s.cpu_ratio, 2),
    figure(s.errors + s.non2xx),
  ]);
  const table = markdownTable(['server', 'request', 'requests/s', '×', 'p50 µs', 'p99 µs', 'CPU µs', '×', 'errors'], cells);
  return rows.some((s) => s.client_bound) ? `${table}\n\n† the load generator was out of CPU: the server can do more.` : table;
}
