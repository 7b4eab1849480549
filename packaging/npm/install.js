'use strict';
// Runs when npm installs the package: keeps what was built before where it works, else compiles it with node-gyp.
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
const program = path.join(root, 'bin/actix');
const addon = path.join(root, 'lib/actix/addon/actix.node');
const missing = path.join(__dirname, 'missing');
const built = (name) => path.join(root, 'build/Release', name);

/** What went wrong, or undefined. */
function failure(file, ...args) {
  const { status, signal, error, stderr } = spawnSync(file, args, { encoding: 'utf8', timeout: 60_000 });
  if (status === 0) return undefined;
  const said = (stderr ?? '').split('\n').find((line) => /Error|error|version|cannot|not found/.test(line));
  return error?.message ?? said?.trim() ?? `ended with ${status ?? signal}`;
}

const addonFails = () => failure(process.execPath, '-e', `require(${JSON.stringify(addon)})`);
const programFails = () => failure(program, 'version');

function compile() {
  const gyp = process.env.npm_config_node_gyp;
  const [file, args] = gyp === undefined ? ['node-gyp', []] : [process.execPath, [gyp]];
  const { status, error } = spawnSync(file, [...args, 'rebuild'], { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw new Error(`node-gyp ${error?.message ?? `ended with ${status}`}; a C compiler, make and Python are needed`);
}

/** The old file may be running or loaded: it is replaced, not written to. */
function take(from, to) {
  fs.rmSync(to, { force: true });
  fs.copyFileSync(from, to);
  fs.chmodSync(to, 0o755);
}

/** Without the program the addon still serves, from a plain `node app.js`: so this is no reason to fail. */
function giveUpProgram(why) {
  fs.rmSync(program, { force: true });
  fs.writeFileSync(
    missing,
    `actix: no program for this machine: ${why}\n` +
      'actix: install the development files of libuv, libyaml, sqlite3, jansson, smartcols, OpenSSL, zlib and brotli, and pkg-config, then:\n' +
      'actix: npm rebuild actix-js --foreground-scripts   (Debian: apt-get install pkg-config libuv1-dev libyaml-dev\n' +
      'actix: libsqlite3-dev libjansson-dev libsmartcols-dev libssl-dev zlib1g-dev libbrotli-dev)\n',
  );
  console.error(fs.readFileSync(missing, 'utf8'));
}

function main() {
  const always = process.env.npm_config_build_from_source === 'true' || process.env.ACTIX_BUILD_FROM_SOURCE === '1';
  const why = always ? 'asked for' : (addonFails() ?? programFails());
  if (why === undefined) return;
  console.error(`actix-js: compiling for this machine (${why})`);
  compile();
  take(built('actix.node'), addon);
  const fails = addonFails();
  if (fails !== undefined) throw new Error(`what was compiled does not load: ${fails}`);
  if (fs.existsSync(built('actix'))) {
    take(built('actix'), program);
    fs.writeFileSync(path.join(__dirname, 'machine'), spawnSync('uname', ['-m'], { encoding: 'utf8' }).stdout);
    fs.rmSync(missing, { force: true });
  }
  const broken = fs.existsSync(program) ? programFails() : undefined;
  if (!fs.existsSync(built('actix'))) giveUpProgram('the libraries that it needs are not all here');
  else if (broken !== undefined) giveUpProgram(broken);
}

try {
  main();
} catch (err) {
  console.error(`actix-js: ${err.message}`);
  process.exit(1);
}
