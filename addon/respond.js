'use strict';
// What a handler returns or throws becomes the response: docs/handlers.md.
const native = require('./native');
const { METHODS } = require('./names');
const { answer, openStream, closeStream, observe, refuse, methodOf, sentOf, OPEN, ANSWERED, NONE, TEXT, JSON_TEXT, BYTES } = require('./request');
const { ResponseHeaders, RenderedHeaders } = require('./headers');
const { Outgoing, isParting, sourceOf, withFirst, isStream, pump, stop } = require('./stream');

const HEAD = METHODS.indexOf('HEAD');

const development = process.env.NODE_ENV === 'development';

/** Levels of native.log */
const ERROR = 0;
const WARN = 1;
const DEBUG = 3;

/** Never throws. */
function respond(req, value) {
  try {
    if (typeof value === 'string') {
      if (req._sent !== OPEN) ignored(req);
      else answer(req, req._status || 200, TEXT, value);
    } else if (typeof value === 'object' && value !== null) fromObject(req, value);
    else if (value !== undefined) fromPrimitive(req, value);
  } catch (err) {
    failed(req, err);
  }
}

function fromPrimitive(req, value) {
  if (req._sent !== OPEN) ignored(req);
  else if (value === null) answer(req, req._status || 204, NONE, undefined);
  else if (typeof value === 'number' || typeof value === 'boolean') {
    answer(req, req._status || 200, JSON_TEXT, JSON.stringify(value));
  } else throw new TypeError(`a handler cannot answer with a ${typeof value}`);
}

function fromObject(req, value) {
  if (typeof value.then === 'function') return fromThenable(req, value);
  if (value instanceof Error) return failed(req, value);
  if (req._sent !== OPEN) return ignored(req);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    return answer(req, req._status || 200, BYTES, bytesOf(value));
  }
  if (light !== undefined && light.is(value)) return fromLight(req, value);
  if (isResponse(value)) return fromResponse(req, value);
  if (isStream(value)) return fromStream(req, value);
  return answer(req, req._status || 200, JSON_TEXT, JSON.stringify(value) ?? 'null');
}

function bytesOf(value) {
  if (value instanceof Uint8Array) return value;
  return value instanceof ArrayBuffer
    ? new Uint8Array(value)
    : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

function fromThenable(req, promise) {
  promise.then(
    (value) => (value === undefined ? settledEmpty(req) : respond(req, value)),
    (err) => failed(req, err),
  );
}

/** Nobody is left who could answer, unless the server has done so already. */
function settledEmpty(req) {
  if (req._sent !== OPEN || !native.alive(req._slot, req._gen)) return;
  failed(req, new Error('the handler gave no answer; is a return or an await missing?'));
}

// ---- a WHATWG Response, of whatever implementation

function isResponse(value) {
  return (
    typeof value.arrayBuffer === 'function' &&
    typeof value.status === 'number' &&
    typeof value.headers === 'object' &&
    value.headers !== null &&
    (typeof value.headers.forEach === 'function' || typeof value.headers.entries === 'function')
  );
}

/** The class of response.js, once it is loaded. */
let light;

function useLight(Response) {
  light = Response;
}

/** One that this server's own class made: nearly always its body is at hand. */
function fromLight(req, response) {
  const body = light.plainBodyOf(response);
  const status = light.statusOf(response);
  const list = light.listOf(response);
  if (body === undefined) return streamResponse(req, status, list, response.body);
  if (req._headers === null) req._headers = new RenderedHeaders(list);
  else addList(req._headers, list);
  if (body !== null && typeof body !== 'string') typeText(req);
  return answer(req, status, NONE, body ?? bodyForHead(req, response));
}

function bodyForHead(req, response) {
  const body = light.headBodyOf(response);
  return body !== undefined && native.method(req._slot, req._gen) === HEAD ? body : undefined;
}

function addList(headers, list) {
  for (let i = 0; i < list.length; i += 2) headers.add(list[i], list[i + 1]);
}

function streamResponse(req, status, list, body) {
  addList((req._headers ??= new ResponseHeaders()), list);
  typeText(req);
  return beginStream(req, status, NONE, sourceOf(body), bytesOnly);
}

/** What servers of fetch modules on Node say of a body that nobody has given a type: an app moves here unchanged. */
function typeText(req) {
  if (req._route.handler.fetches !== true || req._headers.find('content-type') >= 0) return;
  req._headers.add('content-type', 'text/plain; charset=UTF-8');
}

/** Of another implementation. */
function fromResponse(req, response) {
  const { status, body } = response;
  if (!Number.isInteger(status) || status < 200 || status > 999) {
    throw new RangeError(`a Response with status ${status} cannot be sent`);
  }
  adoptHeaders((req._headers ??= new ResponseHeaders()), response);
  if (body === null) return answer(req, status, NONE, undefined);
  typeText(req);
  if (typeof body === 'object' && isStream(body)) return guarded(req, fromBody(req, status, response));
  return guarded(req, response.arrayBuffer().then((buffer) => answer(req, status, NONE, new Uint8Array(buffer))));
}

function guarded(req, promise) {
  promise.then(undefined, (err) => failed(req, err));
}

/** Most bodies are one piece that is there already: they are sent whole, with their length. */
async function fromBody(req, status, { body }) {
  if (body.locked === true) throw new TypeError('the body of the Response was read already');
  const source = sourceOf(body);
  const first = await arrived(source.next());
  if (first.result?.done === true) return answerOnce(req, status, undefined);
  if (first.result === undefined) return beginStream(req, status, NONE, withFirst([first.promise], source), bytesOnly);
  const second = await arrived(source.next());
  if (second.result?.done === true) return answerOnce(req, status, bytesOnly(first.result.value));
  return beginStream(req, status, NONE, withFirst([first.promise, second.promise], source), bytesOnly);
}

function answerOnce(req, status, body) {
  if (req._sent !== OPEN) ignored(req);
  else answer(req, status, NONE, body);
}

/** How many turns of the microtask queue something that is there needs to arrive, with room to spare. */
const SOON = 12;

/** { promise, result }: the latter only if it comes without waiting for anything outside. */
async function arrived(promise) {
  let result;
  let failure;
  promise.then(
    (value) => (result = value),
    (error) => (failure = { error }),
  );
  for (let i = 0; i < SOON && result === undefined && failure === undefined; i++) await undefined;
  if (failure !== undefined) throw failure.error;
  return { promise, result };
}

// ---- streams

/** What the head says of a stream without a content-type is seen at its first piece, and an error before that is a plain
 *  500.  Where the type is known the head leaves at once. */
function fromStream(req, stream) {
  const source = sourceOf(stream);
  const status = req._status || 200;
  if (req._headers !== null && req._headers.typed) return beginStream(req, status, NONE, source, pieceOf);
  return untyped(req, status, source);
}

async function untyped(req, status, source) {
  const out = new Outgoing(req, () => undefined);
  out.onStop = (reason) => stop(source, reason);
  observe(req);
  let first;
  try {
    first = await source.next();
  } catch (err) {
    if (!out.over) failed(req, err);
    return;
  }
  if (out.over) return;
  try {
    if (first.done === true) answerOnce(req, status, undefined);
    else openTyped(req, status, withFirst([{ done: false, value: pieceOf(first.value) }], source), first.value);
  } catch (err) {
    stop(source, err);
    failed(req, err);
  }
}

function openTyped(req, status, source, first) {
  if (typeof first === 'string') beginStream(req, status, TEXT, source, pieceOf);
  else if (isBytes(first)) beginStream(req, status, BYTES, source, pieceOf);
  else {
    (req._headers ??= new ResponseHeaders()).add('content-type', 'application/x-ndjson');
    beginStream(req, status, NONE, source, pieceOf);
  }
}

const BODILESS = new Set([204, 205, 304]);

function beginStream(req, status, content, source, encode) {
  if (req._sent === ANSWERED) return ignored(req);
  const out = new Outgoing(req, () => closeStream(req));
  const length = req._headers === null ? -1 : req._headers.length;
  const taken = openStream(req, status, content, length, out);
  if (!taken || BODILESS.has(status) || native.method(req._slot, req._gen) === HEAD) {
    stop(source, undefined);
    return out.finish(undefined);
  }
  return pump(out, source, encode, (err) => failedLate(req, err, 'the response broke off'));
}

const isBytes = (value) => ArrayBuffer.isView(value) || value instanceof ArrayBuffer;

/** Of a Response's body. */
function bytesOnly(value) {
  if (typeof value === 'string') return value;
  if (typeof value === 'object' && value !== null && isBytes(value)) return bytesOf(value);
  throw new TypeError(`the body of a Response is bytes, and one piece of it is ${value === null ? 'null' : `a ${typeof value}`}`);
}

/** Strings and bytes are sent as they are, everything else as a line of JSON. */
function pieceOf(value) {
  if (typeof value === 'string') return value;
  if (typeof value === 'object' && value !== null && isBytes(value)) return bytesOf(value);
  const line = JSON.stringify(value);
  if (line === undefined) throw new TypeError(`a stream cannot carry a ${typeof value}`);
  return `${line}\n`;
}

/** Headers without getSetCookie (Node 18 of Debian 12) show several cookies as one line: a comma begins another where a
 *  name and "=" follow it, which is not so in a date. */
const cookies = (line) => line.split(/,\s*(?=[^\s;,=]+=)/);

function adoptHeaders(target, response) {
  const source = response.headers;
  // fetch() has undone the encoding of what it hands over, but still tells of it; only it sets `url`.
  const fetched = typeof response.url === 'string' && response.url !== '';
  const decoded = fetched && (source.get?.('content-encoding') ?? null) !== null;
  const list = typeof source.getSetCookie === 'function' ? source.getSetCookie() : undefined;
  const adopt = (value, name) => {
    const lower = String(name).toLowerCase();
    if (decoded && (lower === 'content-encoding' || lower === 'content-length')) return;
    if (lower !== 'set-cookie') target.add(String(name), String(value));
    else if (list === undefined) for (const cookie of cookies(String(value))) target.add('set-cookie', cookie);
  };
  if (typeof source.forEach === 'function') source.forEach(adopt);
  else for (const [name, value] of source.entries()) adopt(value, name);
  for (const cookie of list ?? []) target.add('set-cookie', cookie);
}

// ---- errors

/** A handler threw or rejected.  Never throws. */
function failed(req, err) {
  try {
    if (req._sent === OPEN && native.alive(req._slot, req._gen)) refuseWith(req, err);
    else failedLate(req, err);
  } catch {
    // An error whose own getters throw: it gets no say.
    if (req._sent === OPEN) refuse(req, 500, 'Internal Server Error');
  }
}

/** The handler has answered, or the server has with 504. */
function failedLate(req, err, what = 'error after the response') {
  native.lateError();
  report(req, isAborted(req, err) ? DEBUG : ERROR, what, err);
  req._memo?.more?.outgoing?.abort(err);
}

/** The handler was told to give up, so that it fails is no news. */
const isAborted = (req, err) => req._memo?.more?.abort?.signal.aborted === true || isParting(err);

function refuseWith(req, err) {
  const status = statusOf(err);
  report(req, status < 500 || isAborted(req, err) ? DEBUG : ERROR, 'the handler failed', err);
  const message = status < 500 || development ? toldOf(err) || reasonOf(status) : reasonOf(status);
  const limit = err?.code === 'ERR_UPLOAD_LIMIT' ? err.limit : undefined;
  if (development && limit === undefined) return refuseWithStack(req, status, message, err);
  return refuse(req, status, message, limit, status < 500 ? undefined : messageOf(err));
}

function refuseWithStack(req, status, message, err) {
  req._headers = null;
  const dev = require('./dev');
  if (dev.wantsHtml(native.header(req._slot, req._gen, 'accept'))) {
    req._headers = new ResponseHeaders();
    req._headers.add('content-type', 'text/html; charset=utf-8');
    return answer(req, status, NONE, dev.errorPage(status, message, err, { method: methodOf(native.method(req._slot, req._gen)), path: pathOf(req) }));
  }
  const path = status === 404 ? pathOf(req) : undefined;
  return answer(req, status, JSON_TEXT, JSON.stringify({ error: message, path, stack: stackOf(err) }));
}

function statusOf(err) {
  if (err === null || typeof err !== 'object') return 500;
  if (isErrorStatus(err.status)) return err.status;
  return isErrorStatus(err.statusCode) ? err.statusCode : 500;
}

const isErrorStatus = (n) => Number.isInteger(n) && n >= 400 && n <= 599;

// Loaded with the first error: it is the only use of node:http here.
const reasonOf = (status) => require('node:http').STATUS_CODES[status] ?? (status < 500 ? 'Bad Request' : 'Server Error');

/** What the client may read: what the thrower has put in words, never the inside of an object. */
function toldOf(err) {
  return err !== null && typeof err === 'object' && !('message' in err) ? '' : messageOf(err);
}

function messageOf(err) {
  if (err === null || typeof err !== 'object') return String(err);
  // Loaded with the first error that is none.
  return 'message' in err ? String(err.message) : require('node:util').inspect(err, { depth: 1, breakLength: Infinity });
}

function stackOf(err) {
  return err !== null && typeof err === 'object' && typeof err.stack === 'string' ? err.stack : undefined;
}

function ignored(req) {
  if (development) native.log(WARN, 'a value was returned after the response was sent; it is ignored', placeOf(req));
}

function report(req, level, what, err) {
  if (development && level === ERROR) return require('./dev').showFailure(what, err, routeText(req));
  const fields = placeOf(req);
  const stack = stackOf(err);
  if (stack !== undefined) fields.push('stack', stack);
  native.log(level, `${what}: ${messageOf(err)}`, fields);
}

/** As server/http/traceparent.h: version, trace-id, parent-id, flags; version 00 ends there. */
const TRACEPARENT = /^(?:00(?=.{53}$)|(?!00|ff)[\da-f]{2})-(?!0{32})([\da-f]{32})-(?!0{16})[\da-f]{16}-[\da-f]{2}(?:-.*)?$/;

const routeText = (req) => `${methodOf(native.method(req._slot, req._gen)) ?? req._route.method} ${pathOf(req) ?? req._route.pattern}`;

/** Flat fields that tell which request it was; what is gone is left out. */
function placeOf(req) {
  const fields = ['route', req._route.pattern];
  const method = methodOf(native.method(req._slot, req._gen));
  const path = pathOf(req);
  const id = native.requestId(req._slot, req._gen);
  if (method !== undefined) fields.push('method', method);
  if (path !== undefined) fields.push('path', path);
  if (id !== undefined) fields.push('id', id);
  const trace = TRACEPARENT.exec(native.header(req._slot, req._gen, 'traceparent') ?? '');
  if (trace !== null) fields.push('trace_id', trace[1]);
  return fields;
}

const pathOf = (req) => sentOf(native.path(req._slot, req._gen), req._route);

module.exports = { respond, failed, useLight };
