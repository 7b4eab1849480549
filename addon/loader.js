'use strict';
// From the plan to a table of routes: loads the modules, picks their exports, appends the routes registered in code.
// Used by the worker, which then serves the table, and by `actix check`, which only looks at it.
const fs = require('node:fs');
const path = require('node:path');
const { pathToFileURL, fileURLToPath } = require('node:url');
const { isModuleNamespaceObject } = require('node:util/types');
const native = require('./native');
const registry = require('./registry');
const { installImports } = require('./resolve');
const { isTypeScript, prepare: prepareTypeScript } = require('./typescript');

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'ANY'];
/** What Node says when require() meets a module that only import() can load. */
const NEEDS_IMPORT = new Set(['ERR_REQUIRE_ESM', 'ERR_REQUIRE_ASYNC_MODULE']);

/** An error about a place of the manifest; the message is one line. */
class PlanError extends Error {
  constructor(message, at) {
    super(message);
    this.at = at;
  }
}

/** Loads everything the plan names, all errors in one run.  routes: PlanRoute, with `handler` where kind is handler.
 *  `loading(name, at, errors so far)` is told before each module: one that never comes back is then known by name. */
async function load(plan, loading) {
  const errors = [];
  const attempt = async (work, at) => {
    try {
      return await work();
    } catch (err) {
      errors.push({ at: err instanceof PlanError ? (err.at ?? at) : at, message: err.message, where: err.where });
      return [];
    }
  };
  const modules = loaderOf(plan, (file, at) => loading(shown(file, plan.root), at, errors));
  for (const { file, at } of plan.modules) await attempt(() => modules(file, at), at);
  const routes = [];
  for (const route of plan.routes) routes.push(...(await attempt(() => expand(route, modules, plan.root), route.at)));
  routes.push(...fromCode(plan));
  errors.push(...clashes(routes));
  return { errors: once(errors), routes };
}

/** A module that fails is reported where it is named first. */
function once(errors) {
  const seen = new Set();
  return errors.filter(({ message }) => !seen.has(message) && seen.add(message));
}

// ---- modules

/** file => its exports; each file is loaded once, and fails as often as it is asked for. */
function loaderOf(plan, loading) {
  const known = new Map();
  return (file, at) => {
    let found = known.get(file);
    if (found === undefined) {
      loading(file, at);
      known.set(file, (found = loadFile(file, plan.root)));
    }
    return found;
  };
}

async function loadFile(file, root) {
  try {
    return await requireOrImport(file);
  } catch (err) {
    const failed = new PlanError(`cannot load ${shown(file, root)}: ${reasonOf(err, file, root)}`);
    failed.where = require('./dev').whereOf(err); // for `actix dev`
    throw failed;
  }
}

async function requireOrImport(file) {
  if (isTypeScript(file)) prepareTypeScript(file);
  if (!isEsm(file)) {
    try {
      return require(file);
    } catch (err) {
      if (!NEEDS_IMPORT.has(err?.code)) throw err;
    }
  }
  installImports();
  const loaded = await import(pathToFileURL(file).href);
  return Object.hasOwn(require.cache, file) ? require(file) : loaded; // it was CommonJS that only looked otherwise
}

/** Told beforehand, although newer Nodes can require() ESM: only import() knows of `actix-js` there. */
function isEsm(file) {
  const extension = path.extname(file);
  if (extension === '.mjs' || extension === '.mts') return true;
  if ((extension !== '.js' && extension !== '.ts') || !fs.existsSync(file)) return false;
  const type = packageType(path.dirname(file));
  return type === undefined ? /^(?:import|export)\b[\s{*"']/m.test(fs.readFileSync(file, 'utf8')) : type === 'module';
}

/** "type" of the nearest package.json. */
function packageType(dir) {
  const file = path.join(dir, 'package.json');
  if (fs.existsSync(file)) return JSON.parse(fs.readFileSync(file, 'utf8')).type;
  const parent = path.dirname(dir);
  return parent === dir ? undefined : packageType(parent);
}

const shown = (file, root) => (file.startsWith(root + path.sep) ? path.relative(root, file) : file);

/** One line: what is wrong, and where. */
function reasonOf(err, file, root) {
  if (!fs.existsSync(file)) return 'no such file';
  if (!(err instanceof Error)) return String(err).split('\n', 1)[0];
  const where = placeOf(err, root);
  const what = `${err.name === 'Error' ? '' : `${err.name}: `}${err.message}`.split('\n', 1)[0];
  return `${what}${where === undefined ? '' : ` (${where})`}${hintOf(err)}`;
}

function hintOf(err) {
  if (isEsmInCommonJs(err)) return '; name the file .mjs, or say "type": "module" in package.json';
  const missing = missingPackage(err);
  return missing === undefined ? '' : `; npm install ${missing}`;
}

/** `Cannot find module 'express/lib/x'` and what import says: the package to install, if it is no file. */
function missingPackage(err) {
  if (err.code !== 'MODULE_NOT_FOUND' && err.code !== 'ERR_MODULE_NOT_FOUND') return undefined;
  return /^Cannot find (?:module|package) '((?:@[\w.-]+\/)?[\w-][\w.-]*)(?:\/[^']*)?'/.exec(err.message)?.[1];
}

const isEsmInCommonJs = (err) =>
  err.name === 'SyntaxError' && /Cannot use import statement|Unexpected token 'export'/.test(err.message);

const PLACE = /(?<=^|[\s(])((?:file:\/\/)?\/[^\s():]+):(\d+(?::\d+)?)/g;

/** The first place in the stack that is a file of somebody else's: `handlers/a.js:3:9`. */
function placeOf(err, root) {
  for (const [, name, place] of String(err.stack).matchAll(PLACE)) {
    const file = name.startsWith('file:') ? fileURLToPath(name) : name;
    if (path.dirname(file) !== __dirname) return `${shown(file, root)}:${place}`;
  }
  return undefined;
}

// ---- exports

/** Named and default exports of either module system; module.exports = function is a default export. */
function exportsOf(loaded) {
  if (isModuleNamespaceObject(loaded)) return { named: loaded, main: loaded.default };
  if (typeof loaded === 'function') return { named: loaded, main: loaded };
  if (typeof loaded === 'object' && loaded !== null) return { named: loaded, main: loaded.default ?? fetchModule(loaded) };
  return { named: {}, main: undefined };
}

/** `module.exports = app` and `exports.fetch = ...` are a default export, too. */
const fetchModule = (loaded) => (typeof loaded.fetch === 'function' ? loaded : undefined);

/** The routes that one line of the manifest makes. */
async function expand(route, modules, root) {
  if (route.kind === 'node') return [await mounted(route, modules, root)];
  if (route.kind !== 'handler') return [route];
  const exported = exportsOf(await modules(route.module, route.at));
  const file = shown(route.module, root);
  const uses = await middlewares(route, modules, root);
  const methods = route.byExports ? METHODS.filter((m) => typeof own(exported.named, m) === 'function') : [];
  if (methods.length === 0) return [{ ...route, handler: around(route, uses, pick(route, exported, file)) }];
  return methods.map((method) => ({
    ...route,
    method,
    name: `${route.name}#${method}`,
    handler: around(route, uses, exported.named[method]),
  }));
}

async function middlewares(route, modules, root) {
  const uses = [];
  for (const { file, at } of route.use ?? []) uses.push(await middleware(file, at, modules, root));
  return uses;
}

async function middleware(file, at, modules, root) {
  const { main } = exportsOf(await placed(modules(file, at), at));
  if (typeof main === 'function') return main;
  throw new PlanError(`${shown(file, root)} is named under \`use\` but exports no default function (req, next) => ...`, at);
}

/** Where the module was named, not the route. */
async function placed(promise, at) {
  try {
    return await promise;
  } catch (err) {
    throw err instanceof PlanError ? new PlanError(err.message, at) : err;
  }
}

/** The handler behind its middleware; with `stream: true` the request's body comes in pieces. */
function around(route, uses, handler) {
  const inner = uses.length === 0 ? handler : require('./middleware').chain(uses, handler);
  const outer = route.stream === true ? require('./incoming').streamed(inner) : inner;
  if (handler.fetches === true) outer.fetches = true;
  return outer;
}

async function mounted(route, modules, root) {
  const loaded = await modules(route.module, route.at);
  const { main, named } = exportsOf(loaded);
  const value = route.export === undefined ? (main ?? loaded) : own(named, route.export);
  const uses = await middlewares(route, modules, root);
  const { mount, mountBehind } = require('./node'); // with node:http, which other apps do not need
  try {
    const listener = await require('./node_listener').listenerOf(value, route.export);
    if (uses.length === 0) return { ...route, handler: mount(listener, route) };
    return { ...route, handler: require('./middleware').chain(uses, mountBehind(listener, route)) };
  } catch (err) {
    throw new PlanError(`${shown(route.module, root)}: ${reasonOf(err, route.module, root)}`);
  }
}

const own = (object, name) => (Object.hasOwn(object, name) ? object[name] : undefined);

function pick(route, exported, file) {
  const name = route.export ?? (own(exported.named, route.method) === undefined ? undefined : route.method);
  const value = name === undefined || name === 'default' ? exported.main : own(exported.named, name);
  if (typeof value === 'function' && typeof value.fetch !== 'function') return value;
  if (isFetchModule(value)) return require('./fetch').handlerOf(value);
  throw new PlanError(complaint(route, name, value, exported, file));
}

const isFetchModule = (value) => value !== undefined && value !== null && typeof value.fetch === 'function';

function complaint(route, name, value, exported, file) {
  const there = Object.keys(exported.named).filter((key) => typeof exported.named[key] === 'function');
  const list = there.length === 0 ? 'it exports no function' : `it exports ${there.join(', ')}`;
  if (value !== undefined)
    return `${file}: ${name ?? 'the default export'} is ${kindOf(value)}, not a function (${list})`;
  if (name !== undefined) return `${file} has no export "${name}" (${list})${guess(name, there)}`;
  const method = METHODS.includes(route.method) && route.method !== 'ANY' ? route.method : undefined;
  const wanted = method === undefined ? 'no default' : `neither ${method} nor a default`;
  const near = (method === undefined ? METHODS : [method]).find((m) => there.includes(m.toLowerCase()));
  const help = near === undefined ? `; write ${example(method, path.extname(file))}` : `, did you mean ${near}?`;
  return `${file} exports ${wanted} function (${list})${help}`;
}

function example(method, extension) {
  const name = method ?? 'default';
  if (extension === '.mjs') return `export ${method === undefined ? name : `const ${name} =`} (req) => ...`;
  return `${method === undefined ? 'module.exports' : `exports.${name}`} = (req) => ...`;
}

const kindOf = (value) => (value === null ? 'null' : `${/^[aeiou]/.test(typeof value) ? 'an' : 'a'} ${typeof value}`);

function guess(name, there) {
  const most = name.length < 4 ? 1 : Math.max(2, name.length / 3); // two swapped letters count as two
  const near = there.find((key) => key.toLowerCase() === name.toLowerCase() || distance(key, name) <= most);
  return near === undefined ? '' : `, did you mean "${near}"?`;
}

/** Edit distance. */
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}

// ---- routes registered in code

function fromCode(plan) {
  return registry.routes().map(({ method, pattern, handler, name }) => ({
    pattern,
    method,
    kind: 'handler',
    name,
    headers: '',
    timeout_us: plan.settings.timeout_handler_us ?? -1,
    body_max: plan.settings.limit_body ?? -1,
    uploads: plan.uploads,
    at: undefined,
    handler,
  }));
}

/** Two patterns that differ only in the names of their parameters are the same route. */
const shapeOf = (route) => `${route.method} ${route.pattern.replace(/(^|\/)([:*])[^/]*/g, '$1$2')}`;

/** Bad patterns, and routes that are there twice: the manifest's own were checked when it was read, so this is about
 *  expanded exports and routes from code. */
function clashes(routes) {
  const errors = [];
  const first = new Map();
  for (const route of routes) {
    const wrong = native.checkPattern(route.pattern);
    if (wrong !== null) errors.push({ at: route.at, message: `route ${route.pattern} (${route.name}): ${wrong}` });
    const shape = shapeOf(route);
    const before = first.get(shape);
    if (before === undefined) first.set(shape, route);
    else errors.push({ at: route.at ?? before.at, message: twice(route, before) });
  }
  return errors;
}

const twice = (route, before) =>
  `route ${route.method} ${route.pattern} is there twice: ${before.name} and ${route.name}`;

module.exports = { load, placeOf };
