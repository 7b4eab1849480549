// blocks.mjs: how a block of each language is tried.  Each function returns undefined when all is well and a sentence
// when not, or throws Skip with the reason why it cannot be tried here.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { alike } from './world.mjs';

export class Skip extends Error {}

const repo = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '../..');
const tail = (text) => text.trim().split('\n').slice(-12).join('\n    ');
const note = (block, word) => block.notes.find((n) => n.word === word)?.rest;
const has = (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;

/** Runs one of a block's commands; the last one may be to fail, or to go on. */
async function command(world, block, text, last) {
  const serves = last && note(block, 'serve') !== undefined;
  const wanted = last ? Number(note(block, 'fails') ?? 0) : 0;
  const { code, output } = serves ? await world.serve(text) : await world.run(text);
  return { output, wrong: code === wanted ? undefined : `ended with ${code} instead of ${wanted}: ${text.trim()}\n    ${tail(output)}` };
}

const sh = async (world, block) => (await command(world, block, block.text, true)).wrong;

/** `$ command`, then what it prints; nothing behind a command: not compared. */
async function session(world, block) {
  const steps = [];
  for (const line of block.text.split('\n')) {
    if (line.startsWith('$ ')) steps.push({ text: `${line.slice(2)}\n`, want: '' });
    else if (steps.length === 0) return 'a console block begins with "$ "';
    else if (steps.at(-1).text.endsWith('\\\n')) steps.at(-1).text += `${line}\n`;
    else steps.at(-1).want += `${line}\n`;
  }
  for (const [i, step] of steps.entries()) {
    const { output, wrong } = await command(world, block, step.text, i === steps.length - 1);
    if (wrong) return wrong;
    if (step.want.trim() !== '' && !alike(world.swap(step.want), output)) {
      return `${step.text.trim()} printed\n    ${tail(output)}\n  instead of\n    ${tail(world.swap(step.want))}`;
    }
  }
  return undefined;
}

/** What a manifest names must exist when it is read: empty modules will do for a look without loading. */
function stubs(dir, text) {
  for (const [, file] of text.matchAll(/([\w@/-][\w@./-]*\.[mc]?js)\b/g)) {
    const to = path.join(dir, file);
    if (path.isAbsolute(file) || fs.existsSync(to)) continue;
    fs.mkdirSync(path.dirname(to), { recursive: true });
    fs.writeFileSync(to, '');
  }
  for (const [, name] of text.matchAll(/\b(?:basic|\w+_file|[45](?:\d\d|xx)): ([\w.\/-]+)/g)) {
    fs.mkdirSync(path.join(dir, path.dirname(name)), { recursive: true });
    fs.writeFileSync(path.join(dir, name), '');
  }
  for (const [, name, fallback] of text.matchAll(/static: ([\w.\/-]+)(?:, fallback: ([\w.-]+))?/g)) {
    const folder = path.join(dir, path.extname(name) ? path.dirname(name) : name);
    fs.mkdirSync(folder, { recursive: true });
    if (path.extname(name)) fs.writeFileSync(path.join(dir, name), '');
    if (fallback) fs.writeFileSync(path.join(folder, fallback), '');
  }
}

/** A manifest, or a part of one: of `routes` when it begins with a path. */
function yaml(world, block) {
  if (note(block, 'prometheus') !== undefined) return prometheus(world, block);
  const first = /^[^#\s].*/m.exec(block.text)?.[0] ?? '';
  const text = first.startsWith('/') ? `routes:\n${block.text.replace(/^(?=.)/gm, '  ')}` : block.text;
  const dir = fs.mkdtempSync(path.join(world.root, 'yaml-'));
  stubs(dir, text);
  fs.writeFileSync(path.join(dir, 'actix.yaml'), text);
  const { status, stderr } = spawnSync(world.actix, ['check', '--no-load'], { cwd: dir, env: world.env, encoding: 'utf8' });
  const wanted = note(block, 'refused') === undefined ? 0 : 3;
  if (status !== wanted) return `actix check ended with ${status} instead of ${wanted}: ${tail(stderr)}`;
  if (note(block, 'file')) world.write(note(block, 'file'), block.text);
  return undefined;
}

/** Only the grammar. */
function parses(world, text, file) {
  const to = path.join(fs.mkdtempSync(path.join(world.root, 'js-')), file);
  fs.writeFileSync(to, text);
  const { status, stderr } = spawnSync(process.execPath, ['--check', to], { env: world.env, encoding: 'utf8' });
  return status === 0 ? undefined : tail(stderr);
}

const isModule = (text) => /^(import|export)\b/m.test(text);

/** "GET /users/7 [-H … -d …] = 200 {…}" → what curl is given, and what must come back. */
function question(text) {
  const [, method, target, options, status, body] = /^(\S+) (\S+)(.*?) = (\d+)\s*([^]*)$/.exec(text) ?? [];
  if (!method) throw new Error(`ask is "METHOD PATH [curl options] = STATUS [BODY]", not: ${text}`);
  return { method, target, options, status, body };
}

async function ask(world, block, base) {
  for (const { rest } of block.notes.filter((n) => n.word === 'ask')) {
    const q = question(rest);
    const quoted = `curl -sS --max-time 10 -X ${q.method} -w '\\n%{http_code}' ${q.options} '${base}${q.target}'`;
    const { stdout, stderr } = spawnSync('bash', ['-c', quoted], { cwd: world.cwd, env: world.env, encoding: 'utf8' });
    const [, body, status] = /^([^]*)\n(\d+)$/.exec(stdout) ?? [null, '', `no answer: ${stderr.trim()}`];
    if (status !== q.status) return `${q.method} ${q.target}: ${status} instead of ${q.status}: ${body}`;
    if (q.body && !alike(q.body, body)) return `${q.method} ${q.target}: ${body}\n  instead of\n    ${q.body}`;
  }
  return undefined;
}

/** Serves one block: as the module of a route, or as what registers routes in code. */
async function served(world, block) {
  const dir = fs.mkdtempSync(path.join(world.root, 'app-'));
  const file = isModule(block.text) ? 'main.mjs' : 'main.js';
  fs.writeFileSync(path.join(dir, file), block.text);
  for (const { rest } of block.notes.filter((n) => n.word === 'with')) install(dir, rest);
  const pattern = note(block, 'handler');
  const routes = pattern?.startsWith('{') ? pattern.replaceAll('main.js', file) : `{ ${pattern}: ${file} }`;
  const what = pattern === undefined ? `modules: [${file}]\n` : `routes: ${routes}\n`;
  fs.writeFileSync(path.join(dir, 'actix.yaml'), `server: { workers: 1 }\nlog: { level: error }\n${what}`);
  const { code, output, server } = await world.serve(`cd ${dir}\nexec actix serve --port 0`);
  if (code !== 0) return `the app did not start: ${tail(output)}`;
  const wrong = await ask(world, block, /http:\/\/[\w.:]+/.exec(output)[0]);
  await world.stopOne(server);
  return wrong;
}

/** A package that the tests have. */
function install(dir, name) {
  const found = path.join(repo, 'node_modules', name);
  if (!fs.existsSync(found)) throw new Skip(`${name} is not installed (make test installs it)`);
  fs.mkdirSync(path.join(dir, 'node_modules'), { recursive: true });
  fs.symlinkSync(found, path.join(dir, 'node_modules', name));
}

/** Where the benchmark has installed other servers. */
const PEERS = { express: 'express', fastify: 'fastify', 'uWebSockets.js': 'uws' };

function peer(world, name) {
  if (name === 'actix-js') return world.addon; // a plain `node app.js`, without the server around it
  if (!(name in PEERS)) throw new Error(`no such peer: ${name}`);
  const folder = path.join(repo, 'build/bench/peers', PEERS[name], 'node_modules');
  const found = [name, '@trufflesuite/uws-js-unofficial'].map((p) => path.join(folder, p)).find((p) => fs.existsSync(p));
  if (!found) throw new Skip(`${name} is not installed (make bench installs it)`);
  return found;
}

/** The code that somebody comes from: it must do what the page says that it does. */
async function before(world, block) {
  const name = note(block, 'before');
  const dir = fs.mkdtempSync(path.join(world.root, 'before-'));
  const wrong = parses(world, block.text, isModule(block.text) ? 'main.mjs' : 'main.js');
  if (wrong) return wrong;
  const found = peer(world, name);
  fs.mkdirSync(path.join(dir, 'node_modules'));
  fs.symlinkSync(found, path.join(dir, 'node_modules', name));
  fs.writeFileSync(path.join(dir, 'main.js'), world.swap(block.text));
  const port = world.ports.get('3001');
  const base = `http://127.0.0.1:${port}`;
  const up = () => new Promise((resolve) => {
    const socket = net.connect(Number(port), '127.0.0.1', () => resolve(socket.end() && true)).on('error', () => resolve(false));
  });
  const { code, output, server } = await world.serve(`cd ${dir}\nexec node main.js`, up, 30);
  const answer = code === 0 ? await ask(world, block, base) : `did not start: ${tail(output)}`;
  await world.stopOne(server);
  return answer;
}

async function js(world, block) {
  const wrongBefore = note(block, 'before') ? await before(world, block) : undefined;
  if (wrongBefore) return wrongBefore;
  if (note(block, 'handler') || note(block, 'code') !== undefined) return served(world, block);
  if (note(block, 'before')) return undefined;
  const file = note(block, 'file');
  const wrong = parses(world, block.text, isModule(block.text) ? 'x.mjs' : 'x.js');
  if (!wrong && file) world.write(file, block.text);
  return wrong;
}

async function ts(world, block) {
  const typescript = await import('typescript').catch(() => {
    throw new Skip('typescript is not installed');
  });
  const { diagnostics } = typescript.default.transpileModule(block.text, { reportDiagnostics: true });
  return diagnostics.map((d) => typescript.default.flattenDiagnosticMessageText(d.messageText, ' ')).join('; ') || undefined;
}

function json(world, block) {
  try {
    JSON.parse(block.text);
    if (note(block, 'file')) world.write(note(block, 'file'), block.text);
    return undefined;
  } catch (err) {
    return err.message;
  }
}

/** Against a database that a real server has written. */
async function sql(world, block) {
  if (!has('sqlite3')) throw new Skip('sqlite3 is not installed');
  world.database ??= await sample(world);
  const { status, stdout, stderr } = spawnSync('sqlite3', ['-readonly', '-bail', world.database], { input: block.text, encoding: 'utf8' });
  if (status !== 0 || stderr) return tail(stderr);
  return stdout.trim() === '' && note(block, 'empty') === undefined ? 'finds nothing in a database with requests, errors and events' : undefined;
}

async function sample(world) {
  const dir = fs.mkdtempSync(path.join(world.root, 'sample-'));
  fs.writeFileSync(path.join(dir, 'fails.js'), 'module.exports = () => { throw new Error("broken"); };\n');
  fs.writeFileSync(path.join(dir, 'actix.yaml'), 'metrics: { requests: all }\nroutes:\n  /: { respond: hello }\n  /fails: fails.js\n');
  const { code, output, server } = await world.serve(`cd ${dir}\nexec actix serve --port 0`);
  if (code !== 0) throw new Error(`the app did not start: ${output}`);
  const base = /http:\/\/[\w.:]+/.exec(output)[0];
  for (const target of ['/', '/fails', '/nowhere']) await fetch(base + target).then((r) => r.text());
  await world.stopOne(server);
  return path.join(dir, '.actix/metrics.db');
}

/** A server block that another program checks: wrapped into the least it wants. */
function checked(program, args, wrap) {
  return (world, block) => {
    if (!has(program)) throw new Skip(`${program} is not installed`);
    const file = path.join(fs.mkdtempSync(path.join(world.root, 'conf-')), 'conf');
    fs.writeFileSync(file, wrap(block.text, path.dirname(file)));
    const { status, stderr, stdout } = spawnSync(program, args(file), { encoding: 'utf8' });
    return status === 0 ? undefined : tail(stdout + stderr);
  };
}

const nginx = checked('nginx', (file) => ['-t', '-q', '-c', file],
  (text, dir) => `pid ${dir}/pid; error_log stderr;\nevents {}\nhttp {\naccess_log off;\n${text}}\n`);
const haproxy = checked('haproxy', (file) => ['-c', '-q', '-f', file],
  (text) => `defaults\n    mode http\n    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n\n${text}`);

/** Expressions, one a line, as Prometheus reads them; with `prometheus` a yaml block is its configuration. */
const promql = checked('promtool', (file) => ['check', 'rules', file],
  (text) => `groups:\n  - name: page\n    rules:\n${text.split('\n').filter(Boolean).map((line, i) => `      - { record: "r${i}", expr: ${JSON.stringify(line)} }\n`).join('')}`);
const prometheus = checked('promtool', (file) => ['check', 'config', file], (text) => text);

/** A unit whose program is the one of the build. */
function ini(world, block) {
  if (!has('systemd-analyze')) throw new Skip('systemd-analyze is not installed');
  const file = path.join(fs.mkdtempSync(path.join(world.root, 'unit-')), 'app.service');
  fs.writeFileSync(file, block.text.replace(/(?<==)\/\S*\/bin\/actix\b/g, world.actix).replace(/^WorkingDirectory=.*$/m, `WorkingDirectory=${world.root}`));
  const { status, stderr, stdout } = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
  return status === 0 && !/app\.service/.test(stderr) ? undefined : tail(stdout + stderr);
}

/** Languages by the word behind the fence; a bare fence is a picture, an output, a shape. */
export const LANGUAGES = { sh, console: session, yaml, js, mjs: js, ts, json, sql, nginx, haproxy, ini, promql };
/** These cannot be tried: only a reason will do. */
export const REASONED = new Set(['dockerfile', 'text']);
