'use strict';
// Main thread of an engine process: control only, no request runs here.  `node engine.js --plan-fd N --control-fd M`:
// starts the workers, replaces those that die, and does what the supervisor says over the socket pair, one JSON object a
// line (plan.d.ts: FromEngine, ToEngine).  When the supervisor is gone, so is the engine.
const net = require('node:net');
const path = require('node:path');
const { Worker } = require('node:worker_threads');
const native = require('./native');
const { argument, readPlan } = require('./boot');

const YOUNG_GENERATION_MB = 16; // 11 MB less a worker than V8's default at the same speed; below 8 the collector eats the core
const RETRY_MS = 100;
const RETRY_MAX_MS = 5000;
const STABLE_MS = 30_000; // up for so long, a worker's next failure counts as its first
const MESSAGE_MAX = 65536; // the supervisor's messages are short

const control = new net.Socket({ fd: argument('--control-fd'), readable: true, writable: true });
const plan = readPlan(argument('--plan-fd'));
process.argv.splice(1, process.argv.length, plan.manifest);

/** A worker's place: the id stays when the worker is replaced. */
class Place {
  constructor(id) {
    this.id = id;
    this.thread = undefined;
    this.state = 'starting'; // starting | ready | draining | gone
    this.restarts = 0;
    this.retryMs = RETRY_MS;
    this.readyAt = 0; // 0 = never was
    this.starting = undefined; // { name, at }: what it loads or runs before it is ready
    this.why = undefined; // of the end that is near
    this.timer = undefined; // of the start, or of the next try
  }
}

const engine = {
  handle: undefined,
  places: Array.from({ length: plan.workers }, (_, id) => new Place(id)),
  started: false, // all workers have been ready once
  lameDuck: false,
  stopping: undefined, // the reason
  over: false,
};

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined); // the supervisor's business
process.on('uncaughtException', (err) => fail([{ message: `engine: ${err.stack}` }]));
listen();
begin();

function begin() {
  try {
    engine.handle = native.engineNew({
      workers: plan.workers,
      balance: plan.balance,
      fds: plan.listen.map(({ fd }) => fd),
      settings: plan.settings,
      minReady: plan.minReady,
      segmentFd: plan.segmentFd,
      log: plan.log,
    });
  } catch (err) {
    fail([{ message: err.message }]);
    return;
  }
  for (const place of engine.places) startWorker(place);
}

// ---- the supervisor

function listen() {
  let rest = '';
  control.setEncoding('utf8');
  control.on('data', (text) => {
    rest += text;
    const lines = rest.split('\n');
    rest = lines.pop();
    if (rest.length > MESSAGE_MAX) process.exit(1);
    for (const line of lines) if (line !== '') receive(JSON.parse(line));
  });
  control.on('end', () => process.exit(1));
  control.on('error', () => process.exit(1));
}

function tell(message, then) {
  control.write(`${JSON.stringify(message)}\n`, then);
}

const event = (kind, place, text) => tell({ type: 'event', kind, text, worker: place.id });

function receive(message) {
  switch (message.type) {
    case 'lame_duck':
      engine.lameDuck = true;
      native.engineSetStopping(engine.handle);
      for (const place of engine.places) place.thread?.postMessage({ type: 'lame_duck' });
      break;
    case 'stop':
      stop(message.reason);
      break;
    case 'workers':
      tell({ type: 'workers', workers: engine.places.map(({ id, state, restarts }) => ({ id, state, restarts })) });
      break;
    case 'reopen_logs':
      reopenLogs();
      break;
    default: // a newer supervisor's message that this engine can do without
  }
}

function reopenLogs() {
  try {
    native.engineReopenLogs(engine.handle);
  } catch (err) {
    tell({ type: 'event', kind: 'limit', text: err.message });
  }
}

/** Everything that was found, then the end. */
function fail(errors) {
  if (engine.over) return;
  engine.over = true;
  tell({ type: 'failed', errors }, () => process.exit(1));
}

// ---- workers

function startWorker(place) {
  const resourceLimits = { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB };
  if (plan.heapMb > 0) resourceLimits.maxOldGenerationSizeMb = plan.heapMb;
  place.state = 'starting';
  place.starting = undefined;
  place.why = undefined;
  const workerData = { engine: engine.handle, id: place.id, plan };
  const thread = (place.thread = new Worker(path.join(__dirname, 'worker.js'), { workerData, resourceLimits }));
  thread.on('message', (message) => heard(place, message));
  thread.on('error', (err) => (place.why ??= reasonOf(err)));
  thread.on('exit', (code) => ended(place, code));
  if (plan.startup_us >= 0) place.timer = setTimeout(tooSlow, plan.startup_us / 1000, place);
}

const reasonOf = (err) =>
  err?.code === 'ERR_WORKER_OUT_OF_MEMORY'
    ? 'out of memory (limits.heap)'
    : `${err?.name ?? 'error'}: ${err?.message ?? String(err)}`;

function heard(place, message) {
  switch (message.type) {
    case 'starting':
      place.starting = { name: message.name, at: message.at };
      break;
    case 'ready':
      ready(place);
      break;
    case 'failed':
      clearTimeout(place.timer);
      if (decides(place)) fail(message.errors);
      else place.why = message.errors.map((e) => e.message).join('; ');
      break;
    case 'fatal':
      place.state = 'draining';
      place.why = message.text;
      event('crash', place, `worker ${place.id}: ${message.text}; it finishes its requests and is replaced`);
      break;
    default:
      throw new Error(`a worker said ${message.type}`);
  }
}

function ready(place) {
  clearTimeout(place.timer);
  place.state = 'ready';
  place.readyAt = Date.now();
  if (engine.lameDuck) place.thread.postMessage({ type: 'lame_duck' });
  if (place.restarts > 0) event('restart', place, `worker ${place.id} is back`);
  if (!engine.started && engine.places.every(({ readyAt }) => readyAt > 0)) {
    engine.started = true;
    native.engineTrim();
    tell({ type: 'ready', workers: plan.workers });
  }
}

/** Whether the failure of this worker is the engine's.  In the first engine it is until all were ready: the app cannot
 *  run.  In a later one requests already come while others start, and a worker that was ready is replaced as ever. */
function decides(place) {
  return !engine.started && (plan.generation === 1 || place.readyAt === 0);
}

function tooSlow(place) {
  const { name, at } = place.starting ?? { name: `worker ${place.id}` };
  const message = `${name} did not get ready within timeouts.startup (${plan.startup_us / 1e6} s)`;
  if (decides(place)) fail([{ at, message }]);
  place.why = message;
  place.thread.terminate();
}

function ended(place, code) {
  const { state } = place;
  clearTimeout(place.timer);
  place.thread = undefined;
  place.state = 'gone';
  if (engine.stopping !== undefined) {
    finish();
    return;
  }
  const why = place.why ?? `it ended by itself (exit code ${code})`;
  if (decides(place)) {
    const { name, at } = place.why === undefined && state === 'starting' ? (place.starting ?? {}) : {};
    const what = name === undefined ? '' : ` in ${name}`;
    fail([{ at, message: `worker ${place.id} ended while it started${what}: ${why}` }]);
    return;
  }
  if (state !== 'draining') event('crash', place, `worker ${place.id}: ${why}`);
  replace(place, state !== 'starting' && Date.now() - place.readyAt >= STABLE_MS);
}

function replace(place, wasStable) {
  const wait = wasStable ? RETRY_MS : place.retryMs;
  place.retryMs = Math.min(wait * 2, RETRY_MAX_MS);
  place.restarts += 1;
  place.timer = setTimeout(startWorker, wait, place);
}

// ---- stop

function stop(reason) {
  if (engine.stopping !== undefined) return;
  engine.stopping = reason;
  native.engineSetStopping(engine.handle);
  native.engineStopAccepting(engine.handle);
  for (const place of engine.places) {
    clearTimeout(place.timer);
    if (place.state === 'ready') {
      place.state = 'draining';
      place.thread.postMessage({ type: 'stop', reason });
    } else if (place.state === 'starting') place.thread?.terminate();
  }
  finish();
}

/** The supervisor limits the time: after timeouts.shutdown it ends the process. */
function finish() {
  if (engine.over || engine.places.some(({ thread }) => thread !== undefined)) return;
  engine.over = true;
  native.engineFree(engine.handle);
  tell({ type: 'drained' }, () => process.exit(0));
}
