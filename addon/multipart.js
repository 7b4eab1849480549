'use strict';
// Forms on routes with `stream: true`: read while they come, files straight to disk, never more of one in memory than a
// piece.  The syntax is that of server/http/multipart.c, which reads the header blocks here too.
const native = require('./native');
const errors = require('./errors');
const forms = require('./forms');
const uploads = require('./uploads');
const { streamsOf, keepUntilSent } = require('./request');

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const DASH = 0x2d;
/** AX_PART_HEAD_MAX; a delimiter's padding has no business to be longer either. */
const HEAD_MAX = 8192;
const CRLF = Buffer.from('\r\n');
const HEAD_END = Buffer.from('\r\n\r\n');

// What the reader expects next.
const PREAMBLE = 0;
const HEAD = 1;
const DATA = 2;
const EPILOGUE = 3;

// What follows "--boundary"
const MORE = 0;
const NO_DELIMITER = 1;
const DELIMITER = 2;
const CLOSE = 3;

/** Cuts pieces into parts: sink.begin(head), sink.data(bytes), sink.end(), each awaited. */
class PartReader {
  #delimiter;
  #sink;
  #state = PREAMBLE;
  #rest = CRLF; // the first delimiter may stand at the very start, without its CRLF
  #skip = 0; // bytes of #rest that are no data: the CRLF of the empty line, which may be the delimiter's too

  constructor(boundary, sink) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
    this.#sink = sink;
  }

  async push(piece) {
    if (this.#state === EPILOGUE) return;
    this.#rest = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    while (await this.#step(false));
  }

  async finish() {
    while (await this.#step(true));
    if (this.#state !== EPILOGUE) throw errors.formMalformed();
  }

  /** False when it needs more. */
  #step(last) {
    if (this.#state === EPILOGUE) return false;
    return this.#state === HEAD ? this.#head() : this.#data(last);
  }

  async #head() {
    const end = this.#rest.subarray(0, HEAD_MAX + 2).indexOf(HEAD_END);
    if (end < 0) {
      if (this.#rest.length >= HEAD_MAX + 2) throw errors.formMalformed();
      return false;
    }
    const head = native.partHead(this.#rest.subarray(0, end + 2));
    if (head === false) throw errors.formMalformed();
    this.#rest = this.#rest.subarray(end + 2);
    this.#skip = CRLF.length;
    this.#state = DATA;
    await this.#sink.begin({ name: head[0], filename: head[1], type: head[2] });
    return true;
  }

  async #data(last) {
    const at = this.#rest.indexOf(this.#delimiter);
    if (at < 0) {
      await this.#give(Math.max(0, this.#rest.length - this.#delimiter.length + 1));
      return false;
    }
    const { kind, next } = tailOf(this.#rest, at + this.#delimiter.length, last);
    if (kind === MORE) {
      if (this.#rest.length - at > HEAD_MAX) throw errors.formMalformed();
      await this.#give(at);
      return false;
    }
    if (kind === NO_DELIMITER) {
      await this.#give(at + this.#delimiter.length);
      return true;
    }
    await this.#give(at);
    if (this.#state === DATA) await this.#sink.end();
    this.#rest = kind === CLOSE ? Buffer.alloc(0) : this.#rest.subarray(next - at);
    this.#skip = 0;
    this.#state = kind === CLOSE ? EPILOGUE : HEAD;
    return true;
  }

  /** The first `n` bytes of the rest are data. */
  async #give(n) {
    const skipped = Math.min(this.#skip, n);
    const data = this.#rest.subarray(skipped, n);
    this.#skip -= skipped;
    this.#rest = this.#rest.subarray(n);
    if (this.#state === DATA && data.length > 0) await this.#sink.data(data);
  }
}

/** Padding and CRLF, or "--", padding and CRLF or the end of the body (read_tail of multipart.c). */
function tailOf(bytes, from, last) {
  let at = from;
  if (bytes.length - at < 2 && !last) return { kind: MORE };
  const close = bytes[at] === DASH && bytes[at + 1] === DASH;
  if (close) at += 2;
  while (bytes[at] === SPACE || bytes[at] === TAB) at++;
  if (bytes.length - at < 2) {
    if (!last) return { kind: bytes.length === at || bytes[at] === CR ? MORE : NO_DELIMITER };
    return { kind: close && (at === bytes.length || bytes[at] === CR) ? CLOSE : NO_DELIMITER };
  }
  if (bytes[at] !== CR || bytes[at + 1] !== LF) return { kind: NO_DELIMITER };
  return { kind: close ? CLOSE : DELIMITER, next: at + 2 };
}

/** Fields in memory, files on disk, within the route's limits. */
class FormSink {
  #limits;
  #part;
  #count = { files: 0, fields: 0 };
  #pieces = [];
  #handle;
  entries = [];
  files = []; // entries of files

  constructor(limits) {
    this.#limits = limits;
  }

  async begin(part) {
    this.#part = { ...part, size: 0, entry: undefined };
    this.#pieces = [];
    if (part.filename === null) forms.countField(this.#count, this.#limits);
    else if (part.filename !== '') await this.#create();
  }

  /** A file input that was left empty has no name and no bytes: nothing is made of it. */
  async #create() {
    const part = this.#part;
    forms.countFile(this.#count, this.#limits);
    part.entry = { name: part.name, value: forms.fileInfo(part, this.#limits, 0) };
    this.files.push(part.entry);
    this.#handle = await uploads.create(this.#limits, part.entry.value.path);
  }

  async data(bytes) {
    const part = this.#part;
    part.size += bytes.length;
    if (part.filename === null) {
      if (part.size > this.#limits.field) throw forms.fieldTooLarge();
      this.#pieces.push(Buffer.from(bytes));
      return;
    }
    if (part.size > this.#limits.file) throw forms.fileTooLarge();
    if (part.entry === undefined) await this.#create();
    await uploads.write(this.#handle, bytes);
  }

  async end() {
    const part = this.#part;
    if (part.filename === null) {
      this.entries.push({ name: part.name, value: Buffer.concat(this.#pieces, part.size).toString('utf8') });
    } else if (part.entry !== undefined) {
      part.entry.value.size = part.size;
      this.entries.push(part.entry);
      await this.close();
    }
  }

  async close() {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  /** All files or none. */
  async undo() {
    await this.close().catch(() => undefined);
    for (const { value } of this.files) uploads.remove(value.path);
  }
}

async function readMultipart(req, type) {
  const boundary = native.formBoundary(type);
  if (boundary === null) throw errors.formMalformed();
  const limits = forms.limitsOf(req);
  const sink = new FormSink(limits);
  const reader = new PartReader(boundary, sink);
  const incoming = req.pieces();
  try {
    for (let piece = await incoming.read(); piece !== undefined; piece = await incoming.read()) await reader.push(piece);
    await reader.finish();
  } catch (err) {
    await sink.undo();
    throw err;
  }
  const more = streamsOf(req);
  forms.stored(more, limits, sink.files, sink.entries);
  if (more.temporary !== undefined) keepUntilSent(req, more);
  return forms.toObject(sink.entries);
}

async function readUrlencoded(req, text) {
  const fields = [];
  for (const [name, value] of new URLSearchParams(await text())) forms.addField(fields, forms.limitsOf(req), name, value);
  return forms.toObject(fields);
}

/** As getFormData() of other routes; `whole()` resolves with all of the body. */
async function readForm(req, whole) {
  const type = req.getHeader('content-type');
  const media = forms.mediaType(type);
  if (media === 'multipart/form-data') return readMultipart(req, type);
  if (media === 'application/x-www-form-urlencoded') return readUrlencoded(req, async () => (await whole()).toString('utf8'));
  return {};
}

module.exports = { readForm, PartReader };
