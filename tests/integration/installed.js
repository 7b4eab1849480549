'use strict';
// An app served from an installed tree of its own, whose program can be replaced as a package manager does it: by a
// rename over the file that runs.
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawn, spawnSync } = require('node:child_process');
const { App, BIN, sanitizer } = require('./serve-app');

const VERSION = JSON.parse(spawnSync(BIN, ['version', '--json'], { encoding: 'utf8' }).stdout).version;
const NEWER = VERSION.replace(/.$/, (c) => (c === '9' ? '8' : '9'));

/** An app served from an installed tree of its own. */
class Installed extends App {
  constructor(t, f) {
    super(t, f);
    this.root = fs.mkdtempSync(path.join(os.tmpdir(), 'actix-tree-'));
    t.after(() => fs.rmSync(this.root, { recursive: true, force: true }));
    const from = path.resolve(BIN, '../..');
    fs.mkdirSync(path.join(this.root, 'bin'));
    this.bin = path.join(this.root, 'bin/actix');
    fs.copyFileSync(BIN, this.bin);
    fs.chmodSync(this.bin, 0o755);
    for (const part of ['lib/actix', 'share/actix']) fs.cpSync(path.join(from, part), path.join(this.root, part), { recursive: true });
  }

  /** Puts another program in place of the installed one. */
  install(bytes) {
    fs.writeFileSync(`${this.bin}.new`, bytes, { mode: 0o755 });
    fs.renameSync(`${this.bin}.new`, this.bin);
  }

  installVersion(version) {
    const bytes = fs.readFileSync(BIN);
    const name = Buffer.from(`${VERSION}\0`);
    for (let at = bytes.indexOf(name); at >= 0; at = bytes.indexOf(name, at + 1)) bytes.write(version, at, 'latin1');
    this.install(bytes);
  }

  serveInstalled(...args) {
    return this.spawn(sanitizer, this.bin, 'serve', ...args);
  }

  do(...args) {
    const { status, stdout, stderr } = spawnSync(this.bin, args, { cwd: this.dir, env: { ...process.env, ...sanitizer }, encoding: 'utf8', timeout: 60_000 });
    return { code: status, stdout, stderr };
  }

  /** As `do`, while this process goes on sending requests. */
  async doBeside(...args) {
    const child = spawn(this.bin, args, { cwd: this.dir, env: { ...process.env, ...sanitizer }, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const s of [child.stdout, child.stderr]) s.on('data', (d) => (text += d));
    return { code: await new Promise((r) => child.on('close', r)), text };
  }

  status() {
    return JSON.parse(this.do('status', '--json').stdout);
  }

  requests() {
    return JSON.parse(this.do('stats', '--json').stdout).total.requests;
  }
}

module.exports = { Installed, NEWER, VERSION };
