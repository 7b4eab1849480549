'use strict';
// Package actix-js: the Actix-JS interface, and what handler modules need besides their request.
const native = require('./native');
const registry = require('./registry');
const { Request } = require('./request');
const { Server } = require('./server');
const { invalidRoute } = require('./errors');
const isolate = require('./isolate');

// Under `actix serve` the worker has done it, before any user code.
if (registry.serving() === undefined) isolate.install(native.renewContext);

const Methods = Object.freeze({ GET: 0, POST: 1, PUT: 2, PATCH: 3, DELETE: 4 });
const NAMES = Object.keys(Methods);
const EXIT_DELAY_MS = 100;

const register = (method) => (route, callback) => registry.add(method, route, callback, true);

function newRoute(route, method, callback) {
  if (NAMES[method] === undefined) throw invalidRoute(`unknown method ${String(method)} for route ${String(route)}; see Methods`);
  registry.add(NAMES[method], route, callback, true);
}

/** Empties the registry; a server that runs keeps its routes until it stops. */
function cleanupRouter() {
  registry.clear();
}

/** The native route cache belongs to a frozen table and is bounded: there is nothing stale in it to drop. */
function clearRouterCache() {}

function forceCleanup() {
  registry.clear();
  Server.closeAll();
}

function forceExit() {
  const serving = registry.serving();
  if (serving !== undefined) serving.log('forceExit is ignored: actix ends its workers itself');
  else setTimeout(() => process.exit(0), EXIT_DELAY_MS);
}

module.exports = {
  Server,
  RequestWrapper: Request,
  DetachedRequestWrapper: Request,
  Methods,
  get: register('GET'),
  post: register('POST'),
  put: register('PUT'),
  patch: register('PATCH'),
  del: register('DELETE'),
  getAsync: register('GET'),
  postAsync: register('POST'),
  putAsync: register('PUT'),
  patchAsync: register('PATCH'),
  delAsync: register('DELETE'),
  newRoute,
  newRouteAsync: newRoute,
  cleanupRouter,
  clearRouterCache,
  forceCleanup,
  forceExit,
  sum: (a, b) => a + b,
  onStart: registry.onStart,
  onStop: registry.onStop,
  worker: registry.worker,
};
