'use strict';
// Requests of one batch share an async context, so a store that one handler enters (AsyncLocalStorage.enterWith) would be
// seen by the next, and on Node 18 to 22 by every later batch.  A context of its own for each request costs 42 ns, so it is
// made only from the moment on at which something in this environment has used async context at all: the methods that
// begin such use are wrapped before user code loads.
const { AsyncLocalStorage, AsyncResource, createHook } = require('node:async_hooks');

let used = false;

/** Wraps; onUse() is called once, when async context is used for the first time. */
function install(onUse) {
  const begin = () => {
    if (used) return;
    used = true;
    onUse();
  };
  const hooks = Object.getPrototypeOf(createHook({}));
  wrap(hooks, 'enable', begin);
  wrap(AsyncLocalStorage.prototype, 'enterWith', begin);
}

function wrap(target, name, before) {
  const original = target[name];
  target[name] = {
    [name](...args) {
      before();
      return Reflect.apply(original, this, args);
    },
  }[name];
}

/** Calls fn(req) in an async context of its own. */
function run(fn, req) {
  return new AsyncResource('ACTIX_REQUEST').runInAsyncScope(fn, undefined, req);
}

module.exports = { install, enabled: () => used, run };
