'use strict';
// What JavaScript prints in a worker is written by the worker's own thread: through the engine's main thread, as Node does
// it, the last lines before a crash would be lost.  Whole lines; never blocks; what finds no room is dropped and counted.
const { StringDecoder } = require('node:string_decoder');
const native = require('./native');

/** A line that never ends is passed on in pieces of this many UTF-16 units. */
const LINE_MAX = 65536;

/** Collects text and hands over whole lines. */
class Lines {
  #rest = '';
  #decoder = new StringDecoder('utf8');

  constructor(fd) {
    this.fd = fd;
  }

  add(chunk, encoding) {
    this.#rest += typeof chunk === 'string' ? textOf(chunk, encoding) : this.#decoder.write(chunk);
    const end = this.#rest.length > LINE_MAX ? this.#rest.length : this.#rest.lastIndexOf('\n') + 1;
    if (end === 0) return;
    native.writeRaw(this.fd, this.#rest.slice(0, end));
    this.#rest = this.#rest.slice(end);
  }

  flush() {
    if (this.#rest !== '') native.writeRaw(this.fd, `${this.#rest}\n`);
    this.#rest = '';
  }
}

const textOf = (text, encoding) =>
  encoding === 'utf8' || encoding === 'utf-8' ? text : Buffer.from(text, encoding).toString('utf8');

/** Node's own streams stay, because the main thread knows them; only where they write to changes. */
function install() {
  for (const [stream, fd] of [
    [process.stdout, 1],
    [process.stderr, 2],
  ]) {
    const lines = new Lines(fd);
    stream._writev = null;
    stream._write = (chunk, encoding, done) => {
      lines.add(chunk, encoding);
      done();
    };
    process.on('exit', () => lines.flush());
  }
}

module.exports = { install };
