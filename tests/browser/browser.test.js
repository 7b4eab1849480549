'use strict';
// A headless Chromium as a client: a form with a file, a response that is read while it is made, server-sent events over
// lost connections.  `make browser-test` installs the browser; where there is none this is skipped.
const test = require('node:test');
const assert = require('node:assert');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawn, spawnSync } = require('node:child_process');
const { App } = require('../integration/serve-app');

const BROWSERS = [process.env.CHROMIUM, 'chromium', 'chromium-browser', 'google-chrome'].filter(Boolean);
const browser = BROWSERS.find((name) => spawnSync(name, ['--version']).status === 0);
const LIMIT_MS = 90_000;

const files = Object.fromEntries(
  fs.readdirSync(path.join(__dirname, 'app')).map((name) => [name, fs.readFileSync(path.join(__dirname, 'app', name), 'utf8')]),
);

/** Starts the browser on a page; it is ended, and its folder removed, after the test. */
function open(t, url) {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'actix-browser-'));
  const options = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-extensions', '--disable-background-networking', '--remote-debugging-port=0'];
  const child = spawn(browser, [...options, `--user-data-dir=${profile}`, url], { stdio: ['ignore', 'ignore', 'pipe'], detached: true, env: { ...process.env, HOME: profile } });
  let said = '';
  child.stderr.on('data', (text) => (said += text));
  const ended = new Promise((resolve) => child.on('close', resolve));
  t.after(async () => {
    if (child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
    await ended;
    fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  });
  return ended.then((code) => Promise.reject(new Error(`the browser ended with ${code}: ${said}`)));
}

async function resultOf(served) {
  for (;;) {
    const found = /^result (.*)\n/m.exec(served.stdout);
    if (found !== null) return JSON.parse(found[1]);
    await new Promise((resolve) => served.child.stdout.once('data', resolve));
  }
}

test('a browser', { skip: browser === undefined && 'no Chromium here: make browser-test installs it', timeout: LIMIT_MS }, async (t) => {
  const app = new App(t, files);
  const served = await app.serve('--port', '0');
  const result = await Promise.race([resultOf(served), open(t, served.url)]);
  assert.strictEqual(result.error, undefined);
  t.diagnostic(result.agent);
  assert.deepStrictEqual(result.json, { hello: 'wörld', query: { x: '1' }, port: null });
  assert.strictEqual(result.cookies, 'a=1; b=2');
  const sha1 = createHash('sha1').update(Buffer.alloc(1 << 20, 'x')).digest('hex');
  assert.deepStrictEqual(result.upload, { name: 'Grüße & so', file: { name: 'ä photo.png', type: 'image/png', size: 1 << 20, sha1 } });
  assert.deepStrictEqual(result.stream, ['piece 1\n', 'piece 2\n', 'piece 3\n']);
  assert.deepStrictEqual(result.events, { seen: [['1', null], ['2', null], ['3', '2'], ['4', '2'], ['5', '4'], ['6', '4']], opened: 3 });
  assert.deepStrictEqual(result.teapot, [418, { error: 'short and stout' }]);
  assert.deepStrictEqual(fs.readdirSync(path.join(app.dir, 'uploads')), []);
});
