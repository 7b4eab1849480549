// Reads responses off a connection and lets nothing pass: each byte belongs to a well-formed response to a request that was
// sent, or it throws.

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const HEAD_MAX = 64 * 1024;
const NOTHING = Buffer.alloc(0);

class Framing extends Error {}

function bad(what, bytes) {
  const shown = typeof bytes === 'string' ? bytes : bytes.subarray(0, 200).toString('latin1');
  throw new Framing(`${what}: ${JSON.stringify(shown)}`);
}

function headers(lines) {
  const all = Object.create(null);
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^ | $/g, '');
    if (colon < 1 || !TOKEN.test(name) || !VALUE.test(value)) bad('not a header line', line);
    const key = name.toLowerCase();
    if (key in all && /^(content-length|transfer-encoding|date|connection|x-request-id)$/.test(key)) bad('a header twice', line);
    all[key] = value;
  }
  return all;
}

/** How the body ends: { length } or { chunked: true }. */
function framing(status, method, fields, text) {
  const [length, coding] = [fields['content-length'], fields['transfer-encoding']];
  if (length !== undefined && coding !== undefined) bad('two lengths', text);
  if (length !== undefined && !/^\d{1,15}$/.test(length)) bad('not a length', text);
  if (coding !== undefined && coding !== 'chunked') bad('an unknown coding', text);
  if (status >= 200 && fields.date === undefined) bad('no Date', text);
  if (status < 200 || status === 204 || status === 304 || method === 'HEAD') return { length: 0 };
  if (coding) return { chunked: true };
  if (length === undefined) bad('no length', text);
  return { length: Number(length) };
}

export class Reader {
  #kept = NOTHING;

  push(bytes) {
    this.#kept = this.#kept.length ? Buffer.concat([this.#kept, bytes]) : bytes;
  }

  /** Bytes of a response that is not complete. */
  get started() {
    return this.#kept.length;
  }

  /** The next response to a request with that method: { status, headers, body }, or undefined when it is not complete. */
  next(method) {
    for (;;) {
      const response = this.#one(method);
      if (!response) return undefined;
      this.#kept = this.#kept.subarray(response.end);
      if (response.status >= 200) return response; // interim ones are only looked at
    }
  }

  #one(method) {
    const end = this.#kept.indexOf('\r\n\r\n');
    if (end < 0) {
      if (this.#kept.length > HEAD_MAX) bad('a head without an end', this.#kept);
      return undefined;
    }
    const text = this.#kept.latin1Slice(0, end);
    const [first, ...lines] = text.split('\r\n');
    const status = /^HTTP\/1\.1 ([1-5]\d\d) [\t\x20-\x7e]*$/.exec(first);
    if (!status) bad('not a status line', text);
    const response = { status: Number(status[1]), headers: headers(lines), body: NOTHING, end: end + 4 };
    const how = framing(response.status, method, response.headers, text);
    return how.chunked ? this.#chunks(response) : this.#plain(response, how.length);
  }

  #plain(response, length) {
    const at = response.end;
    if (this.#kept.length < at + length) return undefined;
    return { ...response, body: this.#kept.subarray(at, at + length), end: at + length };
  }

  #chunks(response) {
    const parts = [];
    let at = response.end;
    for (;;) {
      const line = this.#kept.indexOf('\r\n', at);
      if (line < 0) return undefined;
      const size = this.#kept.latin1Slice(at, line);
      if (!/^[0-9a-fA-F]{1,8}$/.test(size)) bad('not a chunk size', size);
      const bytes = parseInt(size, 16);
      const next = line + 2 + bytes;
      if (this.#kept.length < next + 2) return undefined;
      if (this.#kept.latin1Slice(next, next + 2) !== '\r\n') bad('a chunk without an end', this.#kept.subarray(at));
      if (bytes === 0) return { ...response, body: Buffer.concat(parts), end: next + 2 };
      parts.push(this.#kept.subarray(line + 2, next));
      at = next + 2;
    }
  }
}
