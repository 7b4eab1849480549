// Continuous load: keep-alive clients with pauses, heads in two pieces and pipelining, by seed.  Counts what became of every
// request and of every connection.
import { until } from './app.mjs';
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { mix } from './mix.mjs';
import { random } from './random.mjs';
import { Wire } from './wire.mjs';

const LOOK_MS = 100;
const RETRY_MS = 5; // after a refused connect
const KEPT = 20; // failures that are told in full

export class Load {
  #clients = [];
  #wires = new Set();
  #stopping = false;
  #stop = new AbortController();
  #looking;
  #last = 0;

  /**
   * pauseMs: the longest pause after an exchange; pipeline: most requests in one go; requests: ends by itself after so many;
   * answered, lost: called with each request that has been answered, and that has not.
   */
  constructor(
    target,
    {
      clients = 64,
      seed = 1,
      pauseMs = 30,
      pipeline = 8,
      requests = Infinity,
      hangMs = 30_000,
      kinds = mix.KINDS,
      answered = () => undefined,
      lost = () => undefined,
    } = {},
  ) {
    this.options = { target, clients, seed, pauseMs, pipeline, requests, hangMs, kinds, answered, lost };
    this.sent = 0;
    this.answered = 0;
    this.statuses = new Map(); // status -> requests
    this.routes = new Map(); // 'route status' -> requests
    this.lost = new Map(); // 'reset after' -> requests
    this.idle = new Map(); // 'closed', 'closed announced' -> connections
    this.connects = 0;
    this.refused = 0;
    this.failures = []; // requests neither answered nor refused, and wrong answers: the first ones
    this.unusual = []; // requests answered with anything but 200
    this.limits = new Map(); // of those: '503 limits.inflight' -> requests
  }

  start() {
    setMaxListeners(0, this.#stop.signal);
    this.since = performance.now();
    this.#looking = setInterval(() => this.#look(), LOOK_MS);
    for (let i = 0; i < this.options.clients; i++) this.#clients.push(this.#client(random(this.options.seed * 1000 + i)));
    return this;
  }

  /** Until so many more requests are answered: the app serves. */
  goesOn(requests = 100) {
    const from = this.answered;
    return until(() => this.answered >= from + requests, 30_000, 'the load goes on');
  }

  /** Resolves when each client is done with what it has begun. */
  async stop() {
    this.#stopping = true;
    this.#stop.abort();
    return this.finished();
  }

  async finished() {
    await Promise.all(this.#clients);
    clearInterval(this.#looking);
    this.seconds = (performance.now() - this.since) / 1000;
    for (const wire of this.#wires) wire.close();
    return this;
  }

  get connections() {
    return this.#wires.size;
  }

  /** Requests that were answered with it. */
  status(code) {
    return this.statuses.get(code) ?? 0;
  }

  /** Requests that were sent, or begun, and never answered as they must be. */
  get failed() {
    return [...this.lost.values()].reduce((sum, n) => sum + n, 0);
  }

  /** Requests that got something else than 200, or nothing. */
  get notOk() {
    return this.failed + this.answered - this.status(200);
  }

  /** Connections that the server closed under a client; announced: after it had said Connection: close. */
  closed(announced = false) {
    return [...this.idle].filter(([how]) => how.includes('announced') === announced).reduce((sum, [, n]) => sum + n, 0);
  }

  #look() {
    const now = performance.now();
    for (const wire of this.#wires) wire.watch(this.options.hangMs, now);
  }

  async #pause(ms) {
    if (ms > 0) await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }

  async #client(rng) {
    const { pauseMs } = this.options;
    await this.#pause(rng.int(0, pauseMs));
    let wire;
    while (!this.#stopping && this.#last < this.options.requests) {
      if (!wire || wire.dead) wire = await this.#connect(wire);
      if (wire.dead) await this.#pause(RETRY_MS);
      else await this.#exchange(wire, rng);
      if (wire.announced && !wire.dead) {
        count(this.idle, 'closed announced');
        wire.close();
      }
      if (pauseMs && rng.chance(0.7)) await this.#pause(rng.int(1, pauseMs));
    }
  }

  async #connect(old) {
    this.#wires.delete(old);
    const wire = new Wire(this.options.target, {
      idle: (how, announced) => count(this.idle, announced ? `${how} announced` : how),
    });
    if (await wire.opened) {
      this.connects++;
      this.#wires.add(wire);
    } else {
      this.refused++;
    }
    return wire;
  }

  async #exchange(wire, rng) {
    const { pipeline, kinds, seed } = this.options;
    const n = pipeline > 1 && rng.chance(this.options.pauseMs ? 0.25 : 1) ? rng.int(2, pipeline) : 1;
    const requests = Array.from({ length: n }, () => mix.request(rng.weighted(kinds), `i${seed}x${++this.#last}`, rng));
    this.sent += n;
    const cut = this.options.pauseMs && rng.chance(0.15) ? rng.int(1, requests[0].bytes.length - 1) : 0;
    await wire.exchange(requests, { cut, gap: () => sleep(rng.int(1, 20)) });
    for (const request of requests) this.#settled(request);
  }

  #settled(request) {
    if (request.how === 'answered') {
      const { status } = request.response;
      this.answered++;
      count(this.statuses, status);
      count(this.routes, `${request.route} ${status}`);
      if (status !== 200) this.#unusual(request);
      this.options.answered(request);
    } else {
      count(this.lost, [request.how, request.when, request.announced ? 'behind a close' : ''].filter(Boolean).join(' '));
      this.options.lost(request);
      if (this.failures.length < KEPT)
        this.failures.push(
          `${request.how} ${request.when} ${request.route} ${request.id} after ${Math.round(request.ms)} ms ${request.why ?? ''}`,
        );
    }
  }

  #unusual({ route, awaits, ms, since, response: { status, body } }) {
    const text = body.latin1Slice().slice(0, 300);
    count(this.limits, `${status} ${/"limit":"([^"]*)"/.exec(text)?.[1] ?? ''}`.trim());
    if (this.unusual.length < 10_000) this.unusual.push({ route, awaits, status, ms, since, text });
  }
}

function count(map, key) {
  map.set(key, (map.get(key) ?? 0) + 1);
}
