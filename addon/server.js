'use strict';
// class Server.  In a plain `node app.js` it runs one worker of the native core on this thread, with default settings;
// under `actix serve` the manifest rules and it binds nothing.
const native = require('./native');
const errors = require('./errors');
const registry = require('./registry');
const { makeDispatch, record, gone } = require('./dispatch');
const { respond, failed } = require('./respond');
const { background } = require('./background');
const apm = require('./apm');
const { DEFAULTS } = require('./forms');

// Names and defaults: server/net/settings.def; microseconds and bytes.
const BATCH = 256;
const TIMEOUT_HANDLER_US = 10_000_000;
const LIMIT_BODY = 1_048_576;
const BACKLOG = 511;
/** How long stop() waits for requests in progress: timeouts.shutdown of the manifest. */
const SHUTDOWN_MS = 10_000;

/** How long the core of a start that could not bind waits for the next attempt. */
const IDLE_MS = 100;

/** An environment has one native worker: `server` is the one that runs in it, at `url`.  `idle` is the core of a start
 *  that could not bind: it waits for the next attempt, since a core takes a turn of the loop to close. */
const running = { server: undefined, url: undefined, idle: undefined };

class Server {
  #host;
  #port;
  #settings;
  #uploads;
  #core; // from start to the end of stop
  #stopping = false;
  #underServe = false;

  constructor(options = {}) {
    const { host = '127.0.0.1', port = 3001, settings = {}, uploads = {} } = options;
    if (typeof host !== 'string' || host === '') throw errors.invalidArgument('host is a non-empty string');
    if (!Number.isInteger(port) || port < 0 || port > 65535) throw errors.invalidArgument('port is an integer 0..65535');
    this.#host = host;
    this.#port = port;
    this.#settings = { batch: BATCH, ...settings };
    this.#uploads = { ...DEFAULTS, ...uploads };
  }

  start() {
    const serving = registry.serving();
    if (serving !== undefined) return this.#startUnderServe(serving);
    if (this.#stopping) throw errors.serverRunning('the server is still stopping; await stop() first');
    if (running.server !== undefined) throw errors.serverRunning(`a server is running already at ${running.url}`);
    this.#open();
    return `Server is running at ${running.url}`;
  }

  stop() {
    if (this.#underServe) return this.#stopUnderServe();
    if (running.server !== this || this.#stopping) return Promise.reject(errors.serverNotRunning());
    return this.#close(SHUTDOWN_MS);
  }

  #startUnderServe(serving) {
    if (this.#underServe) throw errors.serverRunning(`a server is running already at ${serving.url}`);
    this.#underServe = true;
    if (serving.url === '') return serving.sentence ?? 'Server is not started: actix only checks this app';
    logOnce(serving);
    return `Server is running at ${serving.url}`;
  }

  #stopUnderServe() {
    this.#underServe = false;
    return Promise.resolve('Server is stopped by actix, with all its workers');
  }

  #open() {
    const core = takeCore(this.#settings, this.#uploads);
    const begin = gateOf(core.records);
    try {
      running.url = native.workerBind(this.#host, this.#port, BACKLOG);
    } catch (err) {
      keepIdle(core);
      throw err;
    }
    running.server = this;
    this.#core = core;
    registry.freeze();
    begin((err) => this.#startFailed(err));
  }

  /** An onStart hook rejected: the start has failed, as an uncaught error since start() has returned. */
  #startFailed(err) {
    const raise = () => process.nextTick(() => {
      throw err;
    });
    this.#close(0).then(raise, raise);
  }

  async #close(patience) {
    this.#stopping = true;
    try {
      const url = running.url;
      await drained(patience);
      await closeCore(this.#core);
      running.server = undefined;
      registry.thaw();
      await runStopHooks();
      return `Server at ${url} has stopped`;
    } finally {
      this.#stopping = false;
    }
  }

  /** Without waiting for requests in progress. */
  static closeAll() {
    const server = running.server;
    if (server !== undefined && !server.#stopping) server.#close(0);
  }
}

/** { engine, records, key }: a new core, or the idle one when it was made for the same routes and settings. */
function takeCore(settings, uploads) {
  const routes = registry.routes();
  const key = JSON.stringify([settings, routes.map(({ method, pattern, name }) => [method, pattern, name])]);
  const idle = running.idle;
  if (idle === undefined) return newCore(settings, uploads, routes, key);
  running.idle = undefined;
  if (idle.key === key) {
    routes.forEach((route, i) => Object.assign(idle.records[i], { handler: route.handler, uploads }));
    return idle;
  }
  closeCore(idle);
  throw errors.serverRunning('routes or settings changed after a start that failed; try again a little later');
}

/** An open core keeps the process alive, so it does not wait for long. */
function keepIdle(core) {
  running.idle = core;
  setTimeout(() => {
    if (running.idle !== core) return;
    running.idle = undefined;
    closeCore(core);
  }, IDLE_MS).unref();
}

function newCore(settings, uploads, routes, key) {
  const records = routes.map((route, i) => record(route, i + 1, uploads));
  const batch = native.batchNew(settings.batch);
  const dispatch = makeDispatch(native, batch, records);
  const engine = native.engineNew(engineOptions(settings));
  try {
    native.workerNew({ engine, id: 0, settings, routes: records.map((r) => nativeRoute(r, settings)), batch, dispatch, event: gone });
  } catch (err) {
    native.engineFree(engine);
    throw err;
  }
  return { engine, records, key };
}

function closeCore(core) {
  return new Promise((resolve) => {
    native.workerClose(() => {
      native.engineFree(core.engine);
      resolve();
    });
  });
}

function engineOptions(settings) {
  return {
    workers: 1,
    balance: 'least_connections',
    fds: [],
    settings,
    minReady: 1,
    segmentFd: -1,
    stallUs: -1,
    mailboxFd: -1,
    controlFd: -1,
    log: {
      output: 'stderr',
      format: process.stderr.isTTY ? 'text' : 'json',
      level: settings.log_level ?? 2,
      access: 'off',
      accessFormat: 'text',
    },
  };
}

function nativeRoute({ method, pattern, name }, settings) {
  return {
    pattern,
    method,
    kind: 'handler',
    name,
    headers: '',
    timeout_us: settings.timeout_handler_us ?? TIMEOUT_HANDLER_US,
    body_max: settings.limit_body ?? LIMIT_BODY,
  };
}

/** Runs the onStart hooks, in order.  Until they are done a request waits; begin(onError) is called once bound. */
function gateOf(records) {
  const hooks = registry.hooks().start;
  if (hooks.length === 0) return () => undefined;
  let open;
  const gate = new Promise((resolve) => (open = resolve));
  const handlers = records.map((r) => r.handler);
  records.forEach((r, i) => {
    r.handler = (req) => void gate.then(() => enter(handlers[i], req));
  });
  return (onError) => {
    runHooks(hooks).then(() => {
      records.forEach((r, i) => (r.handler = handlers[i]));
      apm.install(records);
      open();
    }, onError);
  };
}

async function runHooks(hooks) {
  for (const hook of hooks) await hook();
}

function enter(handler, req) {
  try {
    const value = handler(req);
    if (value !== undefined) respond(req, value);
  } catch (err) {
    failed(req, err);
  }
}

/** Resolves when the last request is answered and waitUntil's work is done, or after `patience` milliseconds. */
function drained(patience) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, patience);
    native.workerDrain(() => {
      background.settled().then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  });
}

async function runStopHooks() {
  for (const hook of registry.hooks().stop.reverse()) await hook({ reason: 'stop' });
}

const logged = new WeakSet();
/** One worker speaks for all. */
function logOnce(serving) {
  if (logged.has(serving) || registry.worker.id !== 0) return;
  logged.add(serving);
  serving.log(`server.listen of the manifest rules; host and port of new Server are ignored (${serving.url})`);
}

module.exports = { Server };
