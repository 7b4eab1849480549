// One connection: sends requests, alone, pipelined or in pieces, and says of each one what became of it:
//
//   'answered'          with a response that is framed as it must be, and is for this request
//   'wrong'             bytes came that no server may send, or another request's answer
//   'refused'           it could not connect
//   'closed' | 'reset'  by the server; `when` tells how far it was: 'while' it was being sent, 'after' all of it was sent,
//                       'within' its response
//   'hung'              nothing came for as long as the loader waits
import net from 'node:net';
import { Reader } from './reader.mjs';

/** `idle(how, announced)`: the server has closed the connection while nothing was asked of it. */
export class Wire {
  #socket;
  #reader = new Reader();
  #waiting = [];
  #announced = false;
  #idle;

  constructor(target, { idle = () => undefined, pause = false } = {}) {
    this.#idle = idle;
    this.dead = undefined; // what ended it, once something has
    this.#socket = net.connect(target);
    this.#socket.setNoDelay(true);
    this.opened = new Promise((resolve) => {
      this.#socket.once('connect', () => resolve(true));
      this.#socket.once('close', () => resolve(false));
    });
    this.closed = new Promise((resolve) => this.#socket.once('close', resolve));
    this.#socket.on('data', (bytes) => this.#read(bytes));
    this.#socket.on('end', () => this.#over('closed'));
    this.#socket.on('error', (err) => this.#over(err.syscall === 'connect' ? 'refused' : 'reset', err.code));
    if (pause) this.#socket.pause();
  }

  get outstanding() {
    return this.#waiting.length;
  }

  /** The server has said Connection: close: nothing more may be sent. */
  get announced() {
    return this.#announced;
  }

  /** Requests are { method, bytes, check(response) } and get { how, when, response, ms }; resolves when all have. */
  async exchange(requests, { cut = 0, gap } = {}) {
    const all = requests.length === 1 ? requests[0].bytes : requests.map((r) => r.bytes).join('');
    const done = requests.map((request) => this.#expect(request));
    if (cut > 0 && cut < all.length) {
      this.#socket.write(all.slice(0, cut), 'latin1');
      for (const request of requests) request.part = 'while';
      await gap();
      if (!this.dead) this.#socket.write(all.slice(cut), 'latin1');
      for (const request of requests) request.part = 'after';
    } else {
      this.#socket.write(all, 'latin1');
    }
    await Promise.all(done);
    return requests;
  }

  /** Sends bytes that no response is expected to. */
  write(bytes) {
    this.#socket.write(bytes, 'latin1');
  }

  resume() {
    this.#socket.resume();
  }

  close() {
    this.dead ??= 'left';
    this.#socket.destroy();
  }

  /** Ends it when the oldest request has been waiting for that long. */
  watch(limitMs, now = performance.now()) {
    if (this.#waiting.length && now - this.#waiting[0].since > limitMs) {
      this.#over('hung');
      this.#socket.destroy();
    }
  }

  #expect(request) {
    request.since = performance.now();
    request.part = 'after';
    return new Promise((resolve) => {
      request.settle = resolve;
      if (this.dead) this.#settle(request, this.dead, 'while');
      else this.#waiting.push(request);
    });
  }

  #settle(request, how, when, response) {
    Object.assign(request, { how, when, response, ms: performance.now() - request.since });
    request.settle();
  }

  #read(bytes) {
    if (this.dead) return;
    try {
      this.#reader.push(bytes);
      while (this.#waiting.length) {
        const response = this.#reader.next(this.#waiting[0].method);
        if (!response) return;
        this.#answer(this.#waiting.shift(), response);
      }
      if (this.#reader.started) throw new Error('bytes that nobody asked for');
    } catch (err) {
      this.#over('wrong', err.message);
      this.#socket.destroy();
    }
  }

  #answer(request, response) {
    this.#announced ||= /close/i.test(response.headers.connection ?? '');
    const wrong = request.check(response);
    if (wrong) request.why = wrong;
    this.#settle(request, wrong ? 'wrong' : 'answered', '', response);
  }

  #over(how, why = '') {
    if (this.dead) return;
    this.dead = how;
    const waiting = this.#waiting.splice(0);
    if (!waiting.length && how !== 'refused') this.#idle(how, this.#announced);
    waiting.forEach((request, index) => {
      request.why = why;
      request.announced = this.#announced;
      this.#settle(request, how, index === 0 && this.#reader.started ? 'within' : request.part);
    });
  }
}

/** One GET on a connection of its own; `ms` from before connecting. */
export async function ask(target, path, { limitMs = 30_000 } = {}) {
  const since = performance.now();
  const wire = new Wire(target);
  const timer = setInterval(() => wire.watch(limitMs), 100);
  const request = { method: 'GET', bytes: `GET ${path} HTTP/1.1\r\nHost: chaos\r\n\r\n`, check: () => '' };
  await wire.exchange([request]);
  clearInterval(timer);
  wire.close();
  const body = request.response?.body.toString('latin1') ?? '';
  return {
    how: request.how,
    when: request.when,
    status: request.response?.status ?? 0,
    headers: request.response?.headers ?? {},
    body,
    ms: performance.now() - since,
  };
}
