'use strict';
// TypeScript handlers.  Three ways, the first that is there: Node's own type stripping (22.18 and later), Node's function
// for it (module.stripTypeScriptTypes, 22.13 and later), the esbuild of the project.  Types are dropped, not checked.
// With the last two a file is compiled to CommonJS when require() meets it, and by hooks-ts.mjs for import.
const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

const EXTENSIONS = ['.ts', '.mts', '.cts'];

let installed = false;

const isTypeScript = (file) => EXTENSIONS.includes(path.extname(file));

/** Node does it all by itself. */
const isNative = () => Boolean(process.features.typescript);

/** The project's own, from the folder of the file on. */
function findEsbuild(file) {
  try {
    return Module.createRequire(file).resolve('esbuild');
  } catch {
    return undefined;
  }
}

/** Makes require() and import take TypeScript; the reason as an Error where that is not possible. */
function prepare(file) {
  if (installed || isNative()) return;
  const esbuild = findEsbuild(file);
  if (esbuild === undefined && typeof Module.stripTypeScriptTypes !== 'function') {
    throw new Error(
      `this Node (${process.version}) cannot read TypeScript: use Node 22.18 or later, or npm install --save-dev esbuild`,
    );
  }
  installed = true;
  process.setSourceMapsEnabled(true);
  const transform = esbuild === undefined ? strip : bundlerOf(require(esbuild));
  for (const extension of EXTENSIONS) Module._extensions[extension] = (module, name) => compile(module, name, transform);
  installImport(esbuild);
}

/** Stripping leaves every line and column where it was, so it needs no source map. */
function strip(source, file, format) {
  if (format === 'cjs' && /^(?:import|export)\b[\s{*"']/m.test(source)) {
    throw Object.assign(new Error(`${file} is an ES module`), { code: 'ERR_REQUIRE_ESM' });
  }
  return silently(() => Module.stripTypeScriptTypes(source, { mode: 'strip', sourceUrl: pathToFileURL(file).href }));
}

/** Node calls it experimental, once in each process. */
function silently(fn) {
  const emit = process.emitWarning;
  process.emitWarning = () => undefined;
  try {
    return fn();
  } finally {
    process.emitWarning = emit;
  }
}

function bundlerOf(esbuild) {
  return (source, file, format) => {
    try {
      return esbuild.transformSync(source, {
        loader: 'ts',
        format,
        target: `node${process.versions.node}`,
        sourcefile: file,
        sourcemap: 'inline',
        sourcesContent: false,
        logLevel: 'silent',
      }).code;
    } catch (err) {
      throw located(err, file);
    }
  };
}

/** esbuild's complaint as Node would make it: the place in the first line, a caret below. */
function located(err, file) {
  const [first] = err.errors ?? [];
  if (first?.location == null) return err;
  const { line, column, lineText } = first.location;
  const wrong = new SyntaxError(first.text);
  wrong.stack = `${file}:${line}\n${lineText}\n${' '.repeat(column)}^\n\nSyntaxError: ${first.text}`;
  return wrong;
}

function compile(module, file, transform) {
  module._compile(transform(fs.readFileSync(file, 'utf8'), file, 'cjs'), file);
}

/** import of a .ts file: on a thread of Node's own, once in each worker that needs it. */
function installImport(esbuild) {
  Module.register('./hooks-ts.mjs', { parentURL: pathToFileURL(__filename).href, data: { esbuild } });
}

module.exports = { isTypeScript, isNative, prepare, EXTENSIONS };
