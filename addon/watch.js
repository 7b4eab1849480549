'use strict';
// `actix dev`: which files this worker has loaded, for the supervisor to watch.  Those of CommonJS are in require.cache;
// what import has resolved is told by resolve.js.
const path = require('node:path');

const SOON_MS = 20;

const seen = new Set();
let tell; // undefined: nobody wants to know
let timer;

/** tell(files): absolute paths, each once. */
function start(fn) {
  tell = fn;
}

const isOfInterest = (file) =>
  path.isAbsolute(file) && path.dirname(file) !== __dirname && !file.includes(`${path.sep}node_modules${path.sep}`);

/** What was loaded up to now, by require and otherwise. */
function report() {
  if (tell === undefined) return;
  clearTimeout(timer);
  timer = undefined;
  for (const file of Object.keys(require.cache)) add(file);
  const files = [...fresh];
  fresh.clear();
  if (files.length > 0) tell(files);
}

const fresh = new Set();

function add(file) {
  if (seen.has(file) || !isOfInterest(file)) return;
  seen.add(file);
  fresh.add(file);
}

/** A module that import has found; it may come long after the start. */
function imported(file) {
  if (tell === undefined) return;
  add(file);
  if (fresh.size > 0) timer ??= setTimeout(report, SOON_MS);
}

module.exports = { start, report, imported, watching: () => tell !== undefined };
