// Uses every export of actix-js; compiled by `tsc --noEmit -p tests/types`, never run.
import {
  DetachedRequestWrapper,
  Methods,
  RequestWrapper,
  Server,
  cleanupRouter,
  clearRouterCache,
  del,
  delAsync,
  forceCleanup,
  forceExit,
  get,
  getAsync,
  newRoute,
  newRouteAsync,
  onStart,
  onStop,
  patch,
  patchAsync,
  post,
  postAsync,
  put,
  putAsync,
  sum,
  worker,
} from 'actix-js';
import type {
  Auth,
  Callback,
  FetchContext,
  FetchModule,
  FileInfo,
  Form,
  FormValue,
  Handler,
  HandlerResult,
  HttpError,
  IncomingHeaders,
  Middleware,
  Params,
  Request,
  ResponseLike,
  ServerOptions,
  Sse,
  SseEvent,
  SseOptions,
} from 'actix-js';
import * as origin from '@qunto/actix-js';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<_T extends true>(): void {}

// ---- reading
export const reader: Handler = async (req) => {
  same<Equal<ReturnType<Request['getPath']>, string>>();
  same<Equal<ReturnType<Request['getHeader']>, string | null>>();
  same<Equal<ReturnType<Request['getPathParam']>, string | null>>();
  same<Equal<ReturnType<Request['getBodyBuffer']>, Buffer>>();
  same<Equal<ReturnType<Request['setStatusCodeAsync']>, Promise<boolean>>>();
  same<Equal<Request['query'], { [key: string]: string | string[] }>>();
  const texts: string[] = [req.getPath(), req.getMethod(), req.getQueryString(), req.getUri(), req.getBodyString()];
  texts.push(req.method, req.path, req.id, req.ip, req.protocol, req.host, await req.text(), req.getQueryParams().q);
  const size: number = req.hasBody() ? req.getBodySize() : 0;
  const headers: IncomingHeaders = { ...req.headers, ...req.getHeaders() };
  const cookies: string[] | undefined = headers['set-cookie'] ?? req.headers['set-cookie'];
  const params: { [name: string]: string } = { ...req.params, ...req.getPathParams(), ...req.cookies };
  const bytes: Uint8Array = await req.bytes();
  const signal: AbortSignal = req.signal;
  const nobody: Auth | null = req.auth;
  const json: unknown = (await req.json()) ?? req.getBodyJson();
  const form: Form = req.getFormData() ?? (await req.form()) ?? (await req.getFormDataAsync());
  const value: FormValue | FormValue[] | null = req.getFormValue('a') ?? (await req.getFormValueAsync('a'));
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) file(value);
  req.waitUntil(Promise.resolve());
  return { texts, size, cookies, params, bytes: bytes.length, aborted: signal.aborted, nobody, json, form };
};

// ---- paths, streams, events, middleware, fetch modules
same<Equal<Params<'/users/:id/posts/:post/*rest'>, { id: string; post: string; rest: string }>>();
same<Equal<Params<'/'>, {}>>();
same<Equal<Params<string>, { [name: string]: string }>>();
export const typed: Handler<'/users/:id'> = (req) => {
  // @ts-expect-error there is no such parameter
  req.params.name;
  return req.params.id;
};
export const loose: Handler = typed as Handler;

export const streamed: Handler = async (req) => {
  for await (const piece of req.body) if (piece.length === 0) return null;
  return req.readable;
};
export const rows: Handler = () => (async function* () { yield { a: 1 }; })();

export const events: Handler<'/events'> = async (req) => {
  const options: SseOptions = { retry: 1000, heartbeat: '15s' };
  const sse: Sse = req.sse(options);
  const event: SseEvent = { data: { a: 1 }, event: 'e', id: 7 };
  const more: boolean = (await sse.send(event)) && (await sse.send('text')) && (await sse.comment());
  const last: string | null = sse.lastEventId;
  await sse.closed;
  if (more && last === null) sse.close();
};

export const log: Middleware = async (req, next) => {
  const value = await next();
  req.addHeader('x-seen', 1);
  return value;
};

export const app: FetchModule = {
  async fetch(request, ctx) {
    const same: FetchContext = ctx;
    same.waitUntil(Promise.resolve());
    const { id } = ctx.params;
    return new Response(`${request.method} ${id} ${ctx.env.HOME} ${ctx.req.ip}`, { status: 201 });
  },
};

function file(info: FileInfo): number {
  const kind: 'file' = info.type;
  const type: string | undefined = info.contentType;
  return [kind, info.originalName, info.filename, info.path, type].length + info.size;
}

// ---- answering
const answers: Callback = async (err: Error | null, req) => {
  if (err) return req.sendError(err.message);
  const set: boolean = req.setStatusCode(201) && (await req.setStatusCodeAsync(202));
  req.addHeader('x-set', set);
  await req.addHeaderAsync('x-count', 1);
  req.sendText('a');
  req.sendJson('{}');
  req.sendObject({ a: 1 });
  req.sendEmpty();
  req.sendError();
  await req.sendTextAsync('a');
  await req.sendJsonAsync('{}');
  await req.sendObjectAsync([1]);
  await req.sendEmptyAsync();
  await req.sendErrorAsync(null);
};

// ---- what a handler may return
export const returned: Handler[] = [
  () => 'text',
  () => null,
  () => 1,
  () => true,
  () => [1],
  () => ({ a: 1 }),
  () => Buffer.from('a'),
  () => new Uint8Array(1),
  () => new Response('a', { status: 201 }),
  () => new Error('a'),
  () => undefined,
  () => {},
  async () => 'text',
  (req) => req.sendText('sent'),
];
export const like: ResponseLike = new Response(null);
export const result: HandlerResult = like;
export const teapot: HttpError = Object.assign(new Error('short and stout'), { status: 418 });

// ---- registration
for (const register of [get, post, put, patch, del, getAsync, postAsync, putAsync, patchAsync, delAsync]) {
  register('/a/:id', answers);
}
newRoute('/b', Methods.GET, (_err, req: RequestWrapper) => req.sendText('b'));
newRouteAsync('/b', Methods.DELETE, async (_err, req: DetachedRequestWrapper) => req.sendTextAsync('b'));
export const method: Methods = Methods.PATCH;
// @ts-expect-error no such method
newRoute('/c', 7, answers);
// @ts-expect-error a callback is wanted
get('/d');
// @ts-expect-error requests are made by the server
new RequestWrapper();

// ---- life
onStart(async () => {});
onStop(async ({ reason }) => void (reason === 'stop' || reason === 'reload'));
export const identity: [number, number, number, 'thread' | 'process'] = [worker.id, worker.count, worker.generation, worker.isolation];
// @ts-expect-error read-only
worker.id = 1;

const options: ServerOptions = { host: '127.0.0.1', port: 0, settings: { limit_body: 1 }, uploads: { keep: false } };
const server = new Server(options);
export const started: string = server.start();
export const stopped: Promise<string> = server.stop();
cleanupRouter();
clearRouterCache();
forceCleanup();
forceExit();
export const three: number = sum(1, 2);
same<Equal<typeof origin.Server, typeof Server>>();
