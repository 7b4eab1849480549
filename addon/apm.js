'use strict';
// What APM agents hear of requests: the events that Node's own http server publishes by node:diagnostics_channel, with
// { request, response, socket, server } as there.  Nothing of this runs before somebody subscribes: then each handler is
// wrapped.  request and response of a handler are node:http's classes, and stand-ins: the body is not read and nothing is
// written through them.  A node mount has the real ones (node.js).
const EventEmitter = require('node:events');
const { AsyncResource } = require('node:async_hooks');
const channels = require('node:diagnostics_channel');
const native = require('./native');
const { incomingList } = require('./headers');
const { trace } = require('./request');

// Kept: a channel that nobody holds is forgotten, and with it what is set here.
const start = channels.channel('http.server.request.start');
const finish = channels.channel('http.server.response.finish');
// Published by the constructor of ServerResponse itself, by Nodes that have it (22.12 and later).
const created = channels.channel('http.server.response.created');

const RUN = Symbol('run');

const state = {
  watching: false,
  enabled: false,
  records: [], // of this environment's worker
  wrapped: new WeakSet(),
  http: undefined, // node:http, from the first subscription on
};

/** As http.Server is told of requests; agents that wrap its emit() see the handler run within. */
const server = Object.assign(new EventEmitter(), { listening: true, address: () => null });
server.on('request', (request, response) => response[RUN]?.());

const listened = () => start.hasSubscribers || finish.hasSubscribers || created.hasSubscribers;

/** `records` are the worker's routes (dispatch.js); again whenever their handlers were set anew. */
function install(records) {
  state.records = records;
  if (!state.watching) [start, finish, created].forEach(watch);
  state.watching = true;
  if (state.enabled || listened()) enable();
}

function watch(channel) {
  const { subscribe } = channel;
  channel.subscribe = function (...args) {
    enable();
    delete channel.subscribe; // once is enough; what it is depends on whether somebody has subscribed
    return subscribe === channel.subscribe ? Reflect.apply(subscribe, this, args) : channel.subscribe(...args);
  };
}

function enable() {
  state.enabled = true;
  state.http ??= require('node:http');
  for (const route of state.records) if (typeof route.handler === 'function' && route.kind !== 'node') wrap(route);
}

function wrap(route) {
  const { handler } = route;
  if (state.wrapped.has(handler)) return;
  const traced = (req) => (listened() ? observed(req, handler) : handler(req));
  state.wrapped.add(traced);
  route.handler = traced;
}

function observed(req, handler) {
  const message = messageOf(req);
  let scope; // what the subscribers of the start have entered is there at the end
  trace(req, (status) => scope?.runInAsyncScope(told, undefined, req, message, status));
  return run(message, () => handler(req), () => (scope = new AsyncResource('ACTIX_TRACE')));
}

/** Publishes the start, and calls work() where a listener of http.Server would run; its value. */
function run(message, work, started) {
  let done = false;
  let value;
  message.response[RUN] = () => {
    done = true;
    value = work();
  };
  if (start.hasSubscribers) start.publish(message);
  started();
  server.emit('request', message.request, message.response);
  delete message.response[RUN];
  return done ? value : work(); // an agent has kept it from us
}

/** For a node mount, which calls it when enabled(): its own request and response. */
function enter(request, response, work) {
  if (!listened()) return work();
  const message = { request, response, socket: request.socket, server };
  response.once('finish', () => finished(message));
  return run(message, work, () => undefined);
}

function finished(message) {
  if (finish.hasSubscribers) finish.publish(message);
}

// ---- stand-ins of a handler's request

class Peer extends EventEmitter {
  constructor({ _slot: slot, _gen: gen }) {
    super();
    const remote = native.remoteAddress(slot, gen);
    [this.remotePort, this.localAddress, this.localPort] = native.socketEnds(slot, gen) ?? [];
    this.remoteAddress = remote === 'unix' ? undefined : remote;
    this.remoteFamily = remote?.includes(':') ? 'IPv6' : 'IPv4';
    this.encrypted = native.https(slot, gen) === true;
    this.readable = true;
    this.writable = true;
    this.destroyed = false;
  }
}

function messageOf(req) {
  const { IncomingMessage, ServerResponse } = state.http;
  const socket = new Peer(req);
  const request = new IncomingMessage(socket);
  request.method = req.method;
  request.url = req.getUri();
  request.httpVersion = '1.1';
  request.httpVersionMajor = request.httpVersionMinor = 1;
  request.headers = req.headers;
  request.rawHeaders = incomingList(req._slot, req._gen);
  return { request, response: new ServerResponse(request), socket, server };
}

/** The end of a handler's request, whichever comes first: the response, or nobody who wants it. */
function told(req, message, status) {
  const { request, response } = message;
  if (response.destroyed) return;
  response.destroyed = true;
  request.complete = true;
  if (status !== undefined) {
    response.statusCode = status;
    for (const [name, value] of linesOf(req)) response.appendHeader(name, value);
    response.finished = true;
    finished(message);
    response.emit('finish');
  }
  response.emit('close');
  request.emit('close');
}

/** What the handler has set. */
function linesOf(req) {
  const text = req._headers?.render() ?? '';
  return text.split('\r\n').filter(Boolean).map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]);
}

module.exports = { install, enter, enabled: () => state.enabled };
