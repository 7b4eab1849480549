'use strict';
// Header fields: of a request as node:http shows them, of a response as checked and rendered lines.
const native = require('./native');
const { FIELDS, propertyName } = require('./names');
const { invalidChar, invalidArgument, requestEnded } = require('./errors');

// Of these a second one is dropped, as node:http documents under message.headers; set-cookie is a list, cookies are
// joined with "; ", everything else with ", " (RFC 9110, 5.2).
const FIRST_ONLY = new Set([
  'age',
  'authorization',
  'content-length',
  'content-type',
  'etag',
  'expires',
  'from',
  'host',
  'if-modified-since',
  'if-unmodified-since',
  'last-modified',
  'location',
  'max-forwards',
  'proxy-authorization',
  'referer',
  'retry-after',
  'server',
  'user-agent',
]);

// Words of native.fields: how many fields, then of each: its number (0: none of the known names; + REPEATED: it was there
// before), and where its name and its value begin and end in the text.
const TABLE_FIELDS = 64;
const TABLE_HEAD = 1;
const TABLE_STEP = 5;
const REPEATED = 64;
const table = new Uint16Array(TABLE_HEAD + TABLE_STEP * TABLE_FIELDS);

/** All fields of a request as node:http shows them; undefined = it is over. */
function incoming(slot, gen) {
  const all = {};
  for (let from = 0; ; from += TABLE_FIELDS) {
    const text = native.fields(slot, gen, table, from);
    if (text === undefined) return undefined;
    addTable(all, text);
    if (table[0] < TABLE_FIELDS) return all;
  }
}

/** The values are slices of the text: whoever keeps one keeps the head, which limits.header bounds. */
function addTable(all, text) {
  const end = TABLE_HEAD + TABLE_STEP * table[0];
  for (let at = TABLE_HEAD; at < end; at += TABLE_STEP) {
    const id = table[at];
    const value = text.slice(table[at + 3], table[at + 4]);
    if (id !== 0 && id < REPEATED) all[FIELDS[id]] = value;
    else if (id !== 0) addField(all, FIELDS[id - REPEATED], value);
    else addField(all, propertyName(text.slice(table[at + 1], table[at + 2]).toLowerCase()), value);
  }
}

/** All fields of a request as a WHATWG Headers has them: names and values in turn, the values of one name joined. */
function incomingList(slot, gen) {
  const list = [];
  for (let from = 0; ; from += TABLE_FIELDS) {
    const text = native.fields(slot, gen, table, from);
    if (text === undefined) throw requestEnded('the headers');
    listTable(list, text);
    if (table[0] < TABLE_FIELDS) return list;
  }
}

function listTable(list, text) {
  const end = TABLE_HEAD + TABLE_STEP * table[0];
  for (let at = TABLE_HEAD; at < end; at += TABLE_STEP) {
    const id = table[at];
    const value = text.slice(table[at + 3], table[at + 4]);
    if (id !== 0 && id < REPEATED) list.push(FIELDS[id], value);
    else if (id !== 0) joinField(list, FIELDS[id - REPEATED], value);
    else joinField(list, propertyName(text.slice(table[at + 1], table[at + 2]).toLowerCase()), value);
  }
}

function joinField(list, name, value) {
  let at = 0;
  while (at < list.length && list[at] !== name) at += 2;
  if (at === list.length || name === 'set-cookie') list.push(name, value);
  else list[at + 1] += `${name === 'cookie' ? ';' : ','} ${value}`;
}

/** One that may be there already; the name is in lower case. */
function addField(all, name, value) {
  const before = Object.hasOwn(all, name) ? all[name] : undefined;
  if (name === 'set-cookie') {
    if (before === undefined) all[name] = [value];
    else before.push(value);
  } else if (before === undefined) own(all, name, value);
  else if (name === 'cookie') all[name] = `${before}; ${value}`;
  else if (!FIRST_ONLY.has(name)) own(all, name, `${before}, ${value}`);
}

/** `object[name] = value` where the client chose the name: never reaches a setter of the prototype. */
function own(object, name, value) {
  if (name !== '__proto__') object[name] = value;
  else Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}

/** Cookie header -> null-prototype object; the first of a name wins, as in RFC 6265, 5.4 the longest path comes first. */
function cookies(header) {
  const all = Object.create(null);
  if (header === null) return all;
  let equals = header.indexOf('=');
  for (let at = 0; equals >= 0; ) {
    const semicolon = header.indexOf(';', at);
    const end = semicolon < 0 ? header.length : semicolon;
    if (equals < end) addCookie(all, propertyName(header.slice(at, equals).trim()), header.slice(equals + 1, end).trim());
    at = end + 1;
    if (equals < at) equals = header.indexOf('=', at);
  }
  return all;
}

function addCookie(all, name, value) {
  if (all[name] !== undefined) return;
  const quoted = value.length > 1 && value.startsWith('"') && value.endsWith('"');
  all[name] = decode(quoted ? value.slice(1, -1) : value);
}

function decode(value) {
  if (!value.includes('%')) return value;
  try {
    return decodeURIComponent(value);
  } catch {
    return value; // malformed percent-encoding stays as sent
  }
}

// RFC 9110, 5.6.2 (token) and 5.5 (field-value; bytes from 0x80 travel as latin1).
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const BAD_VALUE = /[^\t\x20-\x7e\x80-\xff]/;

/** Up to what a number holds exactly. */
const LENGTH = /^\d{1,15}$/;

const RESERVED = new Set(['connection', 'content-length', 'date', 'transfer-encoding']);

// A second one of these makes no sense to any client: it takes the place of the first.
const SINGLE = new Set([
  'access-control-allow-credentials',
  'access-control-allow-origin',
  'access-control-max-age',
  'age',
  'content-disposition',
  'content-location',
  'content-range',
  'content-type',
  'etag',
  'expires',
  'last-modified',
  'location',
  'retry-after',
  'server',
  'strict-transport-security',
  'x-content-type-options',
  'x-frame-options',
  'x-request-id',
]);

/** The fields that a handler has set: [lower-case name, rendered line ...]. */
class ResponseHeaders {
  constructor() {
    this.lines = [];
    /** A Content-Type is among them: the sender's own is not added. */
    this.typed = false;
    /** The length that was told, for a stream: bytes, or -1. */
    this.length = -1;
  }

  reserved(lower, text) {
    if (lower === 'content-length' && LENGTH.test(text)) this.length = Number(text);
  }

  /** What belongs to the server is left to it: programs that count their bytes themselves run unchanged. */
  add(name, value) {
    if (typeof name !== 'string' || !TOKEN.test(name)) throw invalidChar('the name', String(name));
    const text = textOf(name, value);
    const lower = name.toLowerCase();
    if (RESERVED.has(lower)) return this.reserved(lower, text);
    if (lower === 'content-type') this.typed = true;
    const line = `${name}: ${text}\r\n`;
    const at = SINGLE.has(lower) ? this.find(lower) : -1;
    if (at < 0) this.lines.push(lower, line);
    else this.lines[at + 1] = line;
  }

  find(lower) {
    for (let i = 0; i < this.lines.length; i += 2) if (this.lines[i] === lower) return i;
    return -1;
  }

  render() {
    let text = '';
    for (let i = 1; i < this.lines.length; i += 2) text += this.lines[i];
    return text;
  }
}

/** A list of names in lower case and values that were checked already, in the place of ResponseHeaders. */
class RenderedHeaders {
  constructor(list) {
    this.list = list;
    this.typed = true;
  }

  find(lower) {
    for (let i = 0; i < this.list.length; i += 2) if (this.list[i] === lower) return i;
    return -1;
  }

  add(name, value) {
    this.list = [...this.list, name, value];
  }

  render() {
    const { list } = this;
    let text = '';
    for (let i = 0; i < list.length; i += 2) if (!RESERVED.has(list[i])) text += `${list[i]}: ${list[i + 1]}\r\n`;
    return text;
  }
}

function textOf(name, value) {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value !== 'string') {
    throw invalidArgument(`the value of header ${name} is a string, not ${value === null ? 'null' : typeof value}`);
  }
  if (BAD_VALUE.test(value)) throw invalidChar('the value', name);
  return value;
}

module.exports = { incoming, incomingList, addField, cookies, own, ResponseHeaders, RenderedHeaders };
