'use strict';
// A worker: prepares its environment, loads the handlers, serves until it is told to stop or something in it fails
// beyond repair.  Usually a thread of the engine (threads.js), or its main thread (inline.js).  Talks to the engine:
//   to it    { type: 'starting', name, at } | { type: 'prepared' } | { type: 'ready', broken } | { type: 'failed', errors } |
//            { type: 'fatal', text, route } | { type: 'broken', errors } | { type: 'files', files } (actix dev)
//   from it  { type: 'serve' } (when it was told to hold) | { type: 'lame_duck' } | { type: 'stop', reason, handover }
const { isMainThread, parentPort, workerData } = require('node:worker_threads');
const native = require('./native');
const isolate = require('./isolate');
const registry = require('./registry');
const { makeDispatch, record, gone } = require('./dispatch');
const { asKeys } = require('./names');
const { background } = require('./background');
const { load, placeOf } = require('./loader');
const { milliseconds } = require('./milliseconds');
const { lineOf, stackOf, routeOf, blamed } = require('./blame');

const ERROR = 0;
const INFO = 2;

let port; // { postMessage(message), onMessage(fn), exit(code) }
let engine, id, plan, hold;
const state = { serving: false, ending: false, routes: [], records: undefined, broken: false, sayClose: () => undefined };

/** Once per environment, before user code: nothing of ours may be seen by it, and nothing of its may be missed. */
function runWorker(thePort, data) {
  port = thePort;
  ({ engine, id, plan, hold } = data);
  process.argv = [process.execPath, plan.manifest];
  require('./print').install();
  native.engineAttach(engine, data.serial);
  isolate.install(native.renewContext);
  require('./resolve').install();
  require('./globals').install();
  registry.setWorker({ id, count: plan.workers, generation: plan.generation, isolation: plan.isolation ?? 'thread' });
  registry.setServing({ url: plan.listen[0]?.url ?? '', log: logOnce });
  if (plan.dev) develop();
  process.on('uncaughtException', uncaught);
  process.on('unhandledRejection', rejected);
  port.onMessage(receive);
  start().catch((err) => failStart([{ message: lineOf(err) }]));
}

function receive(message) {
  if (message.type === 'lame_duck') {
    if (!state.serving || state.ending) return;
    native.workerLameDuck();
    state.sayClose();
  } else if (message.type === 'serve') serve();
  else if (message.type === 'stop') end(message.reason, Infinity, message.handover);
}

/** What every worker would say in the same words. */
function logOnce(message) {
  if (id === 0) native.log(INFO, message);
}

// ---- start

async function start() {
  const { errors, routes } = await load(plan, starting);
  require('./watch').report();
  if (errors.length > 0) return failStart(errors);
  registry.freeze();
  state.routes = routes;
  const wrong = newWorker({ engine, id, plan, routes });
  if (wrong !== undefined) return failStart([wrong]);
  for (const hook of registry.hooks().start) {
    starting('an onStart hook');
    try {
      await hook();
    } catch (err) {
      return failStart([{ message: `an onStart hook failed: ${lineOf(err)}${thrownAt(err)}`, where: placeIfDev(err) }]);
    }
  }
  return prepared();
}

/** While another engine serves, nobody begins before all can. */
function prepared() {
  return hold ? port.postMessage({ type: 'prepared' }) : serve();
}

/** `actix dev`: stacks tell of the sources that were written, and the supervisor of the files that were loaded. */
function develop() {
  process.setSourceMapsEnabled(true);
  if (id === 0) require('./watch').start((files) => port.postMessage({ type: 'files', files }));
}

const placeIfDev = (err) => (plan.dev ? require('./dev').whereOf(err) : undefined);

function serve() {
  if (state.ending) return;
  state.serving = true;
  native.workerReady();
  port.postMessage({ type: 'ready', broken: state.broken });
}

/** ` (handlers/a.js:3:9)`, or nothing where no file is to blame. */
function thrownAt(err) {
  const place = stackOf(err).length > 0 ? placeOf(err, plan.root) : undefined;
  return place === undefined ? '' : ` (${place})`;
}

/** What is about to run, told beforehand: if it never comes back, the main thread knows what it was. */
function starting(name, at) {
  port.postMessage({ type: 'starting', name, at });
}

/** The native worker of this environment, under `serve` and in tests of an app (test.js); what is wrong with the routes as
 *  { at, message }. */
function newWorker({ engine, id, plan, routes }) {
  const batch = native.batchNew(plan.settings.batch);
  const records = routes.map((route, i) => record(route, i + 1, route.uploads));
  const dispatch = makeDispatch(native, batch, records);
  state.records = records;
  try {
    native.workerNew({ engine, id, settings: plan.settings, routes: routes.map((route) => nativeRoute(route, plan.policies)), trustedProxies: plan.trustedProxies, policies: plan.policies, batch, dispatch, event: eventsOf(routes) });
  } catch (err) {
    if (err.login !== undefined) return { at: plan.policies.logins[err.login].at, message: err.message };
    if (err.index === undefined) throw err;
    const route = routes[err.index];
    return {
      at: route?.at,
      message: `${route === undefined ? '' : `route ${route.method} ${route.pattern}: `}${err.message}`,
    };
  }
  for (const r of records) r.names = asKeys(native.paramNames(r.id));
  return undefined;
}

/** What is told of requests goes to whoever has them; node:http is loaded for those who mount its listeners. */
function eventsOf(routes) {
  if (!routes.some(({ kind }) => kind === 'node')) return gone;
  const { nodeEvent } = require('./node_socket');
  state.sayClose = require('./node').sayClose;
  return (slot, gen, what) => nodeEvent(slot, gen, what) || gone(slot, gen, what);
}

/** The longest rule that a path lies below; they are in that order. */
function ruleOf(pattern, policies) {
  return policies?.rules.find(({ prefix }) => pattern === prefix || pattern.startsWith(`${prefix}/`));
}

function nativeRoute({ pattern, method, kind, name, status, body, headers, health, timeout_us, body_max, ...more }, policies) {
  const { max_inflight, inflight_group, queue, stream } = more;
  const rule = more.policy === undefined ? ruleOf(pattern, policies) : undefined; // one that was registered in code
  const policy = more.policy ?? rule?.policy;
  const native = { pattern, method, kind: kind === 'node' ? 'handler' : kind, name, status, body, headers: rule === undefined ? headers : rule.headers + headers, health, timeout_us, body_max, max_inflight, inflight_group, queue, stream, policy };
  return kind === 'static' ? { ...native, folder: more.folder, index: more.index, fallback: more.fallback } : native;
}

function failStart(errors) {
  if (state.ending || state.broken) return;
  if (plan.page) {
    showPage(errors);
    return;
  }
  state.ending = true;
  port.postMessage({ type: 'failed', errors });
  leave(1);
}

/** `actix dev`, and nobody else serves: every path tells what is wrong, until it is mended. */
function showPage(errors) {
  const dev = require('./dev');
  state.broken = true;
  port.postMessage({ type: 'broken', errors });
  if (state.records === undefined) newWorker({ engine, id, plan, routes: [dev.brokenRoute(errors, plan)] });
  else for (const route of state.records) route.handler = dev.brokenHandler(errors, plan);
  prepared();
}

// ---- end

/** Finishes the requests in progress, for at most `patience` ms, runs the onStop hooks, leaves.  Once.  `retire`: its
 *  connections go to other workers, or to the engine that takes the place of this one; else they are closed. */
async function end(reason, patience, retire) {
  if (state.ending) return;
  state.ending = true;
  if (!retire) state.sayClose();
  if (state.serving) {
    if (retire && reason === 'reload') cutLater();
    await within(emptied(retire), patience);
    await runStopHooks(reason);
  }
  leave(reason === 'crash' ? 1 : 0);
}

function emptied(retire) {
  const begin = retire ? native.workerRetire : native.workerDrain;
  return new Promise((resolve) => begin(resolve)).then(() => background.settled());
}

/** Streams may keep what was replaced alive for timeouts.drain; under `actix dev` their clients come again at once. */
function cutLater() {
  if (plan.dev) native.workerCutStreams();
  else if (plan.drain_us >= 0) setTimeout(() => native.workerCutStreams(), milliseconds(plan.drain_us)).unref();
}

function within(promise, ms) {
  if (ms === Infinity) return promise;
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    promise.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

async function runStopHooks(reason) {
  for (const hook of registry.hooks().stop.reverse()) {
    try {
      await hook({ reason });
    } catch (err) {
      native.log(ERROR, `an onStop hook failed: ${lineOf(err)}`, stackOf(err));
    }
  }
}

/** The handles are closed before the thread ends: Node aborts a worker that ends with open ones. */
function leave(code) {
  try {
    native.workerClose(() => port.exit(code));
  } catch {
    port.exit(code); // there was no native worker yet
  }
}

// ---- what user code did not catch

/** The environment may be broken: no new requests, those there are finish, then the worker is replaced. */
function uncaught(err) {
  const text = `uncaught exception: ${lineOf(err)}`;
  native.log(ERROR, text, [...routeOf(err, state.routes), ...stackOf(err)]);
  if (!state.serving) return failStart([{ message: text, where: placeIfDev(err) }]);
  if (!state.ending) port.postMessage({ type: 'fatal', text, route: blamed(err, state.routes) });
  return end('crash', plan.shutdown_us < 0 ? Infinity : milliseconds(plan.shutdown_us), true);
}

/** A promise that nobody waits for: its request cannot be told, its handler often can. */
function rejected(reason) {
  native.log(ERROR, `unhandled rejection: ${lineOf(reason)}`, [...routeOf(reason, state.routes), ...stackOf(reason)]);
}

if (!isMainThread && workerData?.engine !== undefined) {
  runWorker(
    {
      postMessage: (message) => parentPort.postMessage(message),
      onMessage: (fn) => parentPort.on('message', fn),
      exit: (code) => process.exit(code),
    },
    workerData,
  );
}

module.exports = { runWorker, newWorker };
