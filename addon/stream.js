'use strict';
// Bodies in pieces.  Outgoing is a response whose head has left: what is written follows, in the client's own pace.
// pump() moves what a producer gives (web stream, Node stream, async iterable) into it; a client that goes ends the
// producer.  A request's body in pieces is incoming.js.
const { Readable } = require('node:stream');
const native = require('./native');

const LAST = { done: true, value: undefined };

/** Requests with something in pieces: slot -> { gen, outgoing, incoming }. */
const streams = new Map();

/** What streams were told of the end of their request with: a handler that passes it on has not failed. */
const partings = new WeakSet();
const isParting = (err) => partings.has(err);

function entryOf({ _slot: slot, _gen: gen }) {
  const entry = streams.get(slot);
  if (entry !== undefined && entry.gen === gen) return entry;
  const fresh = { gen, outgoing: undefined, incoming: undefined };
  streams.set(slot, fresh);
  return fresh;
}

/** Frees the entry when both sides are over. */
function leave(slot, gen, side) {
  const entry = streams.get(slot);
  if (entry === undefined || entry.gen !== gen) return;
  entry[side] = undefined;
  if (entry.outgoing === undefined && entry.incoming === undefined) streams.delete(slot);
}

/** From native code, beside gone() of request.js: 0 = answered 504, 1 = the client has gone, 2 = a piece of the body is
 *  there, 3 = there is room again. */
function streamEvent(slot, gen, what, reason) {
  const entry = streams.get(slot);
  if (entry === undefined || entry.gen !== gen) return;
  const { outgoing, incoming } = entry;
  if (what === 2) incoming?.readable();
  else if (what === 3) outgoing?.drained();
  else {
    const err = reason();
    partings.add(err);
    outgoing?.abort(err); // a client that has only closed its side still holds the request
    incoming?.broken(err);
  }
}

class Outgoing {
  #slot;
  #gen;
  #resume;

  /** `ended()` is called once, whatever the end.  To be made before the head leaves. */
  constructor(req, ended) {
    this.#slot = req._slot;
    this.#gen = req._gen;
    this.ended = ended;
    this.over = false;
    this.full = false;
    this.status = 0; // of its head
    /** Told when nothing more is wanted; must not throw. */
    this.onStop = undefined;
    entryOf(req).outgoing = this;
  }

  /** False when nothing was taken: it is over.  When `full` is set afterwards, wait for room(). */
  write(data) {
    if (this.over) return false;
    if (data.length === 0) return true;
    const taken = native.streamWrite(this.#slot, this.#gen, data);
    if (taken !== 1 && taken !== 0) this.finish(undefined);
    this.full = taken === 0;
    return !this.over;
  }

  /** Resolves when more may be written, or it is over. */
  room() {
    return new Promise((resolve) => {
      if (!this.full || this.over) return resolve();
      const before = this.#resume;
      this.#resume = () => {
        before?.();
        resolve();
      };
      return undefined;
    });
  }

  drained() {
    this.full = false;
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.();
  }

  end() {
    if (this.over) return;
    native.streamEnd(this.#slot, this.#gen);
    this.finish(undefined);
  }

  /** The connection ends without the last chunk: the client sees that something is missing. */
  abort(reason) {
    if (this.over) return;
    native.streamAbort(this.#slot, this.#gen);
    this.finish(reason);
  }

  /** Nothing more is wanted: done, or the client has gone. */
  finish(reason) {
    if (this.over) return;
    this.over = true;
    leave(this.#slot, this.#gen, 'outgoing');
    this.drained();
    this.onStop?.(reason);
    this.ended();
  }
}

/** { next(), cancel(reason) } of a producer: next() as an async iterator's, cancel() never throws. */
function sourceOf(value) {
  if (typeof value.getReader === 'function') return webSource(value);
  if (typeof value.pipe === 'function' && typeof value.on === 'function') return nodeSource(value);
  return iteratorSource(value[Symbol.asyncIterator](), () => undefined);
}

const isStream = (value) =>
  typeof value[Symbol.asyncIterator] === 'function' ||
  typeof value.getReader === 'function' ||
  (typeof value.pipe === 'function' && typeof value.on === 'function');

const ignore = () => undefined;

function webSource(stream) {
  const reader = stream.getReader();
  return {
    next: () => reader.read(),
    cancel: (reason) => void reader.cancel(reason).catch(ignore),
  };
}

/** A stream of the old kind, or of another implementation, is wrapped. */
function nodeSource(value) {
  const stream = typeof value[Symbol.asyncIterator] === 'function' ? value : new Readable().wrap(value);
  return iteratorSource(stream[Symbol.asyncIterator](), () => {
    stream.on('error', ignore); // nobody is left whom it concerns
    stream.destroy();
  });
}

function iteratorSource(iterator, destroy) {
  let done = false;
  return {
    async next() {
      const result = await iterator.next();
      done = result.done === true;
      return result;
    },
    cancel() {
      if (done) return;
      destroy();
      Promise.resolve(iterator.return?.()).catch(ignore);
    },
  };
}

/** Pieces that were read already, and then the rest. */
function withFirst(results, source) {
  const left = [...results];
  return { next: () => left.shift() ?? source.next(), cancel: source.cancel };
}

/** encode(value): string or Uint8Array; may throw.  failed(err): the producer failed; it is logged there. */
async function pump(out, source, encode, failed) {
  out.onStop = (reason) => stop(source, reason);
  try {
    while (!out.over) {
      const { done, value } = await source.next();
      if (out.over) return;
      if (done) return void out.end();
      out.write(encode(value));
      if (out.full) await out.room();
    }
  } catch (err) {
    if (out.over) return;
    failed(err);
    out.abort(err);
  }
}

function stop(source, reason) {
  try {
    source.cancel(reason);
  } catch {
    // A producer that fails while it is told to end concerns nobody any more.
  }
}

module.exports = { Outgoing, streamEvent, isParting, entryOf, leave, sourceOf, withFirst, isStream, pump, stop, LAST };
