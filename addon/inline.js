'use strict';
// isolation: process.  The one worker of this engine runs on the engine's main thread: native modules that dislike threads
// work, and a crash is one worker's.  When it is taken over nobody in JavaScript can react: the watchdog tells the
// supervisor and ends the process (event.c).
const native = require('./native');
const { milliseconds } = require('./milliseconds');
const { runWorker } = require('./worker');

const ORPHAN_MS = 30_000; // without a worker, and nobody has come for the connections: it ends as after a crash

class Inline {
  #engine;
  #plan;
  #control;
  #state = 'starting'; // starting | ready | draining | gone
  #starting; // { name, at }
  #timer;
  #closed = false;
  #receive; // what the worker wants called with an order

  constructor(engine) {
    this.#engine = engine;
    this.#plan = engine.plan;
    this.#control = engine.control;
  }

  start() {
    const { startup_us: startup, slot } = this.#plan;
    if (startup >= 0) this.#timer = setTimeout(() => this.#tooSlow(), milliseconds(startup));
    const port = {
      postMessage: (message) => this.#heard(message),
      onMessage: (receive) => (this.#receive = receive),
      exit: (code) => this.#left(code),
    };
    const exit = process.reallyExit; // the last step of process.exit(), behind all 'exit' listeners
    process.reallyExit = (code) => {
      native.workerAbandon();
      Reflect.apply(exit, process, [code]);
    };
    runWorker(port, { engine: this.#engine.handle, id: slot, serial: 1, plan: this.#plan });
  }

  lameDuck() {
    this.#receive({ type: 'lame_duck' });
  }

  end(reason, handover) {
    clearTimeout(this.#timer);
    if (this.#state === 'starting') this.#state = 'gone'; // it has served nobody
    if (this.#state !== 'ready') return;
    this.#state = 'draining';
    this.#receive({ type: 'stop', reason, handover });
  }

  ended() {
    return this.#state === 'gone';
  }

  list() {
    return [{ id: this.#plan.slot, state: this.#state, restarts: 0 }];
  }

  zombies() {
    return 0;
  }

  hangs() {
    return false;
  }

  /** The worker was closed. */
  clean() {
    return this.#closed;
  }

  /** The watchdog has told the supervisor itself; the process is about to end. */
  happened() {}

  #heard(message) {
    const { slot } = this.#plan;
    switch (message.type) {
      case 'starting':
        this.#starting = { name: message.name, at: message.at };
        break;
      case 'ready':
        clearTimeout(this.#timer);
        this.#state = 'ready';
        native.engineTrim();
        this.#control.tell({ type: 'ready', workers: 1, broken: message.broken });
        if (this.#engine.lameDuck) this.lameDuck();
        break;
      case 'broken':
        this.#engine.show(message.errors);
        break;
      case 'files':
        this.#control.tell({ type: 'files', files: message.files });
        break;
      case 'failed':
        this.#engine.fail(message.errors);
        break;
      case 'fatal':
        this.#state = 'draining';
        native.engineStopAccepting(this.#engine.handle); // others accept
        this.#control.event('crash', `worker ${slot}: ${message.text}; it finishes its requests and is replaced`, slot);
        this.#control.killed(slot, message.route, 'crash');
        this.#control.tell({ type: 'renew', why: message.text });
        break;
      default:
        throw new Error(`the worker said ${message.type}`);
    }
  }

  #tooSlow() {
    const { name, at } = this.#starting ?? { name: `worker ${this.#plan.slot}` };
    const limit = `timeouts.startup (${this.#plan.startup_us / 1e6} s)`;
    this.#engine.fail([{ at, message: `${name} did not get ready within ${limit}` }]);
  }

  /** The worker is closed.  After a fault its connections wait here for the engine that takes this one's place. */
  #left(code) {
    const wasStarting = this.#state === 'starting';
    this.#state = 'gone';
    this.#closed = true;
    if (wasStarting) return; // 'failed' is on its way, and ends the process
    if (this.#engine.stopping === undefined) setTimeout(() => process.exit(code), ORPHAN_MS);
    this.#engine.finish();
  }
}

module.exports = { Inline };
