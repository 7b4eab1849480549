'use strict';
// `{ node: file }`: a Node (req, res) listener as a handler.  It gets node:http's own IncomingMessage and ServerResponse,
// which frameworks extend and whose prototypes they replace: what is different here is in properties of the objects and
// in the connection between them (node_socket.js).
const { IncomingMessage, ServerResponse, OutgoingMessage } = require('node:http');
const native = require('./native');
const { METHODS, FIELDS } = require('./names');
const apm = require('./apm');
const { failed } = require('./respond');
const { Connection } = require('./node_socket');

/** Of request.js: what fails from here on comes too late. */
const ANSWERED = 1;

const { _storeHeader: storeHeader } = OutgoingMessage.prototype;
const { _finish: finishResponse } = ServerResponse.prototype;

// The table of native.fields, see native.d.ts
const FIELDS_MAX = 64;
const STEP = 5;
const REPEATED = 64;
const table = new Uint16Array(1 + STEP * FIELDS_MAX);

const methods = new Map(METHODS.map((name) => [name, name]));

/** This worker is about to end: each response says so. */
const server = { closing: false };
const sayClose = () => void (server.closing = true);

/** The handler of a route of the plan. */
function mount(listener, route) {
  return function node(request) {
    enter(new Connection(request._slot, request._gen), request, listener, route);
  };
}

/** The same behind middleware: its headers are sent too, and what next() gives it resolves when the response is over. */
function mountBehind(listener, route) {
  return (request) =>
    new Promise((resolve) => {
      const connection = new Connection(request._slot, request._gen);
      connection.whenOver = () => resolve();
      connection.request = request;
      enter(connection, request, listener, route);
    });
}

function enter(connection, request, listener, route) {
  const req = incoming(connection);
  const res = outgoing(req, connection, route);
  try {
    const value = apm.enabled() ? apm.enter(req, res, () => listener(req, res)) : listener(req, res);
    if (typeof value?.then === 'function') value.then(undefined, (err) => fail(request, connection, err));
  } catch (err) {
    fail(request, connection, err);
  }
  if (!connection.hasBody) connection.endBody();
  if (!connection.ended && !connection.destroyed) connection.wait();
}

/** The listener threw, or its promise was rejected. */
function fail(request, connection, err) {
  const late = connection.opened || connection.destroyed;
  if (late) request._sent = ANSWERED;
  failed(request, err);
  if (connection.ended) return;
  if (late) connection.destroy(err);
  else connection.close(err); // answered by the server
}

// ---- the request

function incoming(connection) {
  const { slot, gen } = connection;
  const req = new IncomingMessage(connection);
  connection.req = req;
  const text = native.fields(slot, gen, table, 0);
  const lineEnd = text.indexOf('\r\n');
  const methodEnd = text.indexOf(' ');
  const method = text.slice(0, methodEnd);
  req.method = methods.get(method) ?? method;
  req.url = text.slice(methodEnd + 1, lineEnd - ' HTTP/1.1'.length);
  req.httpVersionMajor = 1;
  req.httpVersionMinor = text.charCodeAt(lineEnd - 1) - 0x30;
  req.httpVersion = req.httpVersionMinor === 1 ? '1.1' : '1.0';
  readFields(req, text, slot, gen);
  return req;
}

/** Of names that are known and come once the object is made here; the rest is node:http's affair. */
function readFields(req, first, slot, gen) {
  const raw = [];
  const headers = {};
  let text = first;
  for (let from = 0; ; ) {
    const end = 1 + STEP * table[0];
    for (let at = 1; at < end; at += STEP) {
      const id = table[at];
      const name = text.slice(table[at + 1], table[at + 2]);
      const value = text.slice(table[at + 3], table[at + 4]);
      raw.push(name, value);
      if (id > 0 && id < REPEATED) headers[FIELDS[id]] = value;
      else req._addHeaderLine(name, value, headers);
    }
    if (table[0] < FIELDS_MAX) break;
    text = native.fields(slot, gen, table, (from += FIELDS_MAX));
  }
  req._addHeaderLines(raw, raw.length);
  req.headers = headers;
}

// ---- the response

function outgoing(req, connection, route) {
  const { headers } = req;
  const res = new ServerResponse(req);
  connection.res = res;
  connection.route = route;
  connection.hasBody =
    headers['transfer-encoding'] !== undefined || (headers['content-length'] !== undefined && headers['content-length'] !== '0');
  res.shouldKeepAlive = keepsAlive(req, headers.connection);
  res.connectionOf = connection;
  res._storeHeader = storeHead;
  res._finish = finish;
  res.assignSocket(connection);
  res.on('finish', finished);
  return res;
}

/** RFC 9112, 9.3 */
function keepsAlive(req, value) {
  if (value === undefined) return req.httpVersionMinor === 1;
  if (/(?:^|,)[ \t]*close[ \t]*(?:,|$)/i.test(value)) return false;
  return req.httpVersionMinor === 1 || /(?:^|,)[ \t]*keep-alive[ \t]*(?:,|$)/i.test(value);
}

/** Whether a response that leaves out its Connection line keeps the connection: Node 18 ends it, and so has to say keep-alive. */
const CONNECTION_IS_SILENT = (() => {
  const res = new ServerResponse({ method: 'GET', httpVersionMajor: 1, httpVersionMinor: 1 });
  res.shouldKeepAlive = true;
  res._removedConnection = true;
  res.writeHead(200, { 'Content-Length': 0 });
  return res._last !== true;
})();

/** In place of ServerResponse's own: adds what each response of this server has. */
function storeHead(firstLine, headers) {
  const connection = this.connectionOf;
  if (server.closing) this.shouldKeepAlive = false;
  // Staying open is what HTTP/1.1 does: saying so costs 24 bytes.
  else if (CONNECTION_IS_SILENT && this.shouldKeepAlive && this.req.httpVersionMinor === 1) this._removedConnection = true;
  const { route } = connection;
  let lines = route.headers;
  if (route.policy?.cors > 0 && !connection.destroyed) lines += native.policyLines(connection.slot, connection.gen) ?? '';
  if (connection.request !== null) lines += connection.request._headers?.render() ?? '';
  if (!connection.destroyed && !hasId(this, headers)) {
    const id = native.requestId(connection.slot, connection.gen);
    if (id !== undefined) lines += `X-Request-Id: ${id}\r\n`;
  }
  return Reflect.apply(storeHeader, this, [firstLine + lines, headers]);
}

/** node:http's own name of what setHeader has set. */
const outHeaders = Object.getOwnPropertySymbols(new OutgoingMessage()).find((symbol) => symbol.description === 'kOutHeaders');

function hasId(res, headers) {
  if (res.hasHeader('x-request-id')) return true;
  if (headers === undefined || headers === null || headers === res[outHeaders]) return false;
  const names = Array.isArray(headers) ? headers : Object.keys(headers);
  return names.some((name) => String(Array.isArray(name) ? name[0] : name).toLowerCase() === 'x-request-id');
}

/** In place of ServerResponse's own: all of it was written. */
function finish() {
  this.connectionOf.finish();
  Reflect.apply(finishResponse, this, []);
}

/** The event; then as node:http's server: what nobody has read of the body is dropped, and the response is closed. */
function finished() {
  const { req, connectionOf: connection } = this;
  if (!req._consumed && !req._consuming) req._dump();
  if (this.socket === connection) this.detachSocket(connection);
  process.nextTick(closeResponse, this, connection);
}

function closeResponse(res, connection) {
  if (!res._closed) {
    res.destroyed = true;
    res._closed = true;
    res.emit('close');
  }
  connection.leave();
}

module.exports = { mount, mountBehind, sayClose };
