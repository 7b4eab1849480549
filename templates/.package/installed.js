// Where actix is installed: the program that ACTIX names, the one of PATH, or the one that made this app; the package is
// beside it.  Under `actix serve` nobody asks: there `actix-js` is known.
const fs = require('node:fs');
const path = require('node:path');

const LOCAL = path.join(__dirname, '../../node_modules/.bin');

function programs() {
  const dirs = [...(process.env.PATH ?? '').split(path.delimiter), LOCAL];
  return [process.env.ACTIX, ...dirs.map((dir) => path.resolve(dir, 'actix'))].filter(Boolean);
}

for (const program of programs()) {
  if (!fs.existsSync(program)) continue;
  const found = path.resolve(fs.realpathSync(program), '../../lib/actix/addon');
  if (!fs.existsSync(found)) continue;
  module.exports = (file) => require(path.join(found, file));
  return;
}
throw new Error('actix is not installed: there is none in PATH, and ACTIX names none');
