'use strict';
// What user code has thrown and nobody caught, as text for a log line: what, where, and which routes it may come from.
// Anything can be thrown, so nothing here trusts it.
const path = require('node:path');
const { inspect } = require('node:util');

/** One line. */
function lineOf(err) {
  return textOf(err).split('\n', 1)[0];
}

function textOf(err) {
  try {
    if (err instanceof Error) return `${err.name}: ${err.message}`;
    return typeof err === 'string' ? err : inspect(err, { depth: 1, breakLength: Infinity });
  } catch {
    return 'a value that cannot be shown';
  }
}

/** Flat log fields. */
function stackOf(err) {
  const stack = stackText(err);
  return stack === '' ? [] : ['stack', stack];
}

function stackText(err) {
  try {
    return err instanceof Error && typeof err.stack === 'string' ? err.stack : '';
  } catch {
    return '';
  }
}

/** The routes whose handler the stack passes through; where that cannot be told, those of the same file. */
function candidates(err, routes) {
  const lines = stackText(err).split('\n');
  const near = routes.filter((r) => (r.kind === 'handler' || r.kind === 'node') && lines.some((line) => line.includes(`${fileOf(r)}:`)));
  const exact = near.filter((r) => lines.some((line) => line.includes(`${fileOf(r)}:`) && isCallOf(line, exportOf(r))));
  return exact.length > 0 ? exact : near;
}

/** Flat log fields. */
function routeOf(err, routes) {
  const patterns = candidates(err, routes).map((r) => r.pattern);
  return patterns.length === 0 ? [] : ['route', [...new Set(patterns)].join(', ')];
}

/** The one route that it must have been, as { method, pattern }, or null. */
function blamed(err, routes) {
  const found = candidates(err, routes);
  return found.length === 1 ? { method: found[0].method, pattern: found[0].pattern } : null;
}

/** A route that code has registered tells its file in its name: `app.js#show`. */
const fileOf = (route) => route.module ?? path.resolve(route.name.split('#', 1)[0]);

const exportOf = (route) => route.name.split('#')[1];

/** `    at async exports.show [as handler] (/app/h.js:1:2)` is a call of show. */
function isCallOf(line, name) {
  if (name === undefined) return false;
  const called = /^\s*at (?:async )?(?:new )?([^\s(]+)/.exec(line)?.[1];
  return called !== undefined && called.slice(called.lastIndexOf('.') + 1) === name;
}

module.exports = { lineOf, stackOf, routeOf, blamed };
