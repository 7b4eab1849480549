'use strict';
// Work that handlers announced with req.waitUntil: watched, so that a failure is logged and a stop can wait for it.
const native = require('./native');

const pending = new Set();

function add(promise, route) {
  const work = Promise.resolve(promise).catch((err) => {
    const fields = ['route', route.pattern];
    if (err instanceof Error) fields.push('stack', String(err.stack));
    native.log(0, `work behind waitUntil failed: ${err instanceof Error ? err.message : String(err)}`, fields);
  });
  pending.add(work);
  work.finally(() => pending.delete(work));
}

/** Resolves when nothing is left, also of what was added meanwhile. */
async function settled() {
  while (pending.size > 0) await Promise.all(pending);
}

module.exports = { background: { add, settled } };
