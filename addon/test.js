'use strict';
// `actix-js/test`: an app as its manifest says, served by the real core in this process, so that its modules can be stubbed
// and their coverage counted.  One at a time: an environment has one native worker.  The program reads the manifest
// (`actix check --plan`); what belongs to many workers (stall, take-over, reload, quarantine) is not here, nor are access
// log and metrics.
const fs = require('node:fs');
const path = require('node:path');
const { execFile } = require('node:child_process');
require('./index'); // before handlers load: async context is watched from here on
const native = require('./native');
const registry = require('./registry');
const errors = require('./errors');
const { background } = require('./background');
const { load } = require('./loader');
const { milliseconds } = require('./milliseconds');
const { newWorker } = require('./worker');

const HOST = '127.0.0.1';
const BACKLOG = 511;
const PLAN_BYTES_MAX = 64 << 20;
/** How long close() waits for responses that the test is still reading: streams may have no end. */
const READING_MS = 200;
/** So many responses are remembered before those that are gone are forgotten. */
const READING_MAX = 1024;

const state = {
  busy: false, // an app is open, is being opened or closed
  resolves: false,
  registered: new Map(), // manifest -> what its modules have registered: a module runs once, an app may be opened again
};

/** Resolves to an open App; rejects with what is wrong with the manifest or with a module. */
async function app(manifest = ['actix.yaml', 'actix.yml'].find((name) => fs.existsSync(name)) ?? 'actix.yaml', { env = {} } = {}) {
  if (registry.serving() !== undefined && !state.busy) throw errors.serverRunning('actix-js/test is for tests: this process serves already');
  if (state.busy) throw errors.serverRunning('an app is open already: one at a time in a process; await close() of the other first');
  state.busy = true;
  const undo = [() => (state.busy = false)];
  try {
    return await open(manifest, env, undo);
  } catch (err) {
    await unwind(undo);
    throw err;
  }
}

/** Each step leaves behind in `undo` how it is undone. */
async function open(manifest, env, undo) {
  const given = { NODE_ENV: 'test', ...definedOf('NODE_ENV'), ...env };
  const { plan, env: more } = await planOf([manifest].flat(), given);
  undo.push(setEnv({ ...given, ...more }));
  undo.push(enter(path.resolve(plan.manifest)));
  const routes = await loaded(plan);
  const engine = native.engineNew(engineOptions(plan));
  const worker = { made: false };
  undo.push(() => (worker.made ? closed(engine) : native.engineFree(engine)));
  const wrong = newWorker({ engine, id: 0, plan, routes });
  worker.made = wrong === undefined;
  if (!worker.made) throw failure([wrong]);
  for (const hook of registry.hooks().start) await hook();
  const url = native.workerBind(HOST, 0, BACKLOG);
  native.workerReady();
  return new App(url, plan, undo);
}

async function unwind(undo) {
  for (const step of undo.splice(0).reverse()) await step();
}

const definedOf = (name) => (process.env[name] === undefined ? {} : { [name]: process.env[name] });

// ---- the manifest

/** Beside this folder in an installed tree, unless ACTIX names another; else by PATH. */
function program() {
  if (process.env.ACTIX) return process.env.ACTIX;
  const beside = path.resolve(__dirname, '../../../bin/actix');
  return fs.existsSync(beside) ? beside : 'actix';
}

/** { plan, env } of `actix check --plan`. */
function planOf(files, env) {
  const args = ['check', '--plan', ...files.flatMap((file) => ['--config', file])];
  const options = { env: { ...process.env, ...env }, maxBuffer: PLAN_BYTES_MAX, encoding: 'utf8' };
  return new Promise((resolve, reject) => {
    execFile(program(), args, options, (err, stdout, stderr) => {
      if (err === null) return resolve(JSON.parse(stdout));
      if (err.code === 'ENOENT') return reject(new Error(`there is no program ${program()}: install actix, or let ACTIX name it`));
      return reject(failure(problemsOf(stderr), stderr.trimEnd() || err.message));
    });
  });
}

/** The lines FILE:LINE:COL: MESSAGE, and those about no place. */
function problemsOf(text) {
  return text.trimEnd().split('\n').map((line) => {
    const [, file, row, col, message] = /^(.+?):(\d+):(\d+): (.*)$/.exec(line) ?? [];
    if (file === undefined) return { message: line.replace(/^actix: /, '') };
    return { at: { file, line: Number(row), col: Number(col) }, message };
  });
}

function failure(problems, text = problems.map(lineOf).join('\n')) {
  return Object.assign(new Error(text), { code: 'ERR_MANIFEST', problems });
}

const lineOf = ({ at, message }) => (at === undefined ? message : `${at.file}:${at.line}:${at.col}: ${message}`);

/** Sets variables, undefined unsets; returns what sets them back. */
function setEnv(values) {
  const before = Object.keys(values).map((name) => [name, process.env[name]]);
  put(Object.entries(values));
  return () => put(before);
}

function put(entries) {
  for (const [name, value] of entries)
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
}

// ---- modules

/** What code registers from here on belongs to that manifest; returns what ends that. */
function enter(manifest) {
  if (!state.resolves) require('./resolve').install();
  state.resolves = true;
  const before = registry.save();
  const own = state.registered.get(manifest);
  if (own !== undefined) {
    registry.restore({
      routes: new Map([...own.routes, ...before.routes]),
      start: [...new Set([...own.start, ...before.start])],
      stop: [...new Set([...own.stop, ...before.stop])],
    });
  }
  registry.setServing({ url: '', sentence: 'Server is started by actix-js/test', log: () => undefined });
  return () => {
    state.registered.set(manifest, registry.save());
    registry.thaw();
    registry.restore(before);
    registry.setServing(undefined);
  };
}

async function loaded(plan) {
  const { errors: problems, routes } = await load(plan, () => undefined);
  registry.freeze();
  if (problems.length > 0) throw failure(problems);
  return routes;
}

function engineOptions(plan) {
  return {
    workers: 1,
    balance: plan.balance,
    fds: [],
    settings: plan.settings,
    minReady: 1,
    segmentFd: -1,
    stallUs: -1,
    mailboxFd: -1,
    controlFd: -1,
    log: { output: 'stderr', format: 'text', level: plan.log.level, access: 'off', accessFormat: 'text' },
  };
}

// ---- the open app

class App {
  #plan;
  #undo;
  #closing;
  #reading = []; // { abort, response } of those whose head is here

  constructor(url, plan, undo) {
    Object.defineProperty(this, 'url', { value: url, enumerable: true });
    this.#plan = plan;
    this.#undo = undo;
  }

  /** The global fetch; a path is one of this app. */
  async fetch(input, init = {}) {
    const abort = new AbortController();
    const signal = init.signal ?? (input instanceof Request ? input.signal : undefined);
    const stop = () => abort.abort(signal.reason);
    if (signal?.aborted) stop();
    signal?.addEventListener('abort', stop, { once: true });
    const res = await fetch(this.#target(input), { ...init, signal: abort.signal });
    this.#note(abort, res);
    return res;
  }

  /** A response that nobody holds any more needs no end. */
  #note(abort, res) {
    if (this.#reading.length >= READING_MAX) this.#reading = this.#reading.filter(({ response }) => response.deref() !== undefined);
    this.#reading.push({ abort, response: new WeakRef(res) });
  }

  #target(input) {
    if (input instanceof Request) {
      const { pathname, search } = new URL(input.url);
      return new Request(this.url + pathname + search, input);
    }
    const text = String(input);
    return text.startsWith('/') ? this.url + text : text;
  }

  /** Waits for requests in progress within timeouts.shutdown, runs the onStop hooks.  A second call gives the same promise. */
  close() {
    return (this.#closing ??= this.#close());
  }

  async #close() {
    const { shutdown_us: shutdown } = this.#plan;
    const reading = setTimeout(() => this.#leave(), READING_MS);
    await within(drained(), shutdown < 0 ? undefined : milliseconds(shutdown));
    clearTimeout(reading);
    try {
      for (const hook of registry.hooks().stop.reverse()) await hook({ reason: 'stop' });
    } finally {
      await unwind(this.#undo);
    }
  }

  #leave() {
    for (const { abort } of this.#reading) abort.abort();
  }

  [Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]() {
    return this.close();
  }
}

const drained = () => new Promise((resolve) => native.workerDrain(resolve)).then(() => background.settled());

function within(promise, ms) {
  if (ms === undefined) return promise;
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, ms)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Resolves when nothing of the native worker is left. */
function closed(engine) {
  return new Promise((resolve) => {
    native.workerClose(() => {
      native.engineFree(engine);
      resolve();
    });
  });
}

module.exports = { app };
