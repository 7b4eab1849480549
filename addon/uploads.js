'use strict';
// Files of forms on disk: names, creation, and what happens to those that are not kept.
//
// With `keep: false` a file is deleted when the response is sent.  A process that dies in between leaves it, and the
// next start must find exactly those files, in a folder where kept files have the same kind of name.  So an empty
// marker is made before such a file and removed after it: `.actix-upload.HOST.PID.START.NAME`.  PID and START (clock
// ticks since boot, from /proc) name the process, so a worker that starts while others serve never takes their files;
// HOST keeps containers that share a folder apart: a marker of another host counts only when it is a day old.
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const native = require('./native');
const { diskFull } = require('./errors');

const MARKER = /^\.actix-upload\.([0-9a-f]{8})\.(\d+)\.(\d+)\.([0-9a-f-]{36}(?:\.[A-Za-z0-9]{1,8})?)$/;
const FOREIGN_AGE_MS = 24 * 3600 * 1000;
const WRITE = { flag: 'wx', mode: 0o600 };

/** node:crypto costs every worker memory; it is loaded by the first upload. */
const randomUUID = () => require('node:crypto').randomUUID();

/** UUID, and the extension of the client's name as far as it is harmless. */
function storedName(originalName) {
  const extension = /\.([A-Za-z0-9]+)[^.]*$/.exec(originalName);
  return extension === null ? randomUUID() : `${randomUUID()}.${extension[1].slice(0, 8)}`;
}

function startOf(pid) {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]; // field 22, proc(5)
  } catch {
    return undefined; // no such process
  }
}

/** FNV-1a, 32 bits: tells hosts apart, hides nothing. */
function hash(text) {
  let h = 0x811c9dc5;
  for (const byte of Buffer.from(text)) h = Math.imul(h ^ byte, 0x01000193) >>> 0;
  return h.toString(16).padStart(8, '0');
}

const host = hash(os.hostname());
const owner = `.actix-upload.${host}.${process.pid}.${startOf(process.pid) ?? 0}.`;
const markerOf = (file) => path.join(path.dirname(file), owner + path.basename(file));

function store(uploads, file, data) {
  try {
    fs.mkdirSync(uploads.dir, { recursive: true });
    if (!uploads.keep) fs.writeFileSync(markerOf(file), '', WRITE);
    fs.writeFileSync(file, data, WRITE);
  } catch (err) {
    throw storeFailed(err);
  }
}

async function storeAsync(uploads, file, data) {
  try {
    await fs.promises.mkdir(uploads.dir, { recursive: true });
    if (!uploads.keep) await fs.promises.writeFile(markerOf(file), '', WRITE);
    await fs.promises.writeFile(file, data, WRITE);
  } catch (err) {
    throw storeFailed(err);
  }
}

/** A new file to be written in pieces; close() it. */
async function create(uploads, file) {
  try {
    await fs.promises.mkdir(uploads.dir, { recursive: true });
    if (!uploads.keep) await fs.promises.writeFile(markerOf(file), '', WRITE);
    return await fs.promises.open(file, WRITE.flag, WRITE.mode);
  } catch (err) {
    throw storeFailed(err);
  }
}

/** All of the piece; returns when it is written. */
async function write(handle, piece) {
  try {
    await handle.appendFile(piece);
  } catch (err) {
    throw storeFailed(err);
  }
}

const storeFailed = (err) => (err.code === 'ENOSPC' || err.code === 'EDQUOT' ? diskFull(err) : err);

/** The file first: a marker without a file harms nobody. */
function remove(file) {
  for (const name of [file, markerOf(file)]) {
    try {
      fs.unlinkSync(name);
    } catch (err) {
      if (err.code !== 'ENOENT') native.log(1, `cannot delete upload ${name}: ${err.message}`);
    }
  }
}

/** Deletes what processes that are gone have left in `dir`. */
async function sweep(dir) {
  let names;
  try {
    names = await fs.promises.readdir(dir);
  } catch (err) {
    if (err.code !== 'ENOENT') native.log(1, `cannot look for left-over uploads in ${dir}: ${err.message}`);
    return;
  }
  for (const name of names) {
    const marker = MARKER.exec(name);
    if (marker !== null && (await abandoned(path.join(dir, name), marker))) await discard(dir, name, marker[4]);
  }
}

async function abandoned(file, [, itsHost, pid, start]) {
  if (itsHost === host) return startOf(pid) !== start;
  const stat = await fs.promises.stat(file).catch(() => undefined);
  return stat !== undefined && Date.now() - stat.mtimeMs > FOREIGN_AGE_MS;
}

async function discard(dir, marker, name) {
  try {
    await fs.promises.rm(path.join(dir, name), { force: true });
    await fs.promises.rm(path.join(dir, marker), { force: true });
  } catch (err) {
    native.log(1, `cannot delete left-over upload ${path.join(dir, name)}: ${err.message}`);
  }
}

module.exports = { storedName, store, storeAsync, create, write, remove, sweep };
