// The servers side by side: how each is set up, started and named.  All answer the requests of cases.mjs.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { nginxProgram, setUp } from './install.mjs';
import { freePort, run, temporary } from './process.mjs';

/** What an actix of this tree is started with; `files` are laid over each other, `out` is the tree it was built into. */
export function actix(ctx, files, { workers = 1, out = ctx.out, state = temporary('state') } = {}) {
  const manifests = files.flatMap((file) => ['-c', resolve(ctx.root, file)]);
  const command = [resolve(ctx.root, out, 'bin/actix'), 'serve', ...manifests, '--host', '127.0.0.1', '--port', '0'];
  return { command: [...command, '--workers', String(workers), '--state', state], announces: true, state };
}

/** A manifest to lay over another one. */
export function overlay(name, text) {
  const file = join(temporary('manifest'), `${name}.yaml`);
  writeFileSync(file, `version: 1\n${text}\n`);
  return file;
}

export const node = (dir) => ({ command: [process.execPath, join(dir, 'server.js'), '0'], cwd: dir, announces: true });

/** nginx with a file of bench/peers/nginx, in which @NAMES@ are filled in. */
export async function nginx(ctx, conf, values = {}) {
  const dir = await setUp.nginx(ctx, 'nginx');
  const home = temporary('nginx');
  const port = await freePort();
  const all = { PORT: port, DIR: home, ...values };
  const text = readFileSync(join(dir, conf), 'utf8').replace(/@([A-Z]+)@/g, (whole, name) => all[name] ?? whole);
  const user = process.getuid() === 0 ? 'user root;\n' : '';
  writeFileSync(join(home, 'nginx.conf'), user + text);
  return { command: [await nginxProgram(), '-e', 'stderr', '-c', join(home, 'nginx.conf')], cwd: dir, port };
}

export const nginxVersion = async () =>
  /nginx\/(\S+)/.exec(await run(['sh', '-c', '"$1" -v 2>&1', 'sh', await nginxProgram()]))?.[1];

export function version(dir) {
  const { dependencies } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));
  return Object.values(dependencies)[0];
}

function tool(ctx, path) {
  const file = resolve(ctx.root, ctx.out, 'bench', path);
  if (!existsSync(file)) throw new Error(`${file} is not built (make bench-tools)`);
  return file;
}

/** kind: own (this project), js (JavaScript handlers), native (none), scale (what the measured are held against). */
export const PEERS = {
  yardstick: {
    title: 'yardstick',
    kind: 'scale',
    start: async (ctx) => ({ command: [process.execPath, tool(ctx, 'yardstick/server.js'), '0', 'sync'], announces: true }),
    version: () => '',
  },
  actix: {
    title: 'actix, modules',
    kind: 'own',
    start: async (ctx) => actix(ctx, ['bench/app/actix.yaml']),
    version: (ctx) => ctx.version,
  },
  'actix-callbacks': {
    title: 'actix, callbacks',
    kind: 'own',
    start: async (ctx) => actix(ctx, ['bench/app/callbacks.yaml']),
    version: (ctx) => ctx.version,
  },
  'actix-pgo': {
    title: 'actix, modules, make pgo',
    kind: 'own',
    async start(ctx) {
      if (!existsSync(resolve(ctx.root, 'build/pgo/bin/actix'))) throw new Error('build/pgo is not built (make pgo)');
      return actix(ctx, ['bench/app/actix.yaml'], { out: 'build/pgo' });
    },
    version: (ctx) => ctx.version,
  },
  uws: {
    title: 'uWebSockets.js',
    kind: 'js',
    start: async (ctx) => node(await setUp.uws(ctx, 'uws')),
    version: (ctx, dir) => version(dir),
  },
  bun: {
    title: 'Bun',
    kind: 'js',
    async start(ctx) {
      const dir = await setUp.bun(ctx, 'bun');
      const program = join(dir, 'node_modules/@oven/bun-linux-x64/bin/bun');
      return { command: [program, 'run', join(dir, 'server.js'), '0'], cwd: dir, announces: true };
    },
    version: (ctx, dir) => version(dir),
  },
  hyper: {
    title: 'Rust, hyper',
    kind: 'native',
    async start(ctx) {
      const dir = await setUp.hyper(ctx, 'hyper');
      return { command: [join(dir, 'target/release/bench-hyper'), '0'], cwd: dir, announces: true };
    },
    version: (ctx, dir) => /name = "hyper"\nversion = "([^"]+)"/.exec(readFileSync(join(dir, 'Cargo.lock'), 'utf8'))?.[1],
  },
  nginx: {
    title: 'nginx, fixed answers',
    kind: 'native',
    start: (ctx) => nginx(ctx, 'nginx.conf'),
    version: nginxVersion,
  },
  limit: {
    title: 'bare epoll loop',
    kind: 'scale',
    start: async (ctx) => ({ command: [tool(ctx, 'limit'), '0'], announces: true }),
    version: () => '',
  },
  'node-http': {
    title: 'node:http',
    kind: 'js',
    start: async (ctx) => node(await setUp.plain(ctx, 'node-http')),
    version: () => process.version,
  },
  fastify: {
    title: 'Fastify',
    kind: 'js',
    start: async (ctx) => node(await setUp.npm(ctx, 'fastify')),
    version: (ctx, dir) => version(dir),
  },
  express: {
    title: 'Express',
    kind: 'js',
    start: async (ctx) => node(await setUp.npm(ctx, 'express')),
    version: (ctx, dir) => version(dir),
  },
};
