'use strict';
// What JavaScript prints in a worker is written by the worker's own thread: through the engine's main thread, as Node does
// it, the last lines before a crash would be lost.  Bytes are untouched and go out in whole lines.  Nothing here blocks:
// what a full pipe does not take waits in a backlog, and what finds no room there is dropped by whole lines and counted.
const native = require('./native');

/** A line that never ends is passed on in pieces of this many bytes. */
const LINE_MAX = 65536;
/** Bytes that may wait for a slow reader, for each of stdout and stderr. */
const BACKLOG_MAX = 1 << 20;
const RETRY_MS = 5;
const RETRY_MAX_MS = 100;
/** How long an exit waits for a reader to take the backlog. */
const EXIT_MS = 200;
const NEWLINE = 10;

const { setTimeout } = globalThis; // user code may replace it

/** Writes to a descriptor, at once where it takes bytes. */
class Output {
  #fd;
  #queue = [];
  #bytes = 0;
  #wait = RETRY_MS;

  constructor(fd) {
    this.#fd = fd;
  }

  /** Whole lines. */
  write(data) {
    const begun = this.#bytes === 0 ? native.writeRaw(this.#fd, data) : 0;
    if (begun < data.length) this.#keep(data.subarray(begun), begun > 0);
  }

  /** Waits a little for the reader; the thread is about to end. */
  end() {
    const pause = new Int32Array(new SharedArrayBuffer(4));
    for (let left = EXIT_MS; this.#bytes > 0 && left > 0; left--) {
      this.#drain();
      if (this.#bytes > 0) Atomics.wait(pause, 0, 0, 1);
    }
  }

  /** `begun`: the first line's beginning is out already, so its end has to follow. */
  #keep(data, begun) {
    const room = BACKLOG_MAX - this.#bytes;
    let end = data.length <= room ? data.length : room > 0 ? data.lastIndexOf(NEWLINE, room - 1) + 1 : 0;
    if (end === 0 && begun) end = data.indexOf(NEWLINE) + 1 || data.length;
    if (end < data.length) native.dropped(lines(data.subarray(end)));
    if (end === 0) return;
    if (this.#bytes === 0) this.#later(RETRY_MS);
    this.#queue.push(Buffer.from(data.subarray(0, end))); // a copy: the caller may use its buffer again
    this.#bytes += end;
  }

  #later(wait) {
    this.#wait = wait;
    setTimeout(() => {
      const moved = this.#drain();
      if (this.#bytes > 0) this.#later(moved ? RETRY_MS : Math.min(2 * this.#wait, RETRY_MAX_MS));
    }, wait).unref();
  }

  #drain() {
    const before = this.#bytes;
    while (this.#bytes > 0) {
      const head = this.#queue[0];
      const done = native.writeRaw(this.#fd, head);
      this.#bytes -= done;
      if (done < head.length) {
        this.#queue[0] = head.subarray(done);
        break;
      }
      this.#queue.shift();
    }
    return this.#bytes < before;
  }
}

function lines(data) {
  let n = data[data.length - 1] === NEWLINE ? 0 : 1;
  for (let at = data.indexOf(NEWLINE); at >= 0; at = data.indexOf(NEWLINE, at + 1)) n++;
  return n;
}

/** Collects bytes and hands over whole lines. */
class Lines {
  #output;
  #rest = []; // of a line that has not ended, copies
  #bytes = 0;

  constructor(output) {
    this.#output = output;
  }

  add(data) {
    const end = data.lastIndexOf(NEWLINE) + 1;
    if (end > 0) this.#pass(data.subarray(0, end));
    if (end === data.length) return;
    this.#rest.push(Buffer.from(data.subarray(end)));
    this.#bytes += data.length - end;
    if (this.#bytes > LINE_MAX) this.#pass();
  }

  /** What was written without a newline gets one: the last line is a line too. */
  flush() {
    if (this.#bytes > 0) this.#pass(Buffer.of(NEWLINE));
    this.#output.end();
  }

  #pass(data) {
    if (this.#bytes === 0) return this.#output.write(data);
    if (data !== undefined) this.#rest.push(data);
    const all = Buffer.concat(this.#rest);
    this.#rest = [];
    this.#bytes = 0;
    return this.#output.write(all);
  }
}

/** Node's own streams stay, because the main thread knows them; only where they write to changes. */
function install() {
  for (const [stream, fd] of [
    [process.stdout, 1],
    [process.stderr, 2],
  ]) {
    const collected = new Lines(new Output(fd));
    stream._writev = null;
    stream._write = (chunk, encoding, done) => {
      collected.add(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk);
      done();
    };
    process.on('exit', () => collected.flush());
  }
}

module.exports = { install, Lines, Output };
