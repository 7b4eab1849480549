'use strict';
// `use: [middleware/log.js]`: modules `async (req, next) => ...` around a handler, chained once, when the routes are loaded.

/** What a middleware returns is the answer; where it returns nothing, what next() gave is. */
function chain(uses, handler) {
  return uses.reduceRight((inner, use) => around(use, inner), handler);
}

function around(use, inner) {
  return (req) => {
    let given;
    let called = false;
    const next = () => {
      if (called) throw new Error('next() was called twice');
      called = true;
      given = inner(req);
      return given;
    };
    const value = use(req, next);
    if (value === undefined) return given;
    if (value === null || typeof value !== 'object' || typeof value.then !== 'function') return value;
    return value.then((result) => (result === undefined ? given : result));
  };
}

module.exports = { chain };
