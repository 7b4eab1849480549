'use strict';
// What JavaScript prints in a worker is written by the worker's own thread: through the engine's main thread, as Node does
// it, the last lines before a crash would be lost.  Whole lines; never blocks; what finds no room is dropped and counted.
const { Writable } = require('node:stream');
const { StringDecoder } = require('node:string_decoder');
const native = require('./native');

/** A line that never ends is passed on in pieces of this many UTF-16 units. */
const LINE_MAX = 65536;

class Printer extends Writable {
  #rest = '';
  #decoder = new StringDecoder('utf8');

  constructor(fd) {
    super({ decodeStrings: false, emitClose: false });
    this.fd = fd;
    this._type = 'fs';
    this._isStdio = true;
    process.on('exit', () => this.flushLine());
  }

  _write(chunk, encoding, done) {
    this.#rest += typeof chunk === 'string' ? textOf(chunk, encoding) : this.#decoder.write(chunk);
    const end = this.#rest.length > LINE_MAX ? this.#rest.length : this.#rest.lastIndexOf('\n') + 1;
    if (end > 0) {
      native.writeRaw(this.fd, this.#rest.slice(0, end));
      this.#rest = this.#rest.slice(end);
    }
    done();
  }

  /** stdout and stderr are never closed. */
  _destroy(err, done) {
    done(err);
  }

  flushLine() {
    if (this.#rest !== '') native.writeRaw(this.fd, `${this.#rest}\n`);
    this.#rest = '';
  }
}

const textOf = (text, encoding) =>
  encoding === 'utf8' || encoding === 'utf-8' ? text : Buffer.from(text, encoding).toString('utf8');

/** Before anything touches console, which keeps the streams that it finds. */
function install() {
  for (const [name, fd] of [['stdout', 1], ['stderr', 2]]) {
    const value = new Printer(fd);
    Object.defineProperty(process, name, { configurable: true, enumerable: true, get: () => value });
  }
}

module.exports = { install };
