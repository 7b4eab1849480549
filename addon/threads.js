'use strict';
// The worker threads of an engine: started, replaced when they die, given up when they do not even do that.
//
// A worker taken over by the watchdog (server/net/worker.h) has no connection left; its thread is terminated, and its
// successor starts at once, whether the thread ends or not.  One that does not is a zombie: it is counted, and the
// supervisor asked for a new engine.
const path = require('node:path');
const { Worker } = require('node:worker_threads');
const native = require('./native');
const { milliseconds } = require('./milliseconds');

const YOUNG_GENERATION_MB = 16; // 11 MB less a worker than V8's default at the same speed; below 8 the collector eats the core
const RETRY_MS = 100;
const RETRY_MAX_MS = 5000;
const STEADY_MS = 30_000; // up for so long, a worker's next failure counts as its first
const WAKE_MS = 1000; // after terminate(): a system call that blocks is interrupted
const LAST_MS = 1000; // after timeouts.shutdown: a worker out of service that is still there is ended
const GIVE_UP_MS = 6000; // after terminate(): the thread is a zombie

/** A worker's place: the id stays when the worker is replaced. */
class Place {
  constructor(id) {
    this.id = id;
    this.thread = undefined;
    this.state = 'starting'; // starting | ready | draining | gone
    this.prepared = false; // loaded, and told to wait for the others
    this.restarts = 0;
    this.failures = 0; // in a row
    this.readyAt = 0; // 0 = never was
    this.timer = undefined; // of the start, or of the next try
  }
}

/** One thread that has, or had, a place. */
class Thread {
  constructor(place, serial, worker) {
    this.place = place;
    this.serial = serial;
    this.worker = worker;
    this.starting = undefined; // { name, at }: what it loads or runs before it is ready
    this.why = undefined; // of the end that is near
    this.kind = 'exit'; // of that end, as plan.d.ts has it
    this.blamed = false; // 'killed' was told
    this.lost = undefined; // { route, counts }: what became of its requests, from the watchdog
    this.timers = [];
  }
}

class Threads {
  #engine;
  #plan;
  #control;
  #places;
  #serials = 0;
  #taken = new Map(); // serial => Thread without a place that still lives
  #zombies = new Set();
  #open = false; // workers need not wait for each other any more
  #started = false; // all workers have been ready once
  #broken = false; // actix dev: what answers is the page that says why the code does not load

  constructor(engine) {
    this.#engine = engine;
    this.#plan = engine.plan;
    this.#control = engine.control;
    this.#places = Array.from({ length: engine.plan.workers }, (_, id) => new Place(id));
  }

  start() {
    for (const place of this.#places) this.#startWorker(place);
  }

  lameDuck() {
    for (const { thread } of this.#places) thread?.worker.postMessage({ type: 'lame_duck' });
  }

  end() {
    for (const place of this.#places) {
      clearTimeout(place.timer);
      if (place.state === 'ready') this.#stop(place);
      else if (place.state === 'starting') place.thread?.worker.terminate();
    }
  }

  #stop(place) {
    const { stopping: reason, handover } = this.#engine;
    place.state = 'draining';
    place.thread.worker.postMessage({ type: 'stop', reason, handover });
  }

  ended() {
    return this.#places.every(({ thread }) => thread === undefined);
  }

  list() {
    return this.#places.map(({ id, state, restarts }) => ({ id, state, restarts }));
  }

  zombies() {
    return this.#zombies.size;
  }

  /** A thread may never end: process.exit() would wait for it. */
  hangs() {
    return this.#taken.size > 0;
  }

  /** No thread is left. */
  clean() {
    return this.ended() && !this.hangs();
  }

  // ---- starting

  #startWorker(place) {
    const plan = this.#plan;
    const resourceLimits = { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB };
    if (plan.heapMb > 0) resourceLimits.maxOldGenerationSizeMb = plan.heapMb;
    place.state = 'starting';
    const serial = ++this.#serials;
    const hold = plan.hold === true && !this.#open;
    const workerData = { engine: this.#engine.handle, id: place.id, serial, plan, hold };
    const worker = new Worker(path.join(__dirname, 'worker.js'), { workerData, resourceLimits });
    const thread = (place.thread = new Thread(place, serial, worker));
    worker.on('message', (message) => this.#heard(thread, message));
    worker.on('error', (err) => {
      thread.why ??= reasonOf(err);
      if (!thread.blamed) thread.kind = isOutOfMemory(err) ? 'heap' : 'crash';
    });
    // What the watchdog had to say about this end is on its way, and said first.
    worker.on('exit', (code) => setImmediate(() => this.#ended(thread, code)));
    if (plan.startup_us >= 0) place.timer = setTimeout(() => this.#tooSlow(thread), milliseconds(plan.startup_us));
  }

  #heard(thread, message) {
    const { place } = thread;
    if (place.thread !== thread) return; // taken over: what it still says is of no interest
    switch (message.type) {
      case 'starting':
        thread.starting = { name: message.name, at: message.at };
        break;
      case 'prepared':
        this.#prepared(place);
        break;
      case 'ready':
        this.#broken ||= message.broken;
        this.#ready(place);
        break;
      case 'broken':
        this.#engine.show(message.errors);
        break;
      case 'files':
        this.#control.tell({ type: 'files', files: message.files });
        break;
      case 'failed':
        clearTimeout(place.timer);
        if (this.#decides(place)) this.#engine.fail(message.errors);
        else thread.why = message.errors.map((e) => e.message).join('; ');
        break;
      case 'fatal':
        place.state = 'draining';
        thread.why = message.text;
        thread.blamed = true;
        this.#control.event('crash', `worker ${place.id}: ${message.text}; it finishes its requests and is replaced`, place.id);
        this.#control.killed(place.id, message.route, 'crash');
        // Nobody watches it any more: it has to be gone soon after its own patience.
        if (this.#plan.shutdown_us >= 0)
          place.timer = setTimeout(() => thread.worker.terminate(), milliseconds(this.#plan.shutdown_us + LAST_MS * 1000));
        break;
      default:
        throw new Error(`a worker said ${message.type}`);
    }
  }

  /** While another engine serves, all of ours begin together: a start that fails has accepted nothing. */
  #prepared(place) {
    place.prepared = true;
    if (!this.#places.every(({ prepared }) => prepared)) return;
    this.#open = true;
    for (const { thread } of this.#places) thread.worker.postMessage({ type: 'serve' });
  }

  #ready(place) {
    clearTimeout(place.timer);
    place.state = 'ready';
    place.readyAt = Date.now();
    if (this.#engine.lameDuck) place.thread.worker.postMessage({ type: 'lame_duck' });
    if (this.#engine.stopping !== undefined) this.#stop(place);
    if (place.restarts > 0) this.#control.event('restart', `worker ${place.id} is back`, place.id);
    if (!this.#started && this.#places.every(({ readyAt }) => readyAt > 0)) {
      this.#started = true;
      native.engineTrim();
      this.#control.tell({ type: 'ready', workers: this.#plan.workers, broken: this.#broken });
    }
  }

  /** Whether the failure of this worker is the engine's.  When the app starts it is until all were ready: the app cannot
   *  run.  In a later engine requests already come while others start, and a worker that was ready is replaced as ever. */
  #decides(place) {
    return !this.#started && (this.#plan.first || place.readyAt === 0);
  }

  #tooSlow(thread) {
    const { place } = thread;
    const { name, at } = thread.starting ?? { name: `worker ${place.id}` };
    const message = `${name} did not get ready within timeouts.startup (${this.#plan.startup_us / 1e6} s)`;
    if (this.#decides(place)) this.#engine.fail([{ at, message }]);
    thread.why = message;
    thread.worker.terminate();
  }

  // ---- ending

  #ended(thread, code) {
    const { place } = thread;
    if (place.thread !== thread) {
      this.#buried(thread);
      return;
    }
    const { state } = place;
    clearTimeout(place.timer);
    place.thread = undefined;
    place.state = 'gone';
    if (this.#engine.stopping !== undefined) {
      this.#engine.finish();
      return;
    }
    const why = thread.why ?? `it ended by itself (exit code ${code})`;
    if (this.#decides(place)) {
      const { name, at } = thread.why === undefined && state === 'starting' ? (thread.starting ?? {}) : {};
      const what = name === undefined ? '' : ` in ${name}`;
      this.#engine.fail([{ at, message: `worker ${place.id} ended while it started${what}: ${why}` }]);
      return;
    }
    if (state !== 'draining') this.#died(thread, why, state === 'ready');
    this.#failed(place, state);
  }

  /** By itself, without a word. */
  #died(thread, why, served) {
    const { id } = thread.place;
    const { route = null, counts = '' } = thread.lost ?? {};
    const where = route === null ? '' : ` in ${route.method} ${route.pattern}`;
    this.#control.event('crash', `worker ${id}: ${why}${where}${counts === '' ? '' : `; ${counts}`}`, id);
    if (served) this.#control.killed(id, route, thread.kind);
  }

  /** The first failure after a steady time is made good at once; only those in a row wait, longer and longer. */
  #failed(place, state) {
    if (state !== 'starting' && Date.now() - place.readyAt >= STEADY_MS) place.failures = 0;
    const wait = place.failures === 0 ? 0 : Math.min(RETRY_MS * 2 ** (place.failures - 1), RETRY_MAX_MS);
    place.failures += 1;
    place.restarts += 1;
    if (wait === 0) this.#startWorker(place);
    else place.timer = setTimeout(() => this.#startWorker(place), wait);
  }

  // ---- taken over

  /** event: native.d.ts, EngineEvent. */
  happened(event) {
    if (event.kind === 'stuck') {
      this.#control.event('stall', event.text, event.worker);
      this.#control.killed(event.worker, event.route, 'stall');
      this.#renew(`worker ${event.worker} is stuck in native code`);
      return;
    }
    const { thread: current } = this.#places[event.worker];
    // 0: it has ended before it could be told who it was
    const thread = event.serial === 0 || event.serial === current?.serial ? current : undefined;
    if (thread !== undefined && event.why === 'abort' && !event.parked) thread.lost = event; // its end comes next
    else this.#takenOver(thread, event);
  }

  #takenOver(thread, event) {
    const { id } = this.#places[event.worker];
    this.#control.event(event.parked ? 'crash' : 'stall', event.text, id);
    this.#control.killed(id, event.route, event.parked ? 'heap' : 'stall');
    if (thread === undefined) return;
    const { place } = thread;
    clearTimeout(place.timer);
    place.thread = undefined;
    place.state = 'gone';
    this.#terminate(thread, event.parked);
    if (this.#engine.stopping !== undefined && !this.#leftBehind()) {
      this.#engine.finish();
      return;
    }
    place.restarts += 1;
    this.#startWorker(place);
  }

  /** At stop nobody else may be there for what the one taken over had not come to. */
  #leftBehind() {
    return !this.#engine.handover && !native.engineHandedOver(this.#engine.handle);
  }

  /** terminate() ends what runs JavaScript, and what waits in Atomics.wait; a blocked system call needs a signal. */
  #terminate(thread, parked) {
    this.#taken.set(thread.serial, thread);
    if (parked) {
      this.#zombies.add(thread.serial);
      this.#renew('aborted thread');
      return;
    }
    thread.worker.terminate();
    thread.timers = [
      setTimeout(() => native.engineWake(this.#engine.handle, thread.serial), WAKE_MS).unref(),
      setTimeout(() => this.#giveUp(thread), GIVE_UP_MS).unref(),
    ];
  }

  #giveUp(thread) {
    const { id } = thread.place;
    this.#zombies.add(thread.serial);
    this.#control.event('stall', `worker ${id}: the thread that was taken over does not end; a new engine takes its place`, id);
    this.#renew('zombie worker');
  }

  #buried(thread) {
    for (const timer of thread.timers) clearTimeout(timer);
    this.#taken.delete(thread.serial);
    this.#zombies.delete(thread.serial);
  }

  /** Only a new process helps. */
  #renew(why) {
    if (this.#engine.stopping === undefined) this.#control.tell({ type: 'renew', why });
  }
}

const isOutOfMemory = (err) => err?.code === 'ERR_WORKER_OUT_OF_MEMORY';

const reasonOf = (err) =>
  isOutOfMemory(err) ? 'out of memory (limits.heap)' : `${err?.name ?? 'error'}: ${err?.message ?? String(err)}`;

module.exports = { Threads };
