'use strict';
// Modules whose default export has fetch(request, ctx): the request as a WHATWG Request, light: it reads from the actix
// request what is asked for.  Whatever it cannot do by itself the Request of Node does, which is made when it is first
// wanted.  Passes `instanceof Request`, as those of Node do.
const { nodes } = require('./globals');
const { Headers } = require('./fetch-headers');
const { incomingList } = require('./headers');

const Real = nodes('Request');
const realFetch = nodes('fetch');

/** `url` of most requests needs no parser: host and target are in their normal form. */
const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
// A label after `xn--` may be no name, and one like 0xf is a number.
const PLAIN_HOST = new RegExp(`^(?:(?!.*(?:xn--|0x))[a-z0-9.-]*[a-z-]|${OCTET}(?:\\.${OCTET}){3})(?::(?!80$|443$|0)\\d{1,4})?$`);
const PLAIN_TARGET = /^\/[A-Za-z0-9\-._~!$&()*+,;=:@%/?]*$/;

/** fetch() refuses a Request with these and a body. */
const BODILESS = new Set(['GET', 'HEAD']);

const unusable = () => new TypeError('Body is unusable: Body has already been read');

class FetchRequest {
  #req;
  #url;
  #headers;
  #real;
  #used = false;

  constructor(req) {
    this.#req = req;
  }

  /** The Request of Node behind a light one; any other value as it is. */
  static realOf(value) {
    return typeof value === 'object' && value !== null && #req in value ? value.#full() : value;
  }

  get method() {
    return this.#req.method;
  }

  get url() {
    return (this.#url ??= urlOf(this.#req));
  }

  get headers() {
    return (this.#headers ??= Headers.of(incomingList(this.#req._slot, this.#req._gen)));
  }

  get signal() {
    return this.#req.signal;
  }

  get duplex() {
    return 'half';
  }

  get body() {
    return this.#isEmpty() ? null : this.#full().body;
  }

  get bodyUsed() {
    return this.#used || this.#real?.bodyUsed === true;
  }

  #isEmpty() {
    return BODILESS.has(this.#req.method) || !this.#req.mayHaveBody();
  }

  /** Whether the body can be read without the full one; from then on it is used. */
  #take() {
    if (this.#real !== undefined) return false;
    if (this.#used) throw unusable();
    if (!this.#isEmpty()) this.#used = true;
    return true;
  }

  async text() {
    return this.#take() ? this.#req.text() : this.#full().text();
  }

  async json() {
    if (!this.#take()) return this.#full().json();
    return JSON.parse(await this.#req.text());
  }

  async bytes() {
    return this.#take() ? new Uint8Array(await this.#req.bytes()) : new Uint8Array(await this.#full().arrayBuffer());
  }

  async arrayBuffer() {
    return (await this.bytes()).buffer;
  }

  async blob() {
    return this.#full().blob();
  }

  async formData() {
    return this.#full().formData();
  }

  clone() {
    if (this.bodyUsed) throw new TypeError('Request.clone: the body was read already');
    if (this.#real !== undefined || this.#req.streamed) return this.#full().clone();
    return new FetchRequest(this.#req);
  }

  #full() {
    if (this.#real !== undefined) return this.#real;
    const { method, headers, signal } = this;
    const init = { method, headers: [...headers], signal, duplex: 'half' };
    if (this.#used) throw unusable();
    if (!this.#isEmpty()) init.body = this.#req.streamed ? this.#req.body : this.#req.getBodyBuffer();
    this.#real = new Real(this.url, init);
    return this.#real;
  }

  [Symbol.for('nodejs.util.inspect.custom')](depth, options, inspect) {
    const { method, url, headers } = this;
    return `Request ${inspect({ method, url, headers }, options)}`;
  }
}

/** Everything else that a Request has is asked of the full one. */
for (const name of Object.getOwnPropertyNames(Real.prototype)) {
  const { get } = Object.getOwnPropertyDescriptor(Real.prototype, name);
  if (get === undefined || Object.hasOwn(FetchRequest.prototype, name)) continue;
  Object.defineProperty(FetchRequest.prototype, name, {
    get() {
      return Reflect.get(FetchRequest.realOf(this), name);
    },
    configurable: true,
  });
}
Object.setPrototypeOf(FetchRequest.prototype, Real.prototype);

/** What `new Request(...)` gives is Node's own; it takes a light one, too. */
const Request = new Proxy(Real, {
  construct: (target, [input, ...rest], newTarget) =>
    Reflect.construct(target, [FetchRequest.realOf(input), ...rest], newTarget === Request ? target : newTarget),
});

/** The global fetch, which takes a light Request, too. */
function fetch(input, init = undefined) {
  return realFetch(FetchRequest.realOf(input), init);
}

function urlOf(req) {
  const { protocol, host } = req;
  const target = req.getUri();
  if (PLAIN_HOST.test(host) && PLAIN_TARGET.test(target)) return `${protocol}://${host}${target}`;
  try {
    return new URL(`${protocol}://${host === '' || host === null ? 'localhost' : host}${target}`).href;
  } catch {
    return new URL(`${protocol}://localhost${target}`).href; // a Host that HTTP allows and URLs do not, like %00 or a:99999
  }
}

/** The second argument of fetch(request, ctx), and the third: Hono and others take (request, env, ctx). */
class FetchContext {
  #req;

  constructor(req) {
    this.#req = req;
  }

  get env() {
    return process.env;
  }

  /** Decoded parameters of the manifest's path. */
  get params() {
    return this.#req.params;
  }

  /** The actix request. */
  get req() {
    return this.#req;
  }

  waitUntil(promise) {
    this.#req.waitUntil(promise);
  }

  /** There is nothing behind this server that could take over. */
  passThroughOnException() {}
}

/** A handler (req) => Response that calls `app.fetch`; respond.js knows it by `fetches`. */
function handlerOf(app) {
  const handler = (req) => {
    const ctx = new FetchContext(req);
    const value = app.fetch(new FetchRequest(req), ctx, ctx);
    if (value === undefined) throw new TypeError('fetch() returned no Response; is a return or an await missing?');
    return value;
  };
  handler.fetches = true;
  return handler;
}

module.exports = { Request, FetchRequest, fetch, handlerOf };
