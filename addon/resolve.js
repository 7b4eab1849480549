'use strict';
// `actix-js` and `@qunto/actix-js` mean this folder, without an install, whatever node_modules holds.
const Module = require('node:module');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

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
  Module.prototype._compile = function (content, ...rest) {
    if (!imports && typeof content === 'string' && /\bimport\s*\(/.test(content)) installImports();
    return Reflect.apply(compile, this, [content, ...rest]);
  };
}

/** For import.  Node 18 and 20 start a thread for it, some megabytes in each worker, so only those who import pay. */
function installImports() {
  if (imports) return;
  imports = true;
  if (typeof Module.registerHooks === 'function') {
    Module.registerHooks({
      resolve: (specifier, context, next) =>
        NAMES.has(specifier) ? { url: ESM, format: 'module', shortCircuit: true } : next(specifier, context),
    });
  } else Module.register('./hooks.mjs', { parentURL: pathToFileURL(__filename).href, data: ESM });
}

module.exports = { install, installImports };
