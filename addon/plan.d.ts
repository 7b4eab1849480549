// What passes between the supervisor (C) and the engine (JavaScript): internal, but written down once, here.
// The supervisor writes the plan as one JSON text into a memfd; messages are JSON objects, one a line, over a
// socket pair.  Times are microseconds, sizes bytes, -1 = off.

/** Where a message about the manifest points; `check` and `serve` print FILE:LINE:COL. */
export interface Place {
  file: string;
  line: number;
  col: number;
}

export interface PlanRoute {
  pattern: string;
  /** GET HEAD POST PUT PATCH DELETE OPTIONS ANY */
  method: string;
  /** node: a module that exports a Node (req, res) listener; it is entered with its head alone. */
  kind: 'handler' | 'node' | 'fixed' | 'health' | 'static';
  /** What answers, for people: `handlers/users.js#show`, `redirect`, `respond`, `health`, `static public`. */
  name: string;
  /** handler, node: absolute path of the module. */
  module?: string;
  /** handler, node: named export; absent: METHOD's export if there is one, else the default export. */
  export?: string;
  /** handler: middleware around it, the outermost first; absolute paths. */
  use?: { file: string; at: Place }[];
  /** handler: called when the head of a request is there; reads the body as it comes. */
  stream?: boolean;
  /** handler: a module for the whole path: when it exports GET, POST, ... those make the routes. */
  byExports?: boolean;
  /** fixed: the response. A redirect is status + a location header. */
  status?: number;
  body?: string;
  /** Rendered lines, `name: value\r\n` each. */
  headers: string;
  health?: 'live' | 'ready';
  /** static: absolute; where the pattern has no *rest, the folder of the one file, which is `index`. */
  folder?: string;
  /** static: names below the folder; empty = none. */
  index?: string;
  fallback?: string;
  timeout_us: number;
  body_max: number;
  /** Requests in progress at once, over all workers; 0 = no limit of its own. */
  max_inflight: number;
  /** Routes of one group, which is not 0, share that: the METHODs of a path that says it for all of them. */
  inflight_group: number;
  /** And so many more may wait. */
  queue: number;
  /** Absent: a route that was registered in code, for which the rules count as they are. */
  policy?: PlanPolicy;
  uploads: Uploads;
  at: Place;
}

export interface Uploads {
  /** Absolute. */
  dir: string;
  keep: boolean;
  file: number;
  files: number;
  fields: number;
  field: number;
}

/** Positions in the lists of PlanPolicies, from 1; 0 = none. */
export interface PlanPolicy {
  login: number;
  cors: number;
  rate: number;
  compress: number;
}

/** server/net/policy.h says what each is. Lists of names are lines, or one header line, ready to be sent. */
export interface PlanPolicies {
  logins: {
    kind: 'basic' | 'bearer' | 'hs256' | 'rs256';
    name: string;
    /** Absolute; '' = secret has it. */
    file: string;
    secret: string;
    audience: string;
    issuer: string;
    scope: string;
    leeway_us: number;
    at: Place;
  }[];
  cors: { origins: string; methods: string; headers: string; expose: string; credentials: boolean; max_age_s: number }[];
  rates: { n: number; unit_us: number; burst: number }[];
  compress: { min: number; types: string }[];
  pages: { status: string; file: string }[];
  /** The longest prefix first, each with what shorter ones say and it does not. */
  rules: { prefix: string; headers: string; policy: PlanPolicy }[];
}

export interface Plan {
  generation: number;
  /** Absolute folder of the manifest. */
  root: string;
  manifest: string;
  /** `actix dev`: errors are shown where they happen, and the files that were loaded are reported. */
  dev: boolean;
  /** actix dev: nobody else serves, so code that does not load is answered with a page that says why. */
  page: boolean;
  /** HOST:PORT for a debugger; absent: none. */
  inspect?: string;
  workers: number;
  balance: 'least_connections' | 'round_robin' | 'least_inflight';
  minReady: number;
  /** Old generation megabytes of a worker (resourceLimits.maxOldGenerationSizeMb); 0 = V8's own choice. */
  heapMb: number;
  /** Microseconds for loading modules and onStart; -1 = off. */
  startup_us: number;
  /** Microseconds that one call into JavaScript may run; -1 = off. */
  stall_us: number;
  /** Microseconds for requests in progress at stop; -1 = off. */
  shutdown_us: number;
  /** Microseconds that streams run on when another engine has taken this one's place; -1 = off. */
  drain_us: number;
  /** By the names of server/net/settings.def. */
  settings: Record<string, number>;
  log: { output: string; format: 'text' | 'json'; level: number; access: string; accessFormat: 'text' | 'json' | 'combined' };
  uploads: Uploads;
  /** Addresses, CIDR blocks, "unix". */
  trustedProxies: string[];
  modules: { file: string; at: Place }[];
  policies: PlanPolicies;
  routes: PlanRoute[];
  listen: { fd: number; url: string }[];
  /** Descriptor of the metrics segment; -1 under check. */
  segmentFd: number;
  /** Engine's end of its mailbox (server/net/mailbox.h); -1 = none. */
  mailboxFd: number;
  /** isolation: process: the board of loads; -1 = none. */
  boardFd: number;
  /** The app starts: a worker that dies before all were ready fails it.  An engine of later, also of the first generation,
   *  replaces one that was ready. */
  first: boolean;
  /** Another engine serves meanwhile: no worker accepts before all are prepared, so a start that fails has cut nothing off. */
  hold: boolean;
  /** thread: the workers are threads of this engine.  process: there are `workers` engines, each of them one worker, whose
   *  id is its slot. */
  isolation: 'thread' | 'process';
  slot: number;
}

/** Engine to supervisor. */
export type FromEngine =
  /** broken: what answers is the page that says why the code does not load (actix dev). */
  | { type: 'ready'; workers: number; broken?: boolean }
  /** actix dev: files that were loaded, node_modules excepted. */
  | { type: 'files'; files: string[] }
  /** Cannot start: every error found by the first worker that failed; the engine then exits with 1. */
  | { type: 'failed'; errors: { at?: Place; message: string }[]; shown?: boolean }
  | { type: 'event'; kind: 'crash' | 'restart' | 'stall' | 'timeout' | 'limit'; text: string; worker?: number }
  /** zombies: threads of workers taken over that do not end. */
  | {
      type: 'workers';
      workers: { id: number; state: 'starting' | 'ready' | 'draining' | 'gone'; restarts: number }[];
      zombies: number;
    }
  /** A worker has died, or was taken over, in that route (null: nobody can say): for server.quarantine. */
  | { type: 'killed'; worker: number; route: { method: string; pattern: string } | null; why: 'stall' | 'crash' | 'heap' | 'exit' }
  /** This process cannot be mended from within: a rolling restart is wanted. */
  | { type: 'renew'; why: string }
  /** Told to end, it accepts no connection any more: another engine gets them all. */
  | { type: 'not_accepting' }
  /** All requests answered, onStop done; the engine exits with 0 right after. */
  | { type: 'drained' };

/** Supervisor to engine. End of file on the pair means that the supervisor is gone: the engine exits at once. */
export type ToEngine =
  | { type: 'lame_duck' }
  | { type: 'stop'; reason: 'stop' | 'reload' }
  /** Its connections go to the engine that the mailbox has named as heir; then as after stop. */
  | { type: 'handover' }
  | { type: 'workers' }
  | { type: 'reopen_logs' };

/** The throw-away Node of `actix check` and `actix routes` (addon/check.js) writes one such line of JSON to descriptor 3
 *  before it loads a module, with the errors found so far: the last word of one that never comes back. */
export interface CheckLoading {
  loading: string;
  at?: Place;
  errors: { at?: Place; message: string }[];
}
/** Its last line. */
export interface CheckResult {
  errors: { at?: Place; message: string }[];
  /** After expansion of exports and of routes that modules register in code. */
  routes: { method: string; pattern: string; name: string; at?: Place }[];
}
