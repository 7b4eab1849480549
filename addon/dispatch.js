'use strict';
// The one function that native code calls, once per batch of requests.
const { Request, share, gone, OPEN } = require('./request');
const { respond, failed } = require('./respond');
const { sweep } = require('./uploads');
const isolate = require('./isolate');
const eager = require('./eager');
const apm = require('./apm');

// Words of `batch`, see native.d.ts
const COUNT = 0;
const SLICE_OVER = 1;
const ENTERED = 2;
const FIRST = 8;
const WORDS = 3;

/** What dispatch and a request know of a route: its id is the place in the table, from 1.  `sent` is its pattern as a
 *  path is shown, in latin1. */
function record({ method, pattern, handler, name, kind = 'handler', body_max: bodyMax }, id, uploads) {
  const sent = Buffer.from(pattern).toString('latin1');
  return { id, method, pattern, sent, handler, name, names: undefined, uploads, kind, bodyMax };
}

/** `routes[i]` is the record of route id i + 1.  Returns how many requests were
 *  entered; the rest of the batch comes first in the next turn. */
function makeDispatch(native, batch, routes) {
  sweepUploads(routes);
  share(batch);
  apm.install(routes);

  function enter(i) {
    const at = FIRST + WORDS * i;
    batch[ENTERED] = i;
    const route = routes[batch[at + 2] - 1];
    const req = new Request(batch[at], batch[at + 1], route);
    try {
      if (eager.enabled) eager.materialize(req);
      const value = isolate.enabled() ? isolate.run(route.handler, req) : route.handler(req);
      if (value !== undefined) respond(req, value);
    } catch (err) {
      failed(req, err);
    }
    if (req._sent === OPEN) native.tick();
  }

  return function dispatch() {
    const count = batch[COUNT];
    const isolated = isolate.enabled();
    let i = 0;
    while (i < count) {
      enter(i++);
      // The first handler that uses async context leaves it behind: the rest runs in a context of its own.
      if (batch[SLICE_OVER] === 1 || isolate.enabled() !== isolated) break;
    }
    batch[ENTERED] = count; // all that will be: what runs from here on is microtasks
    return i;
  };
}

/** A crash may have left uploads that nobody keeps. */
function sweepUploads(routes) {
  const dirs = new Set();
  for (const { uploads } of routes) if (uploads?.keep === false) dirs.add(uploads.dir);
  for (const dir of dirs) sweep(dir);
}

module.exports = { makeDispatch, record, gone };
