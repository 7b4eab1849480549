/// <reference types="node" />
// Types of package actix-js: what handler modules and Actix-JS programs see.  Times are said where they occur; sizes are
// bytes.

// ---- requests

/** A file of a multipart form, stored on disk under `uploads.dir`, mode 0600. */
export interface FileInfo {
  type: 'file';
  /** As the client named it, without folders.  Never use it as a path. */
  originalName: string;
  /** The name it is stored under: a UUID, and the extension cut to `[A-Za-z0-9]{1,8}`. */
  filename: string;
  /** `uploads.dir` and `filename`.  With `uploads.keep: false` the file is deleted when the response is sent. */
  path: string;
  contentType?: string;
  /** Bytes. */
  size: number;
}

export type FormValue = string | FileInfo;
/** Repeated fields are arrays, in the order of the form. */
export type Form = { [name: string]: FormValue | FormValue[] };

/**
 * One request.  The object is yours and may be kept; what has been read once stays readable.  Reading something for the
 * first time after the request has ended throws `ERR_REQUEST_ENDED`.
 */
declare class Request<Path extends string = string> {
  private constructor();

  // -- reading

  /** As received, without the query. */
  getPath(): string;
  getMethod(): string;
  /** Without `?`; `''` when there is none. */
  getQueryString(): string;
  /** Path and query as received. */
  getUri(): string;
  /** Decoded, `+` is a space; the last of repeated keys. */
  getQueryParams(): { [key: string]: string };
  /** UTF-8; invalid bytes become U+FFFD; `''` without a body. */
  getBodyString(): string;
  hasBody(): boolean;
  /** Bytes. */
  getBodySize(): number;
  /** `null` when the body is empty or not JSON; never throws for that. */
  getBodyJson(): any;
  /** The first of that name, in any case. */
  getHeader(name: string): string | null;
  /** The same object as `headers`; `set-cookie`, which requests do not carry, would be an array. */
  getHeaders(): { [key: string]: string };
  /** Decoded. */
  getPathParams(): { [key: string]: string };
  getPathParam(name: string): string | null;
  /**
   * `application/x-www-form-urlencoded` or `multipart/form-data`; `{}` for anything else.  Throws errors that answer by
   * themselves when nobody catches them: 413 over a limit of `uploads`, 400 malformed, 507 disk full.  The object is a
   * `Form`; the type is open as in the origin of the interface.
   */
  getFormData(): any;
  /** `null` when there is no such field. */
  getFormValue(key: string): any;
  getFormDataAsync(): Promise<any>;
  getFormValueAsync(key: string): Promise<any>;

  readonly method: string;
  readonly path: string;
  /** Decoded; without a prototype.  By name where the path is known: `Handler<'/users/:id'>`. */
  readonly params: Params<Path>;
  /** Without a prototype; repeated keys are arrays. */
  readonly query: { [key: string]: string | string[] };
  /** Lower-case names, duplicates joined or dropped as node:http does. */
  readonly headers: IncomingHeaders;
  /** Without a prototype; decoded. */
  readonly cookies: { [name: string]: string };
  /** Of this request; reading it sends it back as `x-request-id`. */
  readonly id: string;
  /** Address of the client, or `unix`. */
  readonly ip: string;
  readonly protocol: 'http' | 'https';
  /** The Host header. */
  readonly host: string;
  /** Who logged in, where the route's `auth` asks for it; else null. */
  readonly auth: Auth | null;
  /** Aborted with a `TimeoutError` when the server has answered 504, with an `AbortError` when the client has gone. */
  readonly signal: AbortSignal;

  /** A copy, yours. */
  getBodyBuffer(): Buffer;
  text(): Promise<string>;
  /** Rejects with an error that answers 400 when the body is empty or not JSON. */
  json(): Promise<any>;
  /** A copy, yours. */
  bytes(): Promise<Uint8Array>;
  /** The same object as `getFormDataAsync` gives. */
  form(): Promise<Form>;
  /**
   * The body as a web stream, which is async iterable too; with `stream: true` on the route as it comes, else of the body
   * that is there.  A body that comes is read once: as `body`, as `readable`, or by text(), json(), bytes() or form().
   */
  readonly body: ReadableStream<Uint8Array>;
  /** The same as a Node stream. */
  readonly readable: import('node:stream').Readable;
  /** Answers with server-sent events: the head leaves at once. */
  sse(options?: SseOptions): Sse;
  /** Work that goes on after the response: a rejection is logged, a stop waits for it within `timeouts.shutdown`. */
  waitUntil(promise: PromiseLike<unknown>): void;

  // -- answering: once; a second time throws `ERR_RESPONSE_SENT`.  A first time after the server has answered (504) or
  //    the client has gone does nothing.

  /** `false` after sending, or when it is no integer from 200 to 999. */
  setStatusCode(status: number): boolean;
  /**
   * Appends; takes the place of a single-valued field such as `content-type`.  Throws `ERR_INVALID_CHAR`.
   * `content-length`, `transfer-encoding`, `connection` and `date` belong to the server and are left out.
   */
  addHeader(key: string, value: string | number | boolean): void;
  /** `text/plain; charset=utf-8` */
  sendText(text: string): void;
  /** `application/json; charset=utf-8`, text that is JSON already. */
  sendJson(json: string): void;
  /** `JSON.stringify(value)` */
  sendObject(value: unknown): void;
  /** 200 or the status that was set, without a body. */
  sendEmpty(): void;
  /** Text; 500 or the status of 400 and above that was set. */
  sendError(message?: string | null): void;

  // -- the same as promises, which reject and never throw

  setStatusCodeAsync(status: number): Promise<boolean>;
  addHeaderAsync(key: string, value: string | number | boolean): Promise<void>;
  sendTextAsync(text: string): Promise<void>;
  sendJsonAsync(json: string): Promise<void>;
  sendObjectAsync(value: unknown): Promise<void>;
  sendEmptyAsync(): Promise<void>;
  sendErrorAsync(message?: string | null): Promise<void>;
}

/** Who logged in: `name` is the manifest's name of the way; `user` of basic, `claims` of a JWT. */
export interface Auth {
  name: string;
  scheme: 'basic' | 'bearer';
  user?: string;
  claims?: { [name: string]: any };
}

type ParamNames<Path extends string> = Path extends `${infer Head}/${infer Tail}`
  ? ParamNames<Head> | ParamNames<Tail>
  : Path extends `:${infer Name}` | `*${infer Name}`
    ? Name
    : never;
/** The parameters of a path: `Params<'/users/:id/*rest'>` is `{ id: string; rest: string }`. */
export type Params<Path extends string> = string extends Path
  ? { [name: string]: string }
  : { [Name in ParamNames<Path>]: string };

export interface SseOptions {
  /** Milliseconds after which a client that lost the connection asks again; sent first. */
  retry?: number;
  /** Milliseconds, or text such as `'15s'` (the default), after which a silent stream gets a comment; 0, false, 'off': never. */
  heartbeat?: number | string | false;
}

export interface SseEvent {
  /** Anything but a string is sent as JSON. */
  data?: unknown;
  event?: string;
  id?: string | number;
  /** Milliseconds. */
  retry?: number;
}

/** A stream of server-sent events; it ends with close(), with the client, or with an error of the handler. */
export interface Sse {
  /**
   * Text, an `SseEvent`, or any other value as JSON.  Resolves with true when more may be sent, with false when nobody
   * listens any more; never rejects.  Who does not wait for it and has a client that does not read loses that client.
   */
  send(event: SseEvent | string | number | boolean | object | null): Promise<boolean>;
  comment(text?: string): Promise<boolean>;
  /** Of the event that a client got last before it lost the connection. */
  readonly lastEventId: string | null;
  /** Resolves when the client has gone or the stream was closed. */
  readonly closed: Promise<void>;
  close(): void;
}

export interface IncomingHeaders {
  [name: string]: string | string[] | undefined;
  'set-cookie'?: string[];
}

/** Both names of the Actix-JS interface are the one request class. */
export { Request as RequestWrapper, Request as DetachedRequestWrapper };
export type { Request };

// ---- handler modules

/** What a handler module exports: what it returns, or resolves to, is the response. */
export type Handler<Path extends string = string> = (req: Request<Path>) => HandlerResult | PromiseLike<HandlerResult>;

/** A module of `use`: runs around the handler.  What it returns is the answer; undefined: what next() gave is. */
export type Middleware = (
  req: Request,
  next: () => HandlerResult | PromiseLike<HandlerResult>,
) => HandlerResult | PromiseLike<HandlerResult>;

/** A module whose default export has `fetch` gets WHATWG Requests: Hono and its kind run as they are. */
export interface FetchModule {
  /** The context is the third argument, too, where apps written as (request, env, ctx) look for it. */
  fetch(request: globalThis.Request, ctx: FetchContext, sameCtx: FetchContext): ResponseLike | PromiseLike<ResponseLike>;
}

export interface FetchContext<Path extends string = string> {
  /** Work that goes on after the response. */
  waitUntil(promise: PromiseLike<unknown>): void;
  /** Of the manifest's path. */
  readonly params: Params<Path>;
  readonly env: typeof process.env;
  /** The same request as handlers get it. */
  readonly req: Request<Path>;
  /** Does nothing. */
  passThroughOnException(): void;
}

/**
 * string: text; null: 204; number, boolean, array, object: JSON; Uint8Array and Buffer: bytes; Response: as is; web
 * stream, Node stream, async iterable: streamed, objects as lines of JSON; Error: as if thrown; undefined: a send method answers.  A promise that settles to undefined without an answer is 500.
 */
export type HandlerResult =
  | string
  | null
  | number
  | boolean
  | Uint8Array
  | ArrayBuffer
  | ResponseLike
  | ReadableStream
  | NodeJS.ReadableStream
  | AsyncIterable<unknown>
  | Error
  | object
  | undefined
  | void;

/** A WHATWG Response of any implementation. */
export interface ResponseLike {
  status: number;
  headers: { forEach(fn: (value: string, name: string) => void): void };
  arrayBuffer(): PromiseLike<ArrayBuffer>;
}

/** An error that a handler throws: 400 to 599 answers with that status, below 500 with its message. */
export interface HttpError extends Error {
  status?: number;
  statusCode?: number;
}

/** Awaited before this worker takes its first request, within `timeouts.startup`; a rejection fails the start. */
export declare function onStart(fn: () => unknown): void;
/** Runs after this worker's last request, the latest registered first. */
export declare function onStop(fn: (why: { reason: 'stop' | 'reload' | 'crash' }) => unknown): void;

/** Which worker this is.  Each has its own instance of every module; a replacement keeps the id. */
export declare const worker: {
  readonly id: number;
  readonly count: number;
  readonly generation: number;
  readonly isolation: 'thread' | 'process';
};

// ---- the Actix-JS interface

/** `err` is always null; the return value is ignored, but a rejection answers 500. */
export type Callback = (err: Error | null, req: Request) => any;

export declare const Methods: {
  readonly GET: 0;
  readonly POST: 1;
  readonly PUT: 2;
  readonly PATCH: 3;
  readonly DELETE: 4;
};
export type Methods = (typeof Methods)[keyof typeof Methods];

// Routes throw `ERR_ROUTE` (bad pattern), `ERR_ROUTE_DUPLICATE`, and `ERR_ROUTES_FROZEN` once the server has started.
export declare function get(route: string, callback: Callback): void;
export declare function post(route: string, callback: Callback): void;
export declare function put(route: string, callback: Callback): void;
export declare function patch(route: string, callback: Callback): void;
export declare function del(route: string, callback: Callback): void;
export declare function getAsync(route: string, callback: Callback): void;
export declare function postAsync(route: string, callback: Callback): void;
export declare function putAsync(route: string, callback: Callback): void;
export declare function patchAsync(route: string, callback: Callback): void;
export declare function delAsync(route: string, callback: Callback): void;
export declare function newRoute(route: string, method: Methods, callback: Callback): void;
export declare function newRouteAsync(route: string, method: Methods, callback: Callback): void;

export interface ServerOptions {
  /** 127.0.0.1 */
  host?: string;
  /** 3001; 0 picks a free one. */
  port?: number;
  /** Plain Node only: numbers by the names of the core's settings, e.g. `{ limit_body: 5242880, timeout_handler_us: 2000000 }`. */
  settings?: { [name: string]: number };
  /** Plain Node only: the manifest's `uploads`; `dir` is relative to the current folder. */
  uploads?: {
    dir?: string;
    /** false: a file is deleted when the response is sent. */
    keep?: boolean;
    /** Bytes of one file. */
    file?: number;
    /** Files of one form. */
    files?: number;
    /** Fields of one form. */
    fields?: number;
    /** Bytes of one field. */
    field?: number;
  };
}

/** Serves the registered routes in this process.  Under `actix serve` the manifest rules and it binds nothing. */
export declare class Server {
  constructor(options?: ServerOptions);
  /** Returns a sentence with the URL really bound.  Throws when it cannot bind (`EADDRINUSE` ...) or is running. */
  start(): string;
  /** Resolves when all is closed; rejects when it is not running.  The server may be started again. */
  stop(): Promise<string>;
}

/** Empties the registry of routes registered in code; a server that runs keeps its routes until it stops. */
export declare function cleanupRouter(): void;
/** Kept for programs that call it: the route cache is never stale. */
export declare function clearRouterCache(): void;
/** Empties the registry and closes a running server without waiting for its requests. */
export declare function forceCleanup(): void;
/** Exits with 0 after 100 ms; under `actix serve` it only logs. */
export declare function forceExit(): void;
export declare function sum(a: number, b: number): number;
