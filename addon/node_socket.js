'use strict';
// What stands where node:http has the connection, for one request of a node mount: ServerResponse writes the response into
// it, head and framing included, and IncomingMessage lets it flow to get its body.  It looks like a net.Socket to
// whoever asks for an address or waits for 'close'; the bytes belong to native code.
//
// Nothing is gathered here: native code appends what is written to the connection's output, which leaves once in a turn of
// the loop.
const Stream = require('node:stream');
const { AsyncResource } = require('node:async_hooks');
const native = require('./native');
const isolate = require('./isolate');

// `what` of native code's event(): docs in native.d.ts
const TIMED_OUT = 0;
const READABLE = 2;
const DRAINED = 3;

// Statuses that are counted, not sent
const NOTHING_SENT = 500;
const CLIENT_GONE = 499;

const HIGH_WATER_MARK = Stream.getDefaultHighWaterMark?.(false) ?? 16 * 1024;

/** ServerResponse sets a word in it when it ends; there is nothing to cork. */
const WRITABLE_STATE = { corked: 0 };

const LATIN1 = new Set(['latin1', 'binary', 'ascii']);
const UTF8 = new Set([undefined, null, '', 'utf8', 'utf-8', 'UTF-8', 'UTF8', 'buffer']);

/** Requests whose listener has returned without an answer: slot -> Connection. */
const waiting = new Map();

/** From native code.  False: it is about no request of a node mount. */
function nodeEvent(slot, gen, what) {
  const connection = waiting.get(slot);
  if (connection === undefined || connection.gen !== gen) return false;
  connection.event(what);
  return true;
}

class Connection extends Stream {
  constructor(slot, gen) {
    super();
    this.slot = slot;
    this.gen = gen;
    this.req = null; // IncomingMessage
    this.res = null; // ServerResponse
    this.readable = true;
    this.writable = true;
    this.destroyed = false;
    this.closed = false;
    this.timeout = 0;
    this.bodyOver = false; // nothing more of it is to come
    this._httpMessage = null; // node:http's own
    this._hadError = false; // so is this: no 'finish' where the client has gone
    this.opened = false; // a head was given
    this.ended = false; // the whole response was
    this.full = false;
    this.held = null; // callbacks of writes that wait for room
    this.heldBytes = 0;
    this.timer = null;
    this.scope = null;
    this.remote = undefined;
    this.ends = undefined; // [remotePort, localAddress, localPort]
    this.secure = undefined;
    this.route = null; // PlanRoute: what each of its responses has
    this.hasBody = false;
    this.request = null; // Request that middleware has seen
    this.whenOver = null; // told when the response is, whatever its end
  }

  get _writableState() {
    return WRITABLE_STATE;
  }

  // ---- written by ServerResponse

  /** True: more may follow; false: 'drain' comes first. */
  write(data, encoding, callback) {
    if (typeof encoding === 'function') return this.write(data, undefined, encoding);
    if (this.destroyed || this.ended) return refused(this, callback);
    if (!this.opened && !this.open(data, encoding)) return told(callback, true); // 100, 102, 103: the server itself says the first
    if (this.timer !== null) this.timer.refresh();
    const taken = data.length === 0 ? 1 : this.put(data, encoding);
    if (taken === 1) return told(callback, !this.full);
    if (taken !== 0) return refused(this, callback);
    this.full = true;
    this.heldBytes += data.length;
    if (typeof callback === 'function') (this.held ??= []).push(callback);
    return false;
  }

  put(data, encoding) {
    if (typeof data !== 'string') return native.streamWrite(this.slot, this.gen, data);
    if (UTF8.has(encoding)) return native.streamWrite(this.slot, this.gen, data);
    if (LATIN1.has(encoding)) return native.streamWrite(this.slot, this.gen, data, true);
    return native.streamWrite(this.slot, this.gen, Buffer.from(data, encoding));
  }

  /** With the first byte of the head, when status and length are known. */
  open(data, encoding) {
    const res = this._httpMessage;
    if (res === null || !res._headerSent) return false;
    this.opened = true;
    const body = bodyLength(res);
    const length = body === -1 ? -1 : headLength(res, data, encoding) + body;
    native.streamOpenRaw(this.slot, this.gen, res.statusCode, res._last === true, length);
    return true;
  }

  /** All of the response was written. */
  finish() {
    if (this.destroyed || this.ended) return;
    this.keepAddress();
    if (!this.bodyOver) this.leaveBody();
    this.ended = true;
    this.release();
    native.streamEnd(this.slot, this.gen);
    this.drained();
  }

  /** Nothing of the request is readable in native code from here on. */
  keepAddress() {
    this.remote ??= native.remoteAddress(this.slot, this.gen);
  }

  release() {
    if (waiting.get(this.slot) === this) waiting.delete(this.slot);
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (this.whenOver !== null) this.whenOver();
  }

  cork() {}
  uncork() {}

  get writableCorked() {
    return 1; // else ServerResponse would cork, and uncork in a tick of its own
  }

  get writableLength() {
    return this.heldBytes;
  }

  get writableHighWaterMark() {
    return HIGH_WATER_MARK;
  }

  get readableHighWaterMark() {
    return HIGH_WATER_MARK;
  }

  get writableNeedDrain() {
    return this.full;
  }

  get writableFinished() {
    return this.ended;
  }

  get writableEnded() {
    return this.ended || this.destroyed;
  }

  end() {
    return this.destroy();
  }

  destroySoon() {
    if (!this.ended) this.destroy();
  }

  drained() {
    const { held } = this;
    this.full = false;
    this.heldBytes = 0;
    this.held = null;
    if (held !== null) for (const callback of held) process.nextTick(callback);
  }

  // ---- the body

  /** IncomingMessage wants more. */
  resume() {
    this.read();
    return this;
  }

  pause() {
    return this;
  }

  read() {
    if (this.bodyOver) return;
    const piece = native.bodyRead(this.slot, this.gen);
    if (piece === null && !this.ended) return; // READABLE follows
    if (this.timer !== null) this.timer.refresh();
    if (piece === undefined) this.endBody();
    else if (this.ended) this.dropBody();
    else if (piece === false) this.lost();
    else this.req.push(piece);
  }

  endBody() {
    if (this.bodyOver) return;
    this.bodyOver = true;
    this.req.complete = true;
    this.req.push(null);
  }

  /** The response is about to leave, and with it the rest of the body.  Who has not begun to read it sees the end, as it
   *  would after node:http has dropped it; who has gets what is there. */
  leaveBody() {
    const { req } = this;
    if (!(req._consumed ?? req._consuming)) this.endBody();
    while (!this.bodyOver && !this.destroyed) {
      const piece = native.bodyRead(this.slot, this.gen);
      if (piece === undefined) this.endBody();
      else if (piece === null || piece === false) return;
      else req.push(piece);
    }
  }

  /** The response left before the whole body had come: who reads it is told that it breaks off. */
  dropBody() {
    this.bodyOver = true;
    if (!this.req.destroyed) this.req.destroy();
  }

  // ---- what happens to it

  /** The listener has returned, and is not done. */
  wait() {
    if (isolate.enabled()) this.scope = new AsyncResource('ACTIX_NODE');
    waiting.set(this.slot, this);
    if (!this.opened && !native.watch(this.slot, this.gen)) this.lost();
  }

  /** What user code throws here is nobody's to catch, as in node:http. */
  event(what) {
    try {
      if (this.scope === null) this.happened(what);
      else this.scope.runInAsyncScope(this.happened, this, what);
    } catch (err) {
      process.nextTick(rethrow, err);
    }
  }

  happened(what) {
    if (this.destroyed) return;
    if (what === READABLE) this.read();
    else if (what === TIMED_OUT) this.close(timedOut());
    else if (what !== DRAINED) this.lost();
    else if (this.full) {
      this.drained();
      this.emit('drain');
      drain(this.res);
    }
  }

  /** By user code: the connection ends, whatever was sent. */
  destroy(err) {
    if (this.destroyed) return this;
    this.abort(NOTHING_SENT);
    this.close(err, setImmediate); // a socket needs a turn of the loop, too
    return this;
  }

  /** `status`: what is counted where no head was given. */
  abort(status) {
    if (this.ended) return;
    if (!this.opened) native.streamOpenRaw(this.slot, this.gen, status, true, -1);
    native.streamAbort(this.slot, this.gen);
  }

  /** Nobody is left who would read a response. */
  lost() {
    this.keepAddress();
    this.abort(CLIENT_GONE);
    this.close(aborted());
  }

  /** It is over for whoever still holds it. */
  close(err, later = process.nextTick) {
    if (this.destroyed) return;
    this.keepAddress();
    this.destroyed = true;
    this.readable = false;
    this.writable = false;
    this.bodyOver = true;
    this._hadError = !this.ended;
    this.release();
    later(closed, this, err);
  }

  /** The response has gone: to this request the connection is closed, to the client it is not. */
  leave() {
    if (this.destroyed) return;
    this.destroyed = true;
    this.writable = false;
    if (this.bodyOver) this.readable = false;
    if (this.closed) return;
    this.closed = true;
    if (this.listenerCount('close') > 0) this.emit('close', false);
  }

  /** Of silence, in ms; 0 = none. */
  setTimeout(ms, callback) {
    this.timeout = ms;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = ms > 0 && !this.ended && !this.destroyed ? setTimeout(silent, ms, this).unref() : null;
    if (callback !== undefined) {
      if (ms > 0) this.once('timeout', callback);
      else this.removeListener('timeout', callback);
    }
    return this;
  }

  // ---- who is at its ends

  /** The client's, as trusted proxies tell it. */
  get remoteAddress() {
    this.keepAddress();
    return this.remote === 'unix' ? undefined : this.remote;
  }

  get remoteFamily() {
    return familyOf(this.remoteAddress);
  }

  get remotePort() {
    return this.addresses()[0];
  }

  get localAddress() {
    return this.addresses()[1];
  }

  get localPort() {
    return this.addresses()[2];
  }

  get localFamily() {
    return familyOf(this.localAddress);
  }

  addresses() {
    this.ends ??= native.socketEnds(this.slot, this.gen);
    return this.ends ?? [];
  }

  address() {
    const { localAddress: address, localFamily: family, localPort: port } = this;
    return address === undefined ? {} : { address, family, port };
  }

  /** As of a TLS connection: the client spoke HTTPS to a trusted proxy. */
  get encrypted() {
    return (this.secure ??= native.https(this.slot, this.gen) ?? false);
  }

  get connecting() {
    return false;
  }

  get pending() {
    return false;
  }

  get readyState() {
    return this.destroyed ? 'closed' : 'open';
  }

  setNoDelay() {
    return this;
  }

  setKeepAlive() {
    return this;
  }

  ref() {
    return this;
  }

  unref() {
    return this;
  }
}

/** Bytes of the head, which node:http writes in latin1, or with a first piece of the body in that one's encoding. */
function headLength(res, data, encoding) {
  return typeof data === 'string' && UTF8.has(encoding) ? Buffer.byteLength(res._header) : res._header.length;
}

/** Bytes that the client will take for the body; -1 = the framing says where it ends. */
function bodyLength(res) {
  if (!res._hasBody) return 0;
  const length = res._contentLength; // of node:http: what the head says
  return !res.chunkedEncoding && !res._removedContLen && Number.isSafeInteger(length) && length >= 0 ? length : -1;
}

/** Calls back in a tick of its own, as a socket that could write at once. */
function told(callback, value) {
  if (typeof callback === 'function') process.nextTick(callback);
  return value;
}

function refused(connection, callback) {
  connection._hadError = !connection.ended;
  if (typeof callback === 'function') process.nextTick(callback, writeAfterEnd());
  return false;
}

/** The order of node:http: the request first, if its response had not gone, then the connection, and with it the response. */
function closed(connection, err) {
  const { req } = connection;
  if (!connection.ended && !req.destroyed) req.destroy(connReset(err));
  if (connection.closed) return;
  connection.closed = true;
  if (err !== undefined && err !== null && connection.listenerCount('error') > 0) connection.emit('error', err);
  connection.emit('close', connection._hadError);
}

/** Its own word for "wait", which only node:http's server resets: there is no other name for it. */
let needDrain;
function drain(res) {
  needDrain ??= Object.getOwnPropertySymbols(res).find((symbol) => symbol.description === 'kNeedDrain');
  if (res.finished || res.destroyed || (needDrain !== undefined && !res[needDrain])) return;
  if (needDrain !== undefined) res[needDrain] = false;
  res.emit('drain');
}

/** As node:http: who wants to know decides; when nobody does, the connection ends. */
function silent(connection) {
  const { req, res } = connection;
  const heard = (!req.complete && req.emit('timeout', connection)) | res.emit('timeout', connection) | connection.emit('timeout');
  if (!heard) connection.destroy();
}

function rethrow(err) {
  throw err;
}

const familyOf = (address) => (address === undefined ? undefined : `IPv${address.includes(':') ? 6 : 4}`);

const coded = (code, message) => Object.assign(new Error(message), { code });
const aborted = () => coded('ECONNRESET', 'aborted');
const connReset = (err) => (err?.code === 'ETIMEDOUT' ? err : aborted());
const timedOut = () => coded('ETIMEDOUT', 'the server has answered 504: there was no response within the timeout');
const writeAfterEnd = () => coded('ERR_STREAM_DESTROYED', 'Cannot call write after a stream was destroyed');

module.exports = { Connection, nodeEvent };
