'use strict';
// WHATWG Headers, light: a flat list of names and values instead of maps and guards.  Passes `instanceof Headers`; what
// takes Headers of Node's own takes it too, since it is iterable.
const { nodes } = require('./globals');
const { FIELDS } = require('./names');

const Real = nodes('Headers');

// RFC 9110, 5.6.2 (token) and 5.5 (field-value; bytes from 0x80 are latin1); fetch strips white space around a value.
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const BAD_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const SPACE_AROUND = /^[\t\n\r ]+|[\t\n\r ]+$/g;
const SPACE_BEGIN = /^[\t\n\r ]|[\t\n\r ]$/;

/** Spelling -> lower case; bounded, since names may come from clients. */
const NAMES_MAX = 1024;
const NAME_LENGTH_MAX = 64;
const names = new Map(FIELDS.slice(1).map((name) => [name, name]));

function lowerOf(name) {
  return names.get(name) ?? learn(String(name));
}

function learn(name) {
  if (!TOKEN.test(name)) throw new TypeError(`${JSON.stringify(name)} is no valid header name`);
  const lower = name.toLowerCase();
  if (names.size < NAMES_MAX && name.length <= NAME_LENGTH_MAX) names.set(name, lower);
  return lower;
}

function valueOf(name, value) {
  let text = typeof value === 'string' ? value : String(value);
  if (SPACE_BEGIN.test(text)) text = text.replace(SPACE_AROUND, '');
  if (BAD_VALUE.test(text)) throw new TypeError(`header ${name} has a value with an invalid character`);
  return text;
}

class Headers {
  /** Names in lower case and values, in turn; a name comes once, but set-cookie. */
  #list = [];

  constructor(init = undefined) {
    if (init !== undefined) this.#fill(init);
  }

  static [Symbol.hasInstance](value) {
    return this === Headers
      ? Real.prototype.isPrototypeOf(value)
      : Function.prototype[Symbol.hasInstance].call(this, value);
  }

  /** `list` is owned from then on. */
  static of(list) {
    const headers = new Headers();
    headers.#list = list;
    return headers;
  }

  /** The list of a light one, to be read only; undefined for any other value. */
  static listOf(value) {
    return typeof value === 'object' && value !== null && #list in value ? value.#list : undefined;
  }

  static isTyped(list) {
    for (let i = 0; i < list.length; i += 2) if (list[i] === 'content-type') return true;
    return false;
  }

  #fill(init) {
    if (init === null || typeof init !== 'object') throw new TypeError('headers are an object, an array of pairs or Headers');
    if (#list in init) this.#list = init.#list.slice();
    else if (typeof init[Symbol.iterator] === 'function') this.#fillPairs(init);
    else this.#fillRecord(init);
  }

  /** A symbol is no name: append() throws. */
  #fillRecord(init) {
    for (const name of Object.keys(init)) this.append(name, init[name]);
    for (const symbol of Object.getOwnPropertySymbols(init)) if (Object.getOwnPropertyDescriptor(init, symbol).enumerable) this.append(symbol, init[symbol]);
  }

  #fillPairs(init) {
    for (const pair of init) {
      const [name, value, ...more] = pair;
      if (value === undefined || more.length > 0) throw new TypeError('each header is a pair of name and value');
      this.append(name, value);
    }
  }

  #find(lower) {
    const list = this.#list;
    for (let i = 0; i < list.length; i += 2) if (list[i] === lower) return i;
    return -1;
  }

  append(name, value) {
    const lower = lowerOf(name);
    const text = valueOf(lower, value);
    const at = lower === 'set-cookie' ? -1 : this.#find(lower);
    if (at < 0) this.#list.push(lower, text);
    else this.#list[at + 1] += `${lower === 'cookie' ? ';' : ','} ${text}`;
  }

  set(name, value) {
    const lower = lowerOf(name);
    const text = valueOf(lower, value);
    const at = this.#find(lower);
    if (at < 0) this.#list.push(lower, text);
    else {
      this.#list[at + 1] = text;
      if (lower === 'set-cookie') this.#drop(lower, at + 2);
    }
  }

  delete(name) {
    this.#drop(lowerOf(name), 0);
  }

  #drop(lower, from) {
    const list = this.#list;
    for (let i = list.length - 2; i >= from; i -= 2) if (list[i] === lower) list.splice(i, 2);
  }

  get(name) {
    const lower = lowerOf(name);
    if (lower === 'set-cookie') {
      const all = this.getSetCookie();
      return all.length === 0 ? null : all.join(', ');
    }
    const at = this.#find(lower);
    return at < 0 ? null : this.#list[at + 1];
  }

  has(name) {
    return this.#find(lowerOf(name)) >= 0;
  }

  getSetCookie() {
    return this.#list.filter((_, i) => i % 2 === 1 && this.#list[i - 1] === 'set-cookie');
  }

  /** Sorted by name, as the standard has it; cookies stay in their order. */
  #sorted() {
    const pairs = [];
    for (let i = 0; i < this.#list.length; i += 2) pairs.push([this.#list[i], this.#list[i + 1]]);
    return pairs.sort(([a], [b]) => (a < b ? -1 : Number(a > b)));
  }

  forEach(fn, self = undefined) {
    for (const [name, value] of this.#sorted()) Reflect.apply(fn, self, [value, name, this]);
  }

  entries() {
    return this.#sorted().values();
  }

  *keys() {
    for (const [name] of this.#sorted()) yield name;
  }

  *values() {
    for (const [, value] of this.#sorted()) yield value;
  }

  [Symbol.iterator]() {
    return this.entries();
  }

  toJSON() {
    return Object.fromEntries(this.#sorted());
  }

  [Symbol.for('nodejs.util.inspect.custom')](depth, options, inspect) {
    return `Headers ${inspect(Object.fromEntries(this.#sorted()), options)}`;
  }
}

Object.setPrototypeOf(Headers.prototype, Real.prototype);
Object.defineProperty(Headers.prototype, Symbol.toStringTag, { value: 'Headers', configurable: true });

module.exports = { Headers };
