'use strict';
// Command line and plan of engine.js and check.js.
const fs = require('node:fs');

/** The integer behind an option of our own command line. */
function argument(name) {
  const at = process.argv.indexOf(name);
  const value = at < 0 ? NaN : Number(process.argv[at + 1]);
  if (Number.isInteger(value) && value >= 0) return value;
  process.stderr.write(`actix: ${name} wants a descriptor; this program is started by actix itself\n`);
  return process.exit(2);
}

/** The plan is read from the start of the file, wherever its writer has left the position; the descriptor is closed. */
function readPlan(fd) {
  const { size } = fs.fstatSync(fd);
  const bytes = Buffer.alloc(size);
  let done = 0;
  while (done < size) {
    const n = fs.readSync(fd, bytes, done, size - done, done);
    if (n === 0) break;
    done += n;
  }
  fs.closeSync(fd);
  return JSON.parse(bytes.toString('utf8', 0, done));
}

module.exports = { argument, readPlan };
