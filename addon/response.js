'use strict';
// WHATWG Response, light: keeps what it was made of, so that most answers are sent without a stream.  Whatever it cannot do
// by itself the Response of Node does, which is made when it is first wanted.  Passes `instanceof Response`, as those of
// Node do.  Workers put it, with Headers and the Request of fetch.js, in the place of the globals (install).
const { nodes } = require('./globals');
const { isDisturbed } = require('node:stream');
const { types } = require('node:util');
const { Headers } = require('./fetch-headers');
const { useLight } = require('./respond');

const Real = nodes('Response');

/** With the space that other servers of fetch modules send, until Node's own Response takes over: that has none. */
const TEXT_TYPE = 'text/plain; charset=UTF-8';
const NODES_TEXT_TYPE = 'text/plain;charset=UTF-8';
const FORM_TYPE = 'application/x-www-form-urlencoded;charset=UTF-8';
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Statuses that carry no body. */
const EMPTY = new Set([101, 103, 204, 205, 304]);
const REASON = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Streams made of a string or bytes -> those: who wraps such a stream in another Response has the original again. */
const sources = new WeakMap();

class Response {
  #status = 200;
  #reason = '';
  #headers; // Headers, made when they are wanted
  #type; // the content-type that the body brings
  #body; // null, string, Uint8Array or web stream; undefined: only #real knows
  #real;
  #used = false;
  #head; // what a HEAD is told the length of: `new Response(null, response)` stands for that one

  constructor(body = null, init = undefined) {
    if (init !== undefined && init !== null) this.#begin(init);
    this.#body = body;
    if (typeof body === 'string') this.#type ??= TEXT_TYPE;
    else if (body !== null) this.#adopt(body);
    if (this.#body !== null && EMPTY.has(this.#status)) throw new TypeError(`a Response with status ${this.#status} has no body`);
  }

  #begin(init) {
    if (typeof init !== 'object' && typeof init !== 'function') throw new TypeError('the second argument of Response is an object');
    const { status, statusText } = init;
    const headers = #body in init ? undefined : init.headers;
    if (status !== undefined) this.#status = statusOf(status);
    if (statusText !== undefined && statusText !== '') this.#reason = reasonOf(statusText);
    if (#body in init) this.#beginAs(init);
    if (headers !== undefined) this.#headers = new Headers(headers);
  }

  #beginAs(other) {
    if (other.#headers !== undefined) this.#headers = new Headers(other.#headers);
    this.#type = other.#type;
    if (isWhole(other.#body)) this.#head = other.#body;
  }

  #adopt(body) {
    if (isStream(body)) {
      const source = sources.get(body);
      if (source !== undefined && !body.locked && !isDisturbed(body)) this.#body = source;
      else if (body.locked || isDisturbed(body)) throw new TypeError('the stream is locked or was read already');
    } else if (ArrayBuffer.isView(body)) this.#body = new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
    else if (types.isAnyArrayBuffer(body)) this.#body = new Uint8Array(body);
    else if (body instanceof URLSearchParams) {
      this.#body = String(body);
      this.#type ??= FORM_TYPE;
    } else if (typeof body === 'object') this.#adoptReal(new Real(body));
    else {
      this.#body = String(body);
      this.#type ??= TEXT_TYPE;
    }
  }

  #adoptReal(real) {
    this.#real = real;
    this.#body = undefined;
    this.#type ??= real.headers.get('content-type') ?? undefined;
  }

  static [Symbol.hasInstance](value) {
    return this === Response
      ? Real.prototype.isPrototypeOf(value)
      : Function.prototype[Symbol.hasInstance].call(this, value);
  }

  static json(data, init = undefined) {
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError('the value cannot be written as JSON');
    const response = new Response(text, init);
    response.#type = 'application/json';
    return response;
  }

  static redirect(url, status = 302) {
    if (!REDIRECTS.has(status)) throw new RangeError(`${status} is no status of a redirect`);
    return new Response(null, { status, headers: { location: new URL(url).href } });
  }

  static error() {
    return Real.error();
  }

  // ---- for respond.js

  static is(value) {
    return #body in value;
  }

  static statusOf(value) {
    return value.#status;
  }

  /** string or Uint8Array to be sent as it is, null, or undefined: it is a stream.  Throws when it was read already. */
  static plainBodyOf(value) {
    if (value.bodyUsed || value.#real?.body?.locked === true) throw new TypeError('the body of the Response was read already');
    const body = value.#body;
    return body === null || isWhole(body) ? body : undefined;
  }

  /** To be sent to HEAD in the place of no body: it is dropped, its length is not. */
  static headBodyOf(value) {
    return value.#head;
  }

  /** Names in lower case and values, in turn; to be read only. */
  static listOf(value) {
    const list = value.#headers === undefined ? [] : Headers.listOf(value.#headers);
    return value.#type === undefined || Headers.isTyped(list) ? list : [...list, 'content-type', value.#type];
  }

  #full() {
    if (this.#real === undefined) {
      if (this.#type === TEXT_TYPE) this.#type = NODES_TEXT_TYPE;
      const { status } = this;
      this.#real = new Real(this.#body, { status, statusText: this.#reason, headers: [...this.headers] });
    }
    return this.#real;
  }

  get status() {
    return this.#status;
  }

  get statusText() {
    return this.#reason;
  }

  get ok() {
    return this.#status >= 200 && this.#status <= 299;
  }

  get headers() {
    this.#headers ??= new Headers();
    if (this.#type !== undefined) {
      if (!this.#headers.has('content-type')) this.#headers.set('content-type', this.#type);
      this.#type = undefined;
    }
    return this.#headers;
  }

  get type() {
    return 'default';
  }

  get url() {
    return '';
  }

  get redirected() {
    return false;
  }

  get body() {
    if (this.#body === null) return null;
    const isOwn = isWhole(this.#body);
    if (!isOwn && this.#real === undefined) return this.#body;
    const { body } = this.#full();
    if (isOwn && !this.#used && body !== null) sources.set(body, this.#body);
    return body;
  }

  get bodyUsed() {
    if (this.#used) return true;
    if (this.#real !== undefined) return this.#real.bodyUsed;
    return isStream(this.#body) && isDisturbed(this.#body);
  }

  #take() {
    if (this.#used) throw new TypeError('Body is unusable: Body has already been read');
    this.#used = true;
    return this.#body;
  }

  #isText() {
    return typeof this.#body === 'string' && this.#real === undefined;
  }

  async text() {
    return this.#isText() ? this.#take() : this.#fresh().text();
  }

  async json() {
    return this.#isText() ? JSON.parse(this.#take()) : this.#fresh().json();
  }

  async arrayBuffer() {
    return this.#fresh().arrayBuffer();
  }

  async bytes() {
    return new Uint8Array(await this.#fresh().arrayBuffer());
  }

  async blob() {
    return this.#fresh().blob();
  }

  async formData() {
    return this.#fresh().formData();
  }

  /** The full one, its body not yet read. */
  #fresh() {
    if (this.#used) throw new TypeError('Body is unusable: Body has already been read');
    return this.#full();
  }

  clone() {
    if (this.bodyUsed) throw new TypeError('Response.clone: the body was read already');
    const { status } = this;
    const copy = new Response(null, { status, statusText: this.#reason, headers: this.headers });
    if (this.#real === undefined && !isStream(this.#body)) copy.#body = this.#body;
    else copy.#adoptReal(this.#full().clone());
    return copy;
  }

  [Symbol.for('nodejs.util.inspect.custom')](depth, options, inspect) {
    const { status, statusText, headers, bodyUsed } = this;
    return `Response ${inspect({ status, statusText, headers, bodyUsed }, options)}`;
  }
}

Object.setPrototypeOf(Response.prototype, Real.prototype);
Object.defineProperty(Response.prototype, Symbol.toStringTag, { value: 'Response', configurable: true });

const isWhole = (body) => typeof body === 'string' || body instanceof Uint8Array;

const isStream = (value) => typeof value === 'object' && value !== null && typeof value.getReader === 'function';

function statusOf(value) {
  const status = typeof value === 'number' ? value : Number(value);
  if (!Number.isInteger(status) || status < 200 || status > 599) throw new RangeError(`the status of a Response is 200 to 599, not ${value}`);
  return status;
}

function reasonOf(value) {
  const reason = String(value);
  if (!REASON.test(reason)) throw new TypeError('invalid statusText');
  return reason;
}

useLight(Response);

module.exports = { Response };
