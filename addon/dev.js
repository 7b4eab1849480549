'use strict';
// `actix dev`: errors as people want them: the lines around the place, on the terminal and as a page in the browser.
// Loaded with the first error only.
const fs = require('node:fs');
const path = require('node:path');
const tty = require('node:tty');
const { fileURLToPath } = require('node:url');

const AROUND = 3;
const WIDTH = 200;
const PLACE = /((?:file:\/\/)?\/[^\s():]+):(\d+)(?::(\d+))?/;

const toPath = (name) => (name.startsWith('file:') ? fileURLToPath(name) : name);
const isOurs = (file) => path.dirname(file) === __dirname;
const isPackage = (file) => file.includes(`${path.sep}node_modules${path.sep}`);

/** { file, line, col } of what user code threw, best a file of the app itself; undefined where none is to blame. */
function whereOf(err) {
  const stack = err instanceof Error && typeof err.stack === 'string' ? err.stack : '';
  const lines = stack.split('\n');
  const syntax = err instanceof SyntaxError ? syntaxPlace(lines) : undefined;
  if (syntax !== undefined) return syntax;
  const places = lines.filter((line) => /^\s+at /.test(line)).map(placeIn).filter((p) => p !== undefined && !isOurs(p.file));
  return places.find(({ file }) => !isPackage(file)) ?? places[0];
}

function placeIn(line) {
  const found = PLACE.exec(line);
  return found === null ? undefined : { file: toPath(found[1]), line: Number(found[2]), col: Number(found[3] ?? 0) };
}

/** Node says where in the first line, and the column with a caret two lines below. */
function syntaxPlace(lines) {
  const found = /^((?:file:\/\/)?\/[^\s()]+):(\d+)$/.exec(lines[0]);
  if (found === null) return undefined;
  return { file: toPath(found[1]), line: Number(found[2]), col: (lines[2] ?? '').indexOf('^') + 1 };
}

/** [{ n, text, hit }], the lines around a place; [] where the file cannot be read. */
function linesAround({ file, line }) {
  let text;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  const first = Math.max(1, line - AROUND);
  return text
    .split(/\r?\n/)
    .slice(first - 1, line + AROUND)
    .map((text, i) => ({ n: first + i, text: text.slice(0, WIDTH), hit: first + i === line }));
}

// ---- the terminal

const colored = () => tty.isatty(2) && !process.env.NO_COLOR && process.env.TERM !== 'dumb';

function frameText(where) {
  const [mark, off] = colored() ? ['\x1b[31m', '\x1b[0m'] : ['', ''];
  let out = '';
  for (const { n, text, hit } of linesAround(where)) {
    out += `${hit ? `${mark}>${off}` : ' '} ${String(n).padStart(4)} | ${text}\n`;
    if (hit && where.col > 0 && where.col < WIDTH) out += `       | ${' '.repeat(where.col - 1)}${mark}^${off}\n`;
  }
  return out;
}

const shown = (file, root) => (file.startsWith(root + path.sep) ? path.relative(root, file) : file);

const placeText = ({ file, line, col }, root) => `${shown(file, root)}:${line}${col > 0 ? `:${col}` : ''}`;

/** Where an error is best looked at: the code's own place, else that of the manifest. */
const placeFor = ({ where, at }, root) =>
  where ?? (at?.file ? { ...at, file: path.isAbsolute(at.file) ? at.file : path.resolve(root, path.basename(at.file)) } : undefined);

/** Errors of a start, with their lines, on stderr. */
function show(errors, { root }) {
  let out = '';
  for (const error of errors) {
    const place = placeFor(error, root);
    const manifest = error.at?.file ? `${error.at.file}:${error.at.line}:${error.at.col}: ` : '';
    out += `${manifest}${error.message}\n`;
    if (place !== undefined) out += `\n${placeText(place, root)}\n${frameText(place)}\n`;
  }
  process.stderr.write(out);
}

/** What a handler has thrown, with its lines and the stack below them, on stderr. */
function showFailure(what, err, request) {
  const root = process.cwd();
  const place = whereOf(err);
  const lines = err instanceof Error && typeof err.stack === 'string' ? err.stack.split('\n') : [String(err)];
  const stack = lines.filter((line) => /^\s+at /.test(line) && !isOurs(placeIn(line)?.file ?? ''));
  let out = `${request}: ${what}: ${lines.find((line) => !/^\s+at /.test(line)) ?? ''}\n`;
  if (place !== undefined) out += `\n${placeText(place, root)}\n${frameText(place)}\n`;
  process.stderr.write(`${out}${stack.map((line) => `${line}\n`).join('')}`);
}

// ---- the browser

const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ESCAPES[c]);

const STYLE =
  'body{font:15px/1.5 system-ui,sans-serif;margin:0;background:#fafafa;color:#222}main{max-width:60rem;margin:3rem auto;padding:0 1rem}' +
  'h1{font-size:1.3rem;color:#b00020;overflow-wrap:anywhere}h2{font:600 .95rem ui-monospace,monospace;margin:1.5rem 0 .3rem}' +
  'pre{background:#fff;border:1px solid #ddd;border-radius:6px;padding:.7rem;overflow:auto;font:13px/1.5 ui-monospace,monospace}' +
  'mark{background:#ffe3e6;color:inherit;display:inline-block;min-width:100%}small{color:#777}' +
  '@media(prefers-color-scheme:dark){body{background:#161616;color:#ddd}pre{background:#1f1f1f;border-color:#333}h1{color:#ff6b7d}mark{background:#4a1c22}}';

function frameHtml(where) {
  const rows = linesAround(where).map(({ n, text, hit }) => {
    const line = `${String(n).padStart(4)} | ${escape(text)}`;
    if (!hit) return line;
    const caret = where.col > 0 ? `\n     | ${' '.repeat(where.col - 1)}^` : '';
    return `<mark>${line}${caret}</mark>`;
  });
  return rows.length === 0 ? '' : `<pre>${rows.join('\n')}</pre>`;
}

function document(title, body) {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escape(title)}</title><style>${STYLE}</style><main>${body}</main></html>`;
}

function sectionOf(message, place, root) {
  const where = place === undefined ? '' : `<h2>${escape(placeText(place, root))}</h2>${frameHtml(place)}`;
  return `<h1>${escape(message)}</h1>${where}`;
}

/** The page of an error that a handler has thrown. */
function errorPage(status, message, err, { method, path: target }) {
  const root = process.cwd();
  const stack = err instanceof Error && typeof err.stack === 'string' ? `<h2>stack</h2><pre>${escape(err.stack)}</pre>` : '';
  const request = `<p><small>${escape(method)} ${escape(target)} was answered ${status}; actix dev shows this, actix serve does not</small></p>`;
  return document(`${status} ${message}`, `${sectionOf(message, whereOf(err), root)}${stack}${request}`);
}

/** The handler that answers while the code does not load. */
function brokenHandler(errors, { root }) {
  const body = errors.map((error) => sectionOf(error.message, placeFor(error, root), root)).join('');
  const page = document('the app does not load', `${body}<p><small>actix dev: the app is loaded again as soon as a file changes</small></p>`);
  const told = { error: 'the app does not load', errors: errors.map(({ message, where, at }) => ({ message, at: where ?? at })) };
  return (req) => {
    req.setStatusCode(500);
    req.addHeader('cache-control', 'no-store');
    if (!wantsHtml(req.getHeader('accept'))) return told;
    req.addHeader('content-type', 'text/html; charset=utf-8');
    return page;
  };
}

/** Browsers name text/html; curl, fetch and API clients do not. */
const wantsHtml = (accept) => typeof accept === 'string' && /\btext\/html\b/.test(accept);

/** The one route of an app that does not load, as of plan.d.ts. */
function brokenRoute(errors, plan) {
  return {
    pattern: '/*path',
    method: 'ANY',
    kind: 'handler',
    name: 'error page',
    headers: '',
    timeout_us: -1,
    body_max: plan.settings.limit_body,
    max_inflight: 0,
    inflight_group: 0,
    queue: 0,
    uploads: plan.uploads,
    handler: brokenHandler(errors, plan),
  };
}

module.exports = { whereOf, show, showFailure, errorPage, wantsHtml, brokenHandler, brokenRoute };
