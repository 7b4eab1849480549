'use strict';
// Server-sent events (WHATWG HTML, "server-sent events"): req.sse().
const { openStream, closeStream, OPEN, NONE } = require('./request');
const { Outgoing } = require('./stream');
const { ResponseHeaders } = require('./headers');
const errors = require('./errors');

const HEARTBEAT_MS = 15_000;
/** send() calls that nobody waited for, of a client that does not read: then its connection is given up. */
const WAITING_MAX = 1000;

const HEAD = [
  ['cache-control', 'no-store'],
  ['x-accel-buffering', 'no'], // nginx passes each event on at once
];
const FIELDS = new Set(['data', 'event', 'id', 'retry']);
const LINE_END = /\r\n|\r|\n/;
const UNITS = { ms: 1, s: 1000, m: 60_000 };

class Sse {
  #out;
  #last = Promise.resolve(true);
  #waiting = 0;
  #quiet = true;
  #timer;

  constructor(req, out, heartbeat) {
    this.#out = out;
    /** What the client got last before it lost the connection; null the first time. */
    this.lastEventId = lastEventIdOf(req);
    /** Resolves when the client has gone or the stream was closed. */
    this.closed = new Promise((resolve) => {
      out.onStop = () => {
        clearInterval(this.#timer);
        resolve();
      };
    });
    if (heartbeat > 0) this.#timer = setInterval(() => this.#beat(), heartbeat).unref();
  }

  /** Resolves with true when more may be sent, with false when nobody listens any more.  Never rejects. */
  send(event) {
    return this.#write(textOf(event));
  }

  comment(text = '') {
    return this.#write(`${String(text).split(LINE_END).map((line) => `: ${line}\n`).join('')}\n`);
  }

  close() {
    if (this.#waiting === 0) this.#out.end();
    else this.#last.then(() => this.#out.end());
  }

  #write(text) {
    const out = this.#out;
    if (out.over) return Promise.resolve(false);
    if (this.#waiting === 0 && !out.full) return this.#now(text);
    if (++this.#waiting > WAITING_MAX) {
      out.abort(new Error('the client does not read its events'));
      return Promise.resolve(false);
    }
    this.#last = this.#last.then(() => this.#later(text));
    return this.#last;
  }

  #now(text) {
    this.#quiet = false;
    const { full } = this.#out.write(text) ? this.#out : { full: false };
    if (!full) return Promise.resolve(!this.#out.over);
    return this.#out.room().then(() => !this.#out.over);
  }

  async #later(text) {
    if (this.#out.full) await this.#out.room();
    this.#waiting--;
    return this.#now(text);
  }

  #beat() {
    if (this.#quiet && !this.#out.full) this.#out.write(':\n\n');
    this.#quiet = true;
  }
}

/** An event from what send() got: text, an object of data, event, id and retry, or any other value as JSON. */
function textOf(event) {
  if (typeof event !== 'object' || event === null) return `${dataOf(event)}\n`;
  const keys = Object.keys(event);
  if (keys.length === 0 || !keys.every((key) => FIELDS.has(key))) return `${dataOf(event)}\n`;
  let text = '';
  if (event.event !== undefined) text += `event: ${lineOf('event', event.event)}\n`;
  if (event.id !== undefined) text += `id: ${lineOf('id', event.id)}\n`;
  if (event.retry !== undefined) text += `retry: ${retryOf(event.retry)}\n`;
  if (event.data !== undefined) text += dataOf(event.data);
  return `${text}\n`;
}

function dataOf(value) {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (text === undefined) throw errors.invalidArgument(`an event cannot carry a ${typeof value}`);
  if (!LINE_END.test(text)) return `data: ${text}\n`;
  return text.split(LINE_END).map((line) => `data: ${line}\n`).join('');
}

function lineOf(name, value) {
  const text = String(value);
  if (LINE_END.test(text) || text.includes('\0')) throw errors.invalidArgument(`${name} of an event is one line`);
  return text;
}

function retryOf(ms) {
  if (!Number.isInteger(ms) || ms < 0) throw errors.invalidArgument('retry is a number of milliseconds');
  return ms;
}

/** Milliseconds, or text as in the manifest; 0 and false = none. */
function heartbeatOf(value) {
  if (value === undefined) return HEARTBEAT_MS;
  if (value === false || value === 'off') return 0;
  const [, count, unit] = /^(\d+)(ms|s|m)$/.exec(value) ?? [];
  const ms = typeof value === 'number' ? value : Number(count) * UNITS[unit];
  if (!(ms >= 0 && ms < 2 ** 31)) throw errors.invalidArgument('heartbeat is a number of milliseconds, or text such as "15s"');
  return ms;
}

function lastEventIdOf(req) {
  const value = req.getHeader('last-event-id');
  return value === null ? null : Buffer.from(value, 'latin1').toString('utf8');
}

/** The head leaves at once. */
function open(req, { retry, heartbeat } = {}) {
  if (req._sent !== OPEN) throw errors.responseSent();
  const every = heartbeatOf(heartbeat);
  const first = retry === undefined ? '' : `retry: ${retryOf(retry)}\n\n`;
  const headers = (req._headers ??= new ResponseHeaders());
  headers.add('content-type', 'text/event-stream');
  for (const [name, value] of HEAD) if (headers.find(name) < 0) headers.add(name, value);
  const out = new Outgoing(req, () => closeStream(req));
  const sse = new Sse(req, out, every);
  if (!openStream(req, req._status || 200, NONE, -1, out)) out.finish(undefined);
  else out.write(first);
  return sse;
}

module.exports = { open };
