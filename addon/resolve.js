'use strict';
// `actix-js` and `@qunto/actix-js` mean this folder, without an install, whatever node_modules holds.
const Module = require('node:module');
const path = require('node:path');
const { fileURLToPath, pathToFileURL } = require('node:url');
const watch = require('./watch');

const NAMES = new Set(['actix-js', '@qunto/actix-js']);
const COMMONJS = path.join(__dirname, 'index.js');
const ESM = pathToFileURL(path.join(__dirname, 'index.mjs')).href;

let imports = false;

/** For require(), at once; for import from CommonJS, as soon as a file that may do so is compiled. */
function install() {
  const resolveFilename = Module._resolveFilename;
  Module._resolveFilename = function (request, ...rest) {
    return NAMES.has(request) ? COMMONJS : Reflect.apply(resolveFilename, this, [request, ...rest]);
  };
  const compile = Module.prototype._compile;
  Module.prototype._compile = function (content, filename, ...rest) {
    if (!imports && mayImport(String(content), filename)) installImports();
    return Reflect.apply(compile, this, [content, filename, ...rest]);
  };
}

/** JSDoc at the start of a line: its `import('actix-js').Handler` names a type and imports nothing. */
const JSDOC = /^[ \t]*\/\*\*[^]*?\*\//gm;

/** import() in this file, which may lead to a file that imports `actix-js`.  Packages do so only if they name it. */
function mayImport(content, filename) {
  if (path.dirname(filename) === __dirname || !/\bimport\s*\(/.test(content.replace(JSDOC, ''))) return false;
  return !filename.includes(`${path.sep}node_modules${path.sep}`) || content.includes('actix-js');
}

/** `actix dev` watches what was imported. */
function seen(resolved) {
  if (watch.watching() && resolved.url.startsWith('file:')) watch.imported(fileURLToPath(resolved.url));
  return resolved;
}

/** The hooks run on a thread of Node's own; what they have seen comes over a port. */
function register() {
  const parentURL = pathToFileURL(__filename).href;
  if (!watch.watching()) return Module.register('./hooks.mjs', { parentURL, data: { target: ESM } });
  const { port1, port2 } = new MessageChannel();
  port1.on('message', (url) => watch.imported(fileURLToPath(url)));
  port1.unref();
  return Module.register('./hooks.mjs', { parentURL, data: { target: ESM, port: port2 }, transferList: [port2] });
}

/** For import.  Node 18 and 20 start a thread for it, 8 MB in each worker, so only those who import pay. */
function installImports() {
  if (imports) return;
  imports = true;
  if (typeof Module.registerHooks === 'function') {
    Module.registerHooks({
      resolve: (specifier, context, next) =>
        NAMES.has(specifier) ? { url: ESM, format: 'module', shortCircuit: true } : seen(next(specifier, context)),
    });
  } else register();
}

module.exports = { install, installImports };
