'use strict';
// Form bodies: fields and files of one request, within the route's `uploads` limits.
//   { dir, keep, file, files, fields, field }: folder, whether files outlive the response, bytes of one file, number of
//   files and of fields, bytes of one field.
const path = require('node:path');
const native = require('./native');
const errors = require('./errors');
const uploads = require('./uploads');
const { own } = require('./headers');

/** The manifest's defaults; what a plain `node app.js` has, relative to the current folder. */
const DEFAULTS = { dir: 'static', keep: true, file: 10485760, files: 20, fields: 200, field: 65536 };

/** Parsed on first use and kept in `more.form`, a failure too. */
function read(req, more) {
  if (more.form === undefined) more.form = attempt(() => toObject(storeAll(req, more, parts(req))));
  return unwrap(more.form);
}

async function readAsync(req, more) {
  if (more.form !== undefined) return unwrap(more.form);
  more.formComing ??= storeAllAsync(req, more, parts(req)).then(
    (entries) => ({ value: toObject(entries), error: undefined }),
    (error) => ({ value: undefined, error }),
  );
  const form = await more.formComing;
  more.form ??= form;
  return unwrap(more.form);
}

function attempt(fn) {
  try {
    return { value: fn(), error: undefined };
  } catch (error) {
    return { value: undefined, error };
  }
}

function unwrap(form) {
  if (form.error !== undefined) throw form.error;
  return form.value;
}

/** [{ name, value }] or, for a file, [{ name, info, data }]; nothing is stored yet. */
function parts(req) {
  const type = mediaType(req.getHeader('content-type'));
  if (type === 'application/x-www-form-urlencoded') return urlencoded(req);
  if (type === 'multipart/form-data') return multipart(req);
  return [];
}

function mediaType(header) {
  return header === null ? '' : header.split(';', 1)[0].trim().toLowerCase();
}

function ended() {
  return errors.requestEnded('the form');
}

function limitsOf(req) {
  return req._route.uploads ?? DEFAULTS;
}

function urlencoded(req) {
  const pairs = native.formPairs(req._slot, req._gen);
  if (pairs === undefined) throw ended();
  const limits = limitsOf(req);
  const fields = [];
  for (let i = 0; i < pairs.length; i += 2) addField(fields, limits, pairs[i], pairs[i + 1]);
  return fields;
}

function addField(fields, limits, name, value) {
  if (fields.length >= limits.fields) throw errors.uploadLimit('uploads.fields', 'the form has too many fields');
  if (value.length * 3 > limits.field && Buffer.byteLength(value) > limits.field) throw fieldTooLarge();
  fields.push({ name, value });
}

const fieldTooLarge = () => errors.uploadLimit('uploads.field', 'a field of the form is too large');

function multipart(req) {
  const flat = native.multipart(req._slot, req._gen);
  if (flat === undefined) throw ended();
  if (flat === false || flat === null) throw errors.formMalformed();
  const body = native.bodyBuffer(req._slot, req._gen);
  const limits = limitsOf(req);
  const all = [];
  const count = { files: 0, fields: 0 };
  for (let i = 0; i < flat.length; i += 5) {
    const part = { name: flat[i], filename: flat[i + 1], type: flat[i + 2], data: body.subarray(flat[i + 3], flat[i + 4]) };
    if (part.filename === null) all.push(fieldOf(part, limits, count));
    // A file input that was left empty is sent as a part without a name and without bytes.
    else if (part.filename !== '' || part.data.length > 0) all.push(fileOf(part, limits, count));
  }
  return all;
}

function countField(count, limits) {
  if (++count.fields > limits.fields) throw errors.uploadLimit('uploads.fields', 'the form has too many fields');
}

function countFile(count, limits) {
  if (++count.files > limits.files) throw errors.uploadLimit('uploads.files', 'the form has too many files');
}

const fileTooLarge = () => errors.uploadLimit('uploads.file', 'a file of the form is too large');

function fieldOf(part, limits, count) {
  countField(count, limits);
  if (part.data.length > limits.field) throw fieldTooLarge();
  return { name: part.name, value: part.data.toString('utf8') };
}

function fileOf(part, limits, count) {
  countFile(count, limits);
  if (part.data.length > limits.file) throw fileTooLarge();
  return { name: part.name, value: fileInfo(part, limits, part.data.length), data: part.data };
}

function fileInfo(part, limits, size) {
  const filename = uploads.storedName(part.filename);
  const info = { type: 'file', originalName: part.filename, filename, path: path.join(limits.dir, filename) };
  if (part.type !== null) info.contentType = part.type;
  info.size = size;
  return info;
}

/** All files or none: what was stored before a failure goes. */
function storeAll(req, more, entries) {
  const limits = limitsOf(req);
  const files = entries.filter((e) => e.data !== undefined);
  try {
    for (const e of files) uploads.store(limits, e.value.path, e.data);
  } catch (err) {
    for (const e of files) uploads.remove(e.value.path);
    throw err;
  }
  return stored(more, limits, files, entries);
}

async function storeAllAsync(req, more, entries) {
  const limits = limitsOf(req);
  const files = entries.filter((e) => e.data !== undefined);
  try {
    for (const e of files) await uploads.storeAsync(limits, e.value.path, e.data);
  } catch (err) {
    for (const e of files) uploads.remove(e.value.path);
    throw err;
  }
  return stored(more, limits, files, entries);
}

function stored(more, limits, files, entries) {
  if (!limits.keep && files.length > 0) (more.temporary ??= []).push(...files.map((e) => e.value.path));
  return entries;
}

function toObject(entries) {
  const all = {};
  for (const { name, value } of entries) {
    const before = Object.hasOwn(all, name) ? all[name] : undefined;
    if (before === undefined) own(all, name, value);
    else if (Array.isArray(before)) before.push(value);
    else own(all, name, [before, value]);
  }
  return all;
}

/** The response is sent (or will never be): files that are not kept go. */
function release(more) {
  const files = more.temporary;
  more.temporary = undefined;
  if (files !== undefined) for (const file of files) uploads.remove(file);
}

module.exports = {
  DEFAULTS,
  read,
  readAsync,
  release,
  mediaType,
  limitsOf,
  addField,
  fieldTooLarge,
  fileTooLarge,
  fileInfo,
  countField,
  countFile,
  stored,
  toObject,
};
