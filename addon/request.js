'use strict';
// One request as a handler sees it.  The object is small and fresh for each request, never pooled: user code may keep
// it.  Everything is read from native code on first use and kept; (slot, gen) names the request there, and a call with a
// stale pair touches nothing.
const native = require('./native');
const errors = require('./errors');
const { METHODS, asKeys, fieldKey, fieldName } = require('./names');
const { incoming, cookies, own, ResponseHeaders } = require('./headers');
const query = require('./query');
const forms = require('./forms');
const { background } = require('./background');
const { streamEvent } = require('./stream');

// `content` of native.send
const NONE = 0;
const TEXT = 1;
const JSON_TEXT = 2;
const BYTES = 3;

// `_sent`: who has answered.  After the server has answered for a handler that failed, the handler's own first send is
// late, not a second one.
const OPEN = 0;
const ANSWERED = 1;
const REFUSED = 2;

// Words of the batch that native.sendString reads, see native.d.ts
const SEND_SLOT = 3;
const SEND_GEN = 4;
const SEND_KIND = 5;
let words = new Int32Array(8);

/** The batch of this environment's worker. */
function share(batch) {
  words = batch;
}

/** From this length on native.sendString measures the text itself. */
const LENGTH_MAX = (1 << 17) - 1;

const DONE = Promise.resolve();

/** What has been read so far; made with the first read, and small: nearly every handler reads something. */
class Memo {
  constructor() {
    this.method = undefined;
    this.path = undefined;
    this.search = undefined;
    this.query = undefined;
    this.queryParams = undefined;
    this.values = undefined; // of the path's parameters, in the order of route.names
    this.read = undefined; // single headers: a chain of Read
    this.headers = undefined;
    this.bodyString = undefined;
    this.json = undefined;
    this.more = undefined; // More
  }
}

/** What is read less often. */
class More {
  constructor() {
    this.uri = undefined;
    this.param = undefined; // single parameters, by their place
    this.pathParams = undefined;
    this.params = undefined;
    this.cookies = undefined;
    this.bodySize = undefined;
    this.bodyBuffer = undefined;
    this.form = undefined; // { value, error }
    this.formComing = undefined; // promise of it
    this.id = undefined;
    this.ip = undefined;
    this.protocol = undefined;
    this.host = undefined;
    this.abort = undefined; // AbortController behind `signal`
    this.temporary = undefined; // paths to delete when the response is sent
    this.outgoing = undefined; // stream.js: a response that is still being written
    this.incoming = undefined; // incoming.js: a body that is read in pieces
    this.bodyStream = undefined;
    this.trace = undefined; // apm.js: told of the end
  }
}

/** A header that was asked for by itself, and those before it. */
class Read {
  constructor(key, value, next) {
    this.key = key; // of fieldKey
    this.value = value;
    this.next = next;
  }
}

/** Requests that want to know of their end: slot -> Request.  An entry leaves with the answer or with gone(). */
const watched = new Map();

class Request {
  constructor(slot, gen, route) {
    this._slot = slot;
    this._gen = gen;
    this._route = route;
    this._sent = OPEN;
    this._status = 0; // 0 = not set
    this._headers = null; // ResponseHeaders
    this._memo = null; // Memo
  }

  // ---- reading

  get method() {
    const memo = this._memo ?? remember(this);
    return (memo.method ??= methodOf(live(native.method(this._slot, this._gen), 'the method')));
  }

  get path() {
    const memo = this._memo ?? remember(this);
    return (memo.path ??= sentOf(live(native.path(this._slot, this._gen), 'the path'), this._route));
  }

  getMethod() {
    return this.method;
  }

  getPath() {
    return this.path;
  }

  getUri() {
    const more = moreOf(this);
    return (more.uri ??= sentOf(live(native.uri(this._slot, this._gen), 'the URI'), this._route));
  }

  getQueryString() {
    const memo = this._memo ?? remember(this);
    return (memo.search ??= live(native.query(this._slot, this._gen), 'the query'));
  }

  getQueryParams() {
    const memo = this._memo ?? remember(this);
    return (memo.queryParams ??= query.lastOfEach(this.getQueryString(), this._slot, this._gen));
  }

  get query() {
    const memo = this._memo ?? remember(this);
    return (memo.query ??= query.listOfEach(this.getQueryString(), this._slot, this._gen));
  }

  getPathParam(name) {
    const names = namesOf(this._route);
    const at = names.indexOf(name);
    if (at < 0) return null;
    const memo = this._memo ?? remember(this);
    if (memo.values !== undefined) return memo.values[at];
    const value = native.param(this._slot, this._gen, at);
    if (value === undefined) return paramReadBefore(memo, at);
    if (names.length === 1) memo.values = [value];
    else (moreOf(this).param ??= new Array(names.length))[at] = value;
    return value;
  }

  getPathParams() {
    const more = moreOf(this);
    return (more.pathParams ??= named({}, namesOf(this._route), paramValues(this)));
  }

  get params() {
    const more = moreOf(this);
    return (more.params ??= named(Object.create(null), namesOf(this._route), paramValues(this)));
  }

  getHeader(name) {
    const key = fieldKey(name);
    const memo = this._memo ?? remember(this);
    for (let read = memo.read; read !== undefined; read = read.next) if (read.key === key) return read.value;
    const value =
      typeof key === 'number' ? native.headerAt(this._slot, this._gen, key) : native.header(this._slot, this._gen, key);
    if (value === undefined) return headerOfAll(memo, fieldName(key));
    memo.read = new Read(key, value, memo.read);
    return value;
  }

  getHeaders() {
    return this.headers;
  }

  get headers() {
    const memo = this._memo ?? remember(this);
    return (memo.headers ??= live(incoming(this._slot, this._gen), 'the headers'));
  }

  get cookies() {
    const more = moreOf(this);
    return (more.cookies ??= cookies(cookieOf(this)));
  }

  getBodySize() {
    const more = moreOf(this);
    return (more.bodySize ??= live(native.bodySize(this._slot, this._gen), 'the body size'));
  }

  hasBody() {
    return this.getBodySize() > 0;
  }

  getBodyString() {
    const memo = this._memo ?? remember(this);
    return (memo.bodyString ??= live(native.bodyString(this._slot, this._gen), 'the body'));
  }

  /** A copy that belongs to the caller; each call makes one. */
  getBodyBuffer() {
    const fresh = native.bodyBuffer(this._slot, this._gen);
    const more = moreOf(this);
    if (fresh === undefined) return Buffer.from(live(more.bodyBuffer, 'the body'));
    more.bodyBuffer ??= fresh;
    return fresh;
  }

  getBodyJson() {
    const memo = this._memo ?? remember(this);
    if (memo.json === undefined) memo.json = parsed(this.getBodyString());
    return memo.json.value;
  }

  async text() {
    return withoutBom(this.getBodyString());
  }

  async json() {
    const memo = this._memo ?? remember(this);
    if (memo.json === undefined) memo.json = parsed(this.getBodyString());
    if (memo.json.error !== undefined) throw errors.bodyNotJson(memo.json.error);
    return memo.json.value;
  }

  async bytes() {
    return this.getBodyBuffer();
  }

  form() {
    return this.getFormDataAsync();
  }

  getFormData() {
    const more = moreOf(this);
    const form = forms.read(this, more);
    if (more.temporary !== undefined) keepUntilSent(this, more);
    return form;
  }

  async getFormDataAsync() {
    const more = moreOf(this);
    const form = await forms.readAsync(this, more);
    if (more.temporary !== undefined) keepUntilSent(this, more);
    return form;
  }

  getFormValue(key) {
    return valueOf(this.getFormData(), key);
  }

  getFormValueAsync(key) {
    return this.getFormDataAsync().then((form) => valueOf(form, key));
  }

  get id() {
    const more = moreOf(this);
    return (more.id ??= live(native.requestId(this._slot, this._gen), 'the id'));
  }

  get ip() {
    const more = moreOf(this);
    return (more.ip ??= live(native.remoteAddress(this._slot, this._gen), 'the address'));
  }

  get protocol() {
    const more = moreOf(this);
    return (more.protocol ??= live(native.https(this._slot, this._gen), 'the protocol') ? 'https' : 'http');
  }

  get host() {
    const more = moreOf(this);
    return (more.host ??= live(native.host(this._slot, this._gen), 'the host'));
  }

  get auth() {
    const more = moreOf(this);
    return (more.auth ??= JSON.parse(live(native.identity(this._slot, this._gen), 'who logged in')));
  }

  /** Where the route has `stream: true`, StreamRequest has its own of these four. */
  get streamed() {
    return false;
  }

  get body() {
    const more = moreOf(this);
    return (more.bodyStream ??= streamOf(this.getBodyBuffer()));
  }

  get readable() {
    return require('node:stream').Readable.from([this.getBodyBuffer()], { objectMode: false });
  }

  mayHaveBody() {
    return this.hasBody();
  }

  /** Server-sent events: the head leaves at once. */
  sse(options) {
    return require('./sse').open(this, options);
  }

  get signal() {
    const more = moreOf(this);
    return (more.abort ??= watch(this)).signal;
  }

  /** Work that goes on after the response: its failure is logged, a stop waits for it. */
  waitUntil(promise) {
    background.add(promise, this._route);
  }

  /** What JSON and console.log show: nothing of the machinery. */
  toJSON() {
    return shown(this);
  }

  [Symbol.for('nodejs.util.inspect.custom')](depth, options, inspect) {
    return `Request ${inspect(shown(this), options)}`;
  }

  // ---- answering

  setStatusCode(status) {
    if (this._sent !== OPEN || !Number.isInteger(status) || status < 200 || status > 999) return false;
    this._status = status;
    return true;
  }

  addHeader(name, value) {
    if (this._sent === ANSWERED) throw errors.responseSent();
    (this._headers ??= new ResponseHeaders()).add(name, value);
  }

  sendText(text) {
    if (typeof text !== 'string') throw errors.invalidArgument('sendText takes a string');
    answer(this, this._status || 200, TEXT, text);
  }

  sendJson(json) {
    if (typeof json !== 'string') throw errors.invalidArgument('sendJson takes JSON text; sendObject takes a value');
    answer(this, this._status || 200, JSON_TEXT, json);
  }

  sendObject(value) {
    answer(this, this._status || 200, JSON_TEXT, JSON.stringify(value) ?? 'null');
  }

  sendEmpty() {
    answer(this, this._status || 200, NONE, undefined);
  }

  sendError(message = 'Internal Server Error') {
    answer(this, this._status >= 400 ? this._status : 500, TEXT, String(message ?? 'Internal Server Error'));
  }
}

/** The form of a method that returns a promise and never throws. */
function promised(method) {
  return function (a, b) {
    try {
      const value = method.call(this, a, b);
      return value === undefined ? DONE : Promise.resolve(value);
    } catch (err) {
      return Promise.reject(err);
    }
  };
}
for (const name of ['sendText', 'sendJson', 'sendObject', 'sendEmpty', 'sendError', 'setStatusCode', 'addHeader']) {
  const value = promised(Request.prototype[name]);
  Object.defineProperty(value, 'name', { value: `${name}Async` });
  Object.defineProperty(Request.prototype, `${name}Async`, { value, writable: true, configurable: true });
}

/** Every answer of a handler goes through here, once per request.  A stale request makes native.send return false and
 *  count a late send; the handler is none the wiser. */
function answer(req, status, content, body) {
  if (req._sent !== OPEN) return answerAgain(req);
  const headers = req._headers;
  if (headers === null && typeof body === 'string') sendString(req, status, content, body);
  else if (headers === null) native.send(req._slot, req._gen, status, content, body);
  else native.send(req._slot, req._gen, status, headers.typed ? NONE : content, body, headers.render());
  req._sent = ANSWERED;
  if (req._memo !== null && req._memo.more !== undefined) end(req, req._memo.more, status);
}

/** The head of a response whose body follows through `outgoing` (stream.js); length: bytes, -1 = unknown.  False when
 *  somebody has answered before.  The request's end comes with closeStream. */
function openStream(req, status, content, length, outgoing) {
  const headers = req._headers;
  const late = req._sent === REFUSED;
  const lines = headers === null ? undefined : headers.render();
  const kind = headers !== null && headers.typed ? NONE : content;
  req._sent = ANSWERED;
  outgoing.status = status;
  moreOf(req).outgoing = outgoing;
  return native.streamOpen(req._slot, req._gen, status, kind, lines, length) && !late;
}

/** Of Node 18 the stream of an empty Blob has a piece, of no bytes. */
const streamOf = (bytes) => (bytes.length > 0 ? new Blob([bytes]).stream() : new ReadableStream({ type: 'bytes', start: (end) => end.close() }));

/** The last of it has been given, or nobody wants it any more. */
function closeStream(req) {
  const more = moreOf(req);
  const status = more.outgoing?.status;
  more.outgoing = undefined;
  if (req._sent !== OPEN) end(req, more, status);
}

/** Whatever is a number goes to native code in words that both see: taking it out of a value costs a call each. */
function sendString(req, status, content, body) {
  words[SEND_SLOT] = req._slot;
  words[SEND_GEN] = req._gen;
  words[SEND_KIND] = status | (content << 10) | (Math.min(body.length, LENGTH_MAX) << 13);
  native.sendString(body);
}

function answerAgain(req) {
  if (req._sent === ANSWERED) throw errors.responseSent();
  req._sent = ANSWERED;
  native.send(req._slot, req._gen, 200, NONE, undefined); // counts it as late
}

/** The server's own error answer instead of one by the handler. */
function refuse(req, status, message, limit, cause) {
  native.fail(req._slot, req._gen, status, message, limit, cause);
  req._sent = REFUSED;
  if (req._memo !== null && req._memo.more !== undefined) end(req, req._memo.more, status);
}

function end(req, more, status) {
  if (more.outgoing !== undefined) return; // comes again with closeStream
  more.incoming?.broken(errors.requestEnded('the rest of the body'));
  if (more.abort !== undefined || more.temporary !== undefined || more.trace !== undefined) {
    if (watched.get(req._slot) === req) watched.delete(req._slot);
    forms.release(more);
    more.trace?.(status);
  }
}

/** told(status) is called once the response was given, or with undefined when nobody is left who would get it. */
function trace(req, told) {
  moreOf(req).trace = told;
  observe(req);
}

/** From native code: something has happened to a request that is watched or has a body in pieces (native.d.ts).  0 = the server answers 504 as soon as this returns,
 *  and nobody may answer first: the handle is made stale.  1 = the client has gone; the handler may still send, to
 *  nowhere. */
function gone(slot, gen, why) {
  const req = watched.get(slot); // which the end of its stream takes out
  if (why === 1 && req?._gen === gen) req._memo.more.trace?.(undefined);
  streamEvent(slot, gen, why, why === 0 ? timedOut : clientGone);
  if (why > 1 || req === undefined || req._gen !== gen) return;
  if (why === 0) {
    watched.delete(slot);
    req._gen = stale(gen);
    forms.release(req._memo.more);
    req._memo.more.trace?.(504);
  } else if (req._memo.more.temporary !== undefined) native.watch(slot, gen); // its files still want to know of the 504
  req._memo.more.abort?.abort(why === 0 ? timedOut() : clientGone());
}

/** A generation that the slot reaches only after two thousand million further requests. */
const stale = (gen) => gen ^ 0x80000000; // signed, as all generations are

const timedOut = () => new DOMException('the handler did not answer within its timeout', 'TimeoutError');

const clientGone = () => new DOMException('the client has gone', 'AbortError');

function watch(req) {
  const controller = new AbortController();
  if (req._memo.more.outgoing !== undefined) observe(req);
  if (req._sent !== OPEN) return controller;
  if (!native.alive(req._slot, req._gen)) controller.abort(timedOut()); // only a timeout ends a request that was not answered
  else if (!observe(req)) controller.abort(clientGone());
  return controller;
}

/** False when the client has gone already. */
function observe(req) {
  watched.set(req._slot, req);
  return native.watch(req._slot, req._gen);
}

/** Temporary files live until the answer, or until the server has given it. */
function keepUntilSent(req, more) {
  if (req._sent !== OPEN || !native.alive(req._slot, req._gen)) forms.release(more);
  else if (watched.get(req._slot) !== req) observe(req);
}

/** undefined where the request has ended and it was not read before. */
function shown(req) {
  const { _memo: memo, _slot: slot, _gen: gen } = req;
  return {
    method: memo?.method ?? methodOf(native.method(slot, gen)),
    uri: memo?.more?.uri ?? sentOf(native.uri(slot, gen), req._route),
    route: req._route.pattern,
    answered: req._sent !== OPEN,
  };
}

function remember(req) {
  return (req._memo = new Memo());
}

function moreOf(req) {
  const memo = req._memo ?? remember(req);
  return (memo.more ??= new More());
}

function live(value, what) {
  if (value === undefined) throw errors.requestEnded(what);
  return value;
}

/** Native code gives the number of a well-known method. */
const methodOf = (method) => (typeof method === 'number' ? METHODS[method] : method);

/** Native code gives a number where exactly the route's pattern was sent. */
const sentOf = (text, route) => (typeof text === 'number' ? route.sent : text);

function namesOf(route) {
  return (route.names ??= asKeys(native.paramNames(route.id)));
}

function paramReadBefore(memo, at) {
  return live(memo.more?.param?.[at], 'the parameters');
}

/** All of them, when each has been read before the end. */
function readOneByOne(req, { more }) {
  const param = more?.param;
  return namesOf(req._route).every((_, at) => param?.[at] !== undefined) ? param : undefined;
}

function paramValues(req) {
  const memo = req._memo ?? remember(req);
  return (memo.values ??= live(valuesNow(req) ?? readOneByOne(req, memo), 'the parameters'));
}

/** undefined when the request is over. */
function valuesNow(req) {
  if (namesOf(req._route).length !== 1) return native.params(req._slot, req._gen);
  const value = native.param(req._slot, req._gen, 0);
  return value === undefined ? undefined : [value];
}

function named(target, names, values) {
  for (let i = 0; i < names.length; i++) own(target, names[i], values[i]);
  return target;
}

/** null = none */
function cookieOf(req) {
  const line = native.cookie(req._slot, req._gen);
  return line !== undefined ? line : (req.headers.cookie ?? null); // after the end: of the headers, where those were read before
}

/** After the end: from all of them, where those were read before. */
function headerOfAll(memo, name) {
  const all = live(memo.headers, `header ${name}`);
  const value = Object.hasOwn(all, name) ? all[name] : null;
  return Array.isArray(value) ? value[0] : value;
}

function withoutBom(text) {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

function parsed(text) {
  if (text === '') return { value: null, error: 'it is empty' };
  try {
    return { value: JSON.parse(withoutBom(text)), error: undefined };
  } catch (err) {
    return { value: null, error: err.message };
  }
}

const streamsOf = moreOf;

function valueOf(form, key) {
  return Object.hasOwn(form, key) ? form[key] : null;
}

module.exports = {
  share, Request, answer, openStream, closeStream, refuse, gone, observe, keepUntilSent, trace, streamsOf, methodOf, sentOf,
  OPEN, ANSWERED, NONE, TEXT, JSON_TEXT, BYTES,
}; // prettier-ignore
