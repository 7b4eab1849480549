'use strict';
// What user code registers in this environment (worker, or a plain `node app.js`): routes, hooks.  The server reads it
// once, when it starts.
const path = require('node:path');
const native = require('./native');
const errors = require('./errors');
const { failed } = require('./respond');

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'ANY'];

const state = {
  routes: new Map(), // 'METHOD shape' -> { method, pattern, handler, name }
  frozen: false,
  start: [],
  stop: [],
  serving: undefined, // { url, log } under `actix serve`
};

/** Of this worker; in a plain `node app.js` the only one. */
const worker = { id: 0, count: 1, generation: 0, isolation: 'process' };

/** Two patterns that differ only in the names of their parameters match the same paths. */
const shapeOf = (pattern) => pattern.replace(/(^|\/)([:*])[^/]*/g, '$1$2');

/** `isActixJs`: the callback is (err, req) => any and its return value is ignored, a rejection excepted. */
function add(method, pattern, callback, isActixJs) {
  if (typeof pattern !== 'string' || !pattern.startsWith('/')) {
    throw errors.invalidRoute(`a route is a string that starts with "/" (found ${JSON.stringify(pattern) ?? String(pattern)})`);
  }
  const wrong = native.checkPattern(pattern);
  if (wrong !== null) throw errors.invalidRoute(`route ${pattern}: ${wrong}`);
  if (!METHODS.includes(method)) throw errors.invalidRoute(`unknown method ${String(method)} for route ${pattern}`);
  if (typeof callback !== 'function') throw errors.invalidArgument(`the callback of ${method} ${pattern} is not a function`);
  if (state.frozen) throw errors.routesFrozen(`route ${method} ${pattern}`);
  const key = `${method} ${shapeOf(pattern)}`;
  if (state.routes.has(key)) throw errors.duplicateRoute(method, pattern);
  const handler = isActixJs ? actixHandler(callback) : callback;
  state.routes.set(key, { method, pattern, handler, name: nameOf(callback) });
}

function actixHandler(callback) {
  return (req) => {
    const value = callback(null, req);
    if (typeof value === 'object' && value !== null && typeof value.then === 'function') {
      value.then(undefined, (err) => failed(req, err));
    }
  };
}

/** For people: `app.js#show`, the file that registers it and the function's name. */
function nameOf(callback) {
  const file = callerFile();
  const where = file === undefined ? 'code' : path.relative(process.cwd(), file);
  return callback.name ? `${where}#${callback.name}` : where;
}

/** The first file on the stack that is none of this package. */
function callerFile() {
  const prepare = Error.prepareStackTrace;
  const limit = Error.stackTraceLimit;
  try {
    Error.prepareStackTrace = (_, sites) => sites;
    Error.stackTraceLimit = 20;
    const sites = new Error().stack;
    const files = Array.isArray(sites) ? sites.map((site) => site.getFileName() ?? '') : [];
    const file = files.find((name) => path.isAbsolute(fromUrl(name)) && path.dirname(fromUrl(name)) !== __dirname);
    return file === undefined ? undefined : fromUrl(file);
  } finally {
    Error.prepareStackTrace = prepare;
    Error.stackTraceLimit = limit;
  }
}

const fromUrl = (name) => (name.startsWith('file:') ? require('node:url').fileURLToPath(name) : name);

function addHook(list, name, fn) {
  if (typeof fn !== 'function') throw errors.invalidArgument(`${name} takes a function`);
  if (state.frozen) throw errors.routesFrozen(name);
  list.push(fn);
}

/** fn() is awaited before the first request. */
const onStart = (fn) => addHook(state.start, 'onStart', fn);
/** fn({ reason }) runs after the last request, the latest first. */
const onStop = (fn) => addHook(state.stop, 'onStop', fn);

module.exports = {
  add,
  onStart,
  onStop,
  worker,
  /** In the order of registration. */
  routes: () => [...state.routes.values()],
  hooks: () => ({ start: [...state.start], stop: [...state.stop] }),
  clear: () => state.routes.clear(),
  freeze: () => void (state.frozen = true),
  /** Plain Node: a server that has stopped may start again with other routes. */
  thaw: () => void (state.frozen = false),
  /** What is registered now, and back to it: test.js opens one app after another in one environment. */
  save: () => ({ routes: new Map(state.routes), start: [...state.start], stop: [...state.stop] }),
  restore: ({ routes, start, stop }) => void Object.assign(state, { routes: new Map(routes), start: [...start], stop: [...stop] }),
  /** { id, count, generation, isolation } */
  setWorker: (values) => void Object.assign(worker, values),
  /** Under `actix serve`: { url, log(message) }; Server binds nothing then.  Without a url: { sentence } is what its start()
   *  returns.  undefined: a plain program again. */
  setServing: (values) => void (state.serving = values),
  serving: () => state.serving,
};
