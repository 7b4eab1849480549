'use strict';
// The request's body in pieces, on routes with `stream: true`: its handler is called when the head is there, and what
// nobody reads stays with the client.
const { Readable } = require('node:stream');
const native = require('./native');
const errors = require('./errors');
const { Request, streamsOf } = require('./request');
const { entryOf, leave } = require('./stream');
const { respond, failed } = require('./respond');

class Incoming {
  #slot;
  #gen;
  #over = false;
  #error;
  #waiting; // { resolve, reject } of a read that found nothing

  constructor(req) {
    this.#slot = req._slot;
    this.#gen = req._gen;
    entryOf(req).incoming = this;
  }

  /** The next piece, the caller's own; undefined at the end; rejects when the body broke off. */
  read() {
    return new Promise((resolve, reject) => {
      if (this.#waiting !== undefined) return reject(new Error('the body is being read already'));
      this.#waiting = { resolve, reject };
      return this.readable();
    });
  }

  /** Something may be there. */
  readable() {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    const piece = this.#over ? undefined : native.bodyRead(this.#slot, this.#gen);
    if (piece === null) return;
    this.#waiting = undefined;
    if (piece === false) this.broken(errors.bodyBroken());
    else if (piece === undefined) this.#finish();
    if (this.#error !== undefined) waiting.reject(this.#error);
    else waiting.resolve(piece);
  }

  /** It will not be whole: the client has gone, or the answer is out. */
  broken(error) {
    if (this.#over) return;
    this.#error = error;
    this.#finish();
    this.readable();
  }

  #finish() {
    this.#over = true;
    leave(this.#slot, this.#gen, 'incoming');
  }
}

/** A request whose body comes in pieces.  One of `body`, `readable`, or text(), json(), bytes() and form() takes it. */
class StreamRequest extends Request {
  #incoming;
  #web;
  #node;
  #whole; // promise of a Buffer
  #buffer;
  #form;

  get streamed() {
    return true;
  }

  /** For form parsers: the pieces, once. */
  pieces() {
    if (this.#incoming !== undefined) throw errors.bodyTaken();
    this.#incoming = new Incoming(this);
    streamsOf(this).incoming = this.#incoming;
    return this.#incoming;
  }

  get body() {
    return (this.#web ??= webOf(this.pieces()));
  }

  get readable() {
    return (this.#node ??= nodeOf(this.pieces()));
  }

  mayHaveBody() {
    return this.getHeader('transfer-encoding') !== null || Number(this.getHeader('content-length') ?? 0) > 0;
  }

  hasBody() {
    return this.#buffer === undefined ? this.mayHaveBody() : this.#buffer.length > 0;
  }

  /** Until it was read: what the client said, 0 where it did not. */
  getBodySize() {
    return this.#buffer?.length ?? Number(this.getHeader('content-length') ?? 0);
  }

  #all() {
    return (this.#whole ??= collect(this.pieces(), this._route.bodyMax).then((buffer) => (this.#buffer = buffer)));
  }

  #now() {
    if (this.#buffer === undefined) throw errors.bodyInPieces();
    return this.#buffer;
  }

  getBodyString() {
    return this.#now().toString('utf8');
  }

  getBodyBuffer() {
    return Buffer.from(this.#now());
  }

  async text() {
    await this.#all();
    return super.text();
  }

  async json() {
    await this.#all();
    return super.json();
  }

  async bytes() {
    await this.#all();
    return super.bytes();
  }

  getFormData() {
    throw errors.bodyInPieces();
  }

  getFormDataAsync() {
    return (this.#form ??= require('./multipart').readForm(this, () => this.#all()));
  }
}

/** At most `max` bytes; -1 = as many as come. */
async function collect(incoming, max) {
  const pieces = [];
  let length = 0;
  for (;;) {
    const piece = await incoming.read();
    if (piece === undefined) return Buffer.concat(pieces, length);
    length += piece.length;
    if (max >= 0 && length > max) throw errors.bodyTooLarge();
    pieces.push(piece);
  }
}

function webOf(incoming) {
  return new ReadableStream(
    {
      type: 'bytes',
      async pull(controller) {
        const piece = await incoming.read();
        if (piece !== undefined) return controller.enqueue(piece);
        controller.close();
        return controller.byobRequest?.respond(0);
      },
    },
    { highWaterMark: 0 },
  );
}

function nodeOf(incoming) {
  return new Readable({
    read() {
      incoming.read().then(
        (piece) => this.push(piece ?? null),
        (err) => this.destroy(err),
      );
    },
  });
}

/** A handler for requests of such a route. */
function streamed(handler) {
  return (plain) => {
    const req = new StreamRequest(plain._slot, plain._gen, plain._route);
    try {
      const value = handler(req);
      if (value !== undefined) respond(req, value);
    } catch (err) {
      failed(req, err);
    }
  };
}

module.exports = { StreamRequest, streamed };
