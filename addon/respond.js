'use strict';
// What a handler returns or throws becomes the response: docs/handlers.md.
const native = require('./native');
const { answer, refuse, methodOf, sentOf, OPEN, NONE, TEXT, JSON_TEXT, BYTES } = require('./request');
const { ResponseHeaders } = require('./headers');
const { notSupported } = require('./errors');

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
  if (isResponse(value)) return fromResponse(req, value);
  if (isStream(value)) throw notSupported('returning a stream or an async iterable');
  return answer(req, req._status || 200, JSON_TEXT, JSON.stringify(value) ?? 'null');
}

function bytesOf(value) {
  if (value instanceof Uint8Array) return value;
  return value instanceof ArrayBuffer
    ? new Uint8Array(value)
    : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

function isStream(value) {
  return (
    typeof value[Symbol.asyncIterator] === 'function' ||
    typeof value.getReader === 'function' ||
    (typeof value.pipe === 'function' && typeof value.on === 'function')
  );
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

function fromResponse(req, response) {
  if (response.body === null) return sendResponse(req, response, undefined);
  response.arrayBuffer().then(
    (buffer) => {
      try {
        sendResponse(req, response, new Uint8Array(buffer));
      } catch (err) {
        failed(req, err);
      }
    },
    (err) => failed(req, err),
  );
}

function sendResponse(req, response, body) {
  if (req._sent !== OPEN) return ignored(req);
  const status = response.status;
  if (!Number.isInteger(status) || status < 200 || status > 999) {
    throw new RangeError(`a Response with status ${status} cannot be sent`);
  }
  adoptHeaders((req._headers ??= new ResponseHeaders()), response);
  answer(req, status, NONE, body);
}

/** Headers without getSetCookie (Node 18 of Debian 12) show several cookies as one line: a comma begins another where a
 *  name and "=" follow it, which is not so in a date. */
const cookies = (line) => line.split(/,\s*(?=[^\s;,=]+=)/);

function adoptHeaders(target, response) {
  const source = response.headers;
  // fetch() has undone the encoding of what it hands over, but still tells of it; only it sets `url`.
  const decoded = typeof response.url === 'string' && response.url !== '';
  const list = typeof source.getSetCookie === 'function' ? source.getSetCookie() : undefined;
  const adopt = (value, name) => {
    const lower = String(name).toLowerCase();
    if (lower === 'content-encoding' && decoded) return;
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
function failedLate(req, err) {
  native.lateError();
  report(req, isAborted(req) ? DEBUG : ERROR, 'error after the response', err);
}

/** The handler was told to give up, so that it fails is no news. */
const isAborted = (req) => req._memo?.more?.abort?.signal.aborted === true;

function refuseWith(req, err) {
  const status = statusOf(err);
  report(req, status < 500 || isAborted(req) ? DEBUG : ERROR, 'the handler failed', err);
  const message = status < 500 || development ? toldOf(err) || reasonOf(status) : reasonOf(status);
  const limit = err?.code === 'ERR_UPLOAD_LIMIT' ? err.limit : undefined;
  if (development && limit === undefined) return refuseWithStack(req, status, message, err);
  return refuse(req, status, message, limit, status < 500 ? undefined : messageOf(err));
}

function refuseWithStack(req, status, message, err) {
  req._headers = null;
  const path = status === 404 ? pathOf(req) : undefined;
  answer(req, status, JSON_TEXT, JSON.stringify({ error: message, path, stack: stackOf(err) }));
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
  const fields = placeOf(req);
  const stack = stackOf(err);
  if (stack !== undefined) fields.push('stack', stack);
  native.log(level, `${what}: ${messageOf(err)}`, fields);
}

/** Flat fields that tell which request it was; what is gone is left out. */
function placeOf(req) {
  const fields = ['route', req._route.pattern];
  const method = methodOf(native.method(req._slot, req._gen));
  const path = pathOf(req);
  const id = native.requestId(req._slot, req._gen);
  if (method !== undefined) fields.push('method', method);
  if (path !== undefined) fields.push('path', path);
  if (id !== undefined) fields.push('id', id);
  return fields;
}

const pathOf = (req) => sentOf(native.path(req._slot, req._gen), req._route);

module.exports = { respond, failed };
