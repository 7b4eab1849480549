// actix.node as JavaScript sees it: internal.  One environment (worker thread, or the main thread of a plain
// `node app.js`) has at most one worker.  When the watchdog has taken it over, every function that touches it does nothing
// and returns undefined: the environment is about to end.  A request is named by (slot, gen), two integers; a call with a stale pair
// touches nothing and returns false, null or undefined as said.  Both are signed 32-bit words, so that V8 keeps them in the
// value itself.

/** A native engine: address of a struct that outlives its workers; from engineNew on the main thread. */
export type EngineHandle = bigint;

export function engineNew(o: {
  workers: number;
  balance: 'least_connections' | 'round_robin' | 'least_inflight';
  /** Listening sockets; made close-on-exec and non-blocking. */
  fds: number[];
  settings: Record<string, number>;
  minReady: number;
  /** Metrics segment, or -1 for private memory. */
  segmentFd: number;
  log: { output: string; format: 'text' | 'json'; level: number; access: string; accessFormat: 'text' | 'json' | 'combined' };
  /** How long one call into JavaScript may run before the watchdog takes its worker over; -1 = for ever. */
  stallUs: number;
  /** Where connections come from, and where it is said where they go (server/net/mailbox.h); owned from then on; -1 = none. */
  mailboxFd: number;
  /** isolation: process: what the engines know of each other's load, and which of them this is. */
  boardFd?: number;
  slot?: number;
  /** isolation: process: the watchdog itself tells of a take-over there, and ends the process with 70; else -1. */
  controlFd: number;
  event?: (event: EngineEvent) => void;
}): EngineHandle;

/** What the watchdog has done. */
export interface EngineEvent {
  /** taken: the worker's connections and requests have gone elsewhere, its thread may still live.  stuck: it cannot be
   *  taken, native code of ours runs there.  handed_over: no connection is left that waits for another engine. */
  kind: 'taken' | 'stuck' | 'handed_over';
  worker: number;
  /** Of the thread, as engineAttach was told. */
  serial: number;
  /** abort: the thread is in abort(), or its environment ends. */
  why: 'stall' | 'abort';
  /** The thread stands still for ever. */
  parked: boolean;
  route: { method: string; pattern: string } | null;
  /** One line, and the part of it that says what became of its requests and connections ('' = there were none). */
  text: string;
  counts: string;
}

/** This environment's thread is one of the engine's, number `serial`; what it logs goes to that engine's log from now on. */
export function engineAttach(e: EngineHandle, serial: number): void;
/** Interrupts the system call that this thread waits in; false = it has ended. */
export function engineWake(e: EngineHandle, serial: number): boolean;
/** All connections that were given to another engine have left; an event comes when they have. */
export function engineHandedOver(e: EngineHandle): boolean;
/** Ends the process without waiting for its threads. */
export function exitNow(code: number): never;
export function engineSetStopping(e: EngineHandle): void;
/** When it returns nothing is accepted any more; after engineSetStopping what was queued has been. */
export function engineStopAccepting(e: EngineHandle): void;
export function engineReopenLogs(e: EngineHandle): void;
/** Once, when all workers are ready: gives back what only the start needed; returns bytes. */
export function engineTrim(): number;
/** All workers have ended. */
export function engineFree(e: EngineHandle): void;

export interface NativeRoute {
  pattern: string;
  method: string;
  kind: 'handler' | 'fixed' | 'health' | 'static';
  name: string;
  status?: number;
  body?: string;
  headers: string;
  health?: 'live' | 'ready';
  /** static: see PlanRoute; missing = empty. */
  folder?: string;
  index?: string;
  fallback?: string;
  timeout_us: number;
  body_max: number;
  /** Entered when its head is complete; its body comes by bodyRead. */
  stream?: boolean;
  /** Requests in progress at once, over all workers, and how many more may wait; 0 or missing = no limit, none. */
  max_inflight?: number;
  /** Routes of one group share that; 0 or missing = none. */
  inflight_group?: number;
  queue?: number;
  policy?: import('./plan').PlanPolicy;
}

/** The array shared with native code, with room for `max` requests; the next workerNew wants it.  8 + 3 * max words:
 *  [0] number of requests handed over; [1] set to 1 by native code when the slice is over (after send, fail or tick);
 *  [2] index of the request being entered (-1 before the first), written by dispatch before each handler (the
 *      heartbeat), and [0] after the last one: what then runs is microtasks;
 *  [3] [4] [5] what sendString is told beside the body;
 *  [8 + 3 i] slot, gen, route id (1-based, position in `routes` + 1) of request i. */
export function batchNew(max: number): Int32Array;

/** Frozen once per engine: the first worker's table counts, a worker whose table differs gets an Error (`code`
 *  'ERR_ROUTES_DIFFER'). A bad or duplicate pattern throws with `code` 'ERR_ROUTE' and `index` of the route. */
export function workerNew(o: {
  engine: EngineHandle;
  id: number;
  settings: Record<string, number>;
  routes: NativeRoute[];
  /** Whose word about the client counts: addresses, CIDR blocks, "unix". */
  trustedProxies?: string[];
  /** As the plan has them; a login whose file is bad throws with `code` 'ERR_AUTH' and `login`, its position. */
  policies?: import('./plan').PlanPolicies;
  /** Of batchNew, with room for settings.batch requests. */
  batch: Int32Array;
  /** Called once per batch; calls the handlers of requests 0..n-1, returns how many were entered. Must not throw. */
  dispatch: () => number;
  /** 0 = answered 504 by the server, 1 = the client has gone: of watched requests that have no answer yet, and of streams.
   *  Of streams too: 2 = bodyRead has something to say, after it said null; 3 = more may be written, after streamWrite
   *  said 0. */
  event: (slot: number, gen: number, what: 0 | 1 | 2 | 3) => void;
}): void;
/** Plain Node: opens and listens at once; returns the URL really bound; throws (`code` EADDRINUSE ...). Keeps the loop alive. */
export function workerBind(host: string, port: number, backlog: number): string;
/** Registers with the engine (which then gives connections, or lets a single worker listen itself). */
export function workerReady(): void;
export function workerLameDuck(): void;
/** Stops accepting, finishes requests in progress; done() when no connection is left. */
export function workerDrain(done: () => void): void;
/** Stops accepting; idle connections go to other workers, or to the engine's heir, at once, busy ones after their
 *  response: none is closed.  done() when none is left. */
export function workerRetire(done: () => void): void;
/** Closes the connections on which a response is being streamed; their handlers are told that the client has gone. */
export function workerCutStreams(): void;
/** The process is about to end (isolation: process): what its worker has goes to others first, and then this does not
 *  return.  Nothing to do when the worker was closed. */
export function workerAbandon(): void;
/** Closes everything at once; closed() when all handles are gone. workerNew may be called again afterwards. */
export function workerClose(closed: () => void): void;
/** The next batch runs in a fresh async context: what a handler of this one entered is not seen by it (isolate.js). */
export function renewContext(): void;
/** connections, inflight and every counter of metrics.def, as numbers. */
export function workerStats(): Record<string, number>;

// ---- answering. true = taken (also when the client has gone); false = stale (counted as late_sends).
/** content: 0 none, 1 text, 2 json, 3 bytes, 4 html. body: string (written as UTF-8), Uint8Array, or undefined.
 *  headers: rendered lines `name: value\r\n` in latin1, already checked, or undefined. */
export function send(slot: number, gen: number, status: number, content: number, body?: string | Uint8Array, headers?: string): boolean;
/** The same for a string without headers; the rest is in the batch: [3] slot, [4] gen, [5] status | content << 10 | length in
 *  UTF-16 units << 13, where a length from 2^17 - 1 on is measured. */
export function sendString(body: string): void;
/** The server's own error answer (JSON); cause: what the request's record says instead of the message. */
export function fail(slot: number, gen: number, status: number, message: string, limit?: string, cause?: string): boolean;
/** A handler failed after the response: counted as late_errors. */
export function lateError(): void;
/** Between two requests of a batch when the handler did not answer: takes the time (batch[1] may become 1). */
export function tick(): void;
/** event() is wanted for this request; false = its client has gone already. */
export function watch(slot: number, gen: number): boolean;
/** True while the request can be read and answered: until the head of a response was given. */
export function alive(slot: number, gen: number): boolean;

// ---- a response in pieces.  From its head to its end event() tells of it without watch(); after 1 the handle is stale
// soon: what was not ended is over.
/** The head leaves, the body follows.  length: bytes, or -1 = unknown.  As send, true = taken, also when the client has
 *  gone; false = late.  For HEAD, 204, 205 and 304 the stream is over at once: what is written is answered -1. */
export function streamOpen(slot: number, gen: number, status: number, content: number, headers: string | undefined, length: number): boolean;
/** What is written is the response itself, with its head and its framing; close: the connection ends behind it.  length:
 *  bytes of head and body, or -1 = unknown; what is written beyond is dropped, and the connection ends. */
export function streamOpenRaw(slot: number, gen: number, status: number, close: boolean, length: number): boolean;
/** 1 = taken, more may follow; 0 = taken, but wait for event 3; -1 = nothing taken: the client has gone, or the stream is
 *  over.  Strings are UTF-8, or latin1 when it is said.  More than the length that streamOpen was told throws
 *  (`code` 'ERR_CONTENT_LENGTH') and nothing of it is taken. */
export function streamWrite(slot: number, gen: number, data: string | Uint8Array, latin1?: boolean): 1 | 0 | -1;
/** True = ended, also when the client has gone; false = it was over.  Fewer bytes than declared: as streamAbort. */
export function streamEnd(slot: number, gen: number): boolean;
/** The connection ends without a last chunk: the client can tell that something is missing. */
export function streamAbort(slot: number, gen: number): void;

/** The next piece of the request's body, of at most 64 KiB, a copy; null = nothing there now, event 2 comes when there is;
 *  undefined = the end; false = it broke off, or the handle is stale: the client has gone, or the server has answered. */
export function bodyRead(slot: number, gen: number): Buffer | null | undefined | false;

// ---- reading. undefined = stale.
/** A number is a place in methodNames(). */
export function method(slot: number, gen: number): number | string | undefined;
export function methodNames(): string[];
/** As received, without the query; 1 = exactly the pattern of its route. */
export function path(slot: number, gen: number): 1 | string | undefined;
/** As received; 1 likewise. */
export function uri(slot: number, gen: number): 1 | string | undefined;
/** Without '?'; '' when there is none. */
export function query(slot: number, gen: number): string | undefined;
/** Parsed query, or of a body of type application/x-www-form-urlencoded: flat [name, value, name, value ...], decoded
 *  ('+' is a space, malformed % literal, invalid UTF-8 as U+FFFD). */
export function queryPairs(slot: number, gen: number): string[] | undefined;
export function formPairs(slot: number, gen: number): string[] | undefined;
/** First field of that name in any case; null = none. Names and values are latin1. */
export function header(slot: number, gen: number, name: string): string | null | undefined;
/** The same for the name of that number. */
export function headerAt(slot: number, gen: number, id: number): string | null | undefined;
/** All fields named Cookie, joined with "; "; null = none. */
export function cookie(slot: number, gen: number): string | null | undefined;
/** Well-known names in lower case by their numbers; 0 is none (''). */
export function fieldNames(): string[];
/** Returns the head as received, in latin1, and says in `table` where its fields are, from number `from` on and as many as
 *  there is room for: [0] how many; then five words of each: number of the name (0 = not well-known; + 64 = it was there
 *  before), start and end of the name, start and end of the value. */
export function fields(slot: number, gen: number, table: Uint16Array, from: number): string | undefined;
/** Decoded values in the order of the pattern's names. */
export function params(slot: number, gen: number): string[] | undefined;
/** One of them, by its place in the pattern; cheaper than all. */
export function param(slot: number, gen: number, index: number): string | undefined;
/** Names of a route's parameters, in that order. */
export function paramNames(route: number): string[];
export function bodySize(slot: number, gen: number): number | undefined;
/** UTF-8 decoded; invalid bytes become U+FFFD; '' without a body. */
export function bodyString(slot: number, gen: number): string | undefined;
/** A copy. */
export function bodyBuffer(slot: number, gen: number): Buffer | undefined;
/** multipart/form-data: flat per part [name, filename | null, contentType | null, start, end] with offsets into
 *  the body; null when the Content-Type is another; false when malformed. */
export function multipart(slot: number, gen: number): (string | number | null)[] | null | false | undefined;
/** The same for a body that is read in pieces: the boundary that a Content-Type names, or null; and what the header block of
 *  one part says (whole lines, each with its CRLF), or false when it is malformed. */
export function formBoundary(contentType: string): string | null;
export function partHead(head: Uint8Array): [name: string, filename: string | null, contentType: string | null] | false;
export function requestId(slot: number, gen: number): string | undefined;
/** Who logged in, as JSON; null where nobody had to. */
export function identity(slot: number, gen: number): string | null | undefined;
/** Of the client, as trusted proxies tell it; so are the next two. */
export function remoteAddress(slot: number, gen: number): string | undefined;
/** The authority that was asked for, maybe with a port. */
export function host(slot: number, gen: number): string | undefined;
/** The client spoke HTTPS to a trusted proxy. */
export function https(slot: number, gen: number): boolean | undefined;
/** [the peer's port, this end's address, its port]: of the connection, whatever a proxy says; also undefined for a Unix
 *  socket and when the client has gone. */
export function socketEnds(slot: number, gen: number): [number, string, number] | undefined;
/** Header lines that the policies of its route add to each answer, for whoever writes a head itself. */
export function policyLines(slot: number, gen: number): string | undefined;

// ---- about the addon itself
/** How it was built, and which allocator serves it: the fields of server/base/build.h. */
export function build(): Record<string, string>;

// ---- checks and logs
/** Position of the first invalid byte in `name: value` for a header line, or -1: [ok] 0 = fine, 1 = bad name, 2 = bad value. */
export function checkHeader(name: string, value: string): 0 | 1 | 2;
/** What is wrong with a route's pattern, or null. */
export function checkPattern(pattern: string): string | null;
/** One record of the server's own log (level 0 error .. 3 debug); fields: flat [key, value ...]. */
export function log(level: number, message: string, fields?: string[]): void;
/** What JavaScript prints, to descriptor 1 or 2 without ever blocking; returns how many bytes were taken. */
export function writeRaw(fd: number, data: Uint8Array | string): number;
/** So many lines of it found no room and are lost: counted. */
export function dropped(lines: number): void;
export const version: string;
