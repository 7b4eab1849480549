'use strict';
// A newly installed program takes over at `reload`: same process, sockets and counts.  Two installed trees that differ
// in their version; the second is put over the first as a package manager does, by a rename.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { test } = require('node:test');
const { Installed, NEWER, VERSION } = require('./installed');
const { BIN, alive, get, sanitizer, until } = require('./serve-app');

const basic = 'server: { listen: "127.0.0.1:0", workers: 2 }\nmetrics: { interval: 200ms }\nadmin: { listen: "127.0.0.1:0" }';
const files = (head = basic) => ({
  'actix.yaml': `version: 1\n${head}\nroutes: { /: home.js, /slow: slow.js }\n`,
  'home.js': "module.exports = () => 'home';\n",
  'slow.js': "module.exports = () => new Promise((r) => setTimeout(r, 700, 'slow'));\n",
});

/** Keep-alive clients that ask one request after the other until they are told to stop. */
function load(url, clients) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: clients });
  const seen = { ok: 0, bad: [], sockets: new Set() };
  let stop = false;
  const one = () =>
    new Promise((resolve) => {
      const req = http.get(url, { agent }, (res) => {
        let body = '';
        res.on('data', (d) => (body += d));
        res.on('end', () => {
          if (res.statusCode === 200 && body === 'home') seen.ok++;
          else seen.bad.push(`${res.statusCode} ${body}`);
          resolve();
        });
      });
      req.on('socket', (s) => seen.sockets.add(s));
      req.on('error', (e) => {
        seen.bad.push(e.message);
        resolve();
      });
    });
  const client = async () => {
    while (!stop) await one();
  };
  const all = Promise.all(Array.from({ length: clients }, client));
  return {
    seen,
    async end() {
      stop = true;
      await all;
      agent.destroy();
    },
  };
}

const adminUrl = (s) => /^admin on (\S+)/m.exec(s.stdout)[1];
const counted = async (s) =>
  [...(await get(`${adminUrl(s)}/metrics`)).body.matchAll(/^http_server_request_duration_seconds_count\{.*\} (\d+)/gm)].reduce((n, m) => n + Number(m[1]), 0);

for (const isolation of ['thread', 'process'])
  test(`an upgrade and a downgrade under load (isolation: ${isolation}): nothing fails, nothing is counted twice or lost`, async (t) => {
    const a = new Installed(t, files(basic.replace('workers: 2', `workers: 2, isolation: ${isolation}`)));
    const s = await a.serveInstalled();
    const pid = s.child.pid;
    const l = load(s.url, 8);
    for (const version of [NEWER, VERSION]) {
      const before = l.seen.ok;
      await until(() => l.seen.ok > before + 50);
      a.installVersion(version);
      const { code, text } = await a.doBeside('reload');
      assert.equal(code, 0, text);
      assert.match(text, new RegExp(`version ${version} takes over from`));
      const status = a.status();
      assert.equal(status.pid, pid);
      assert.equal(status.version, version);
      const after = l.seen.ok;
      await until(() => l.seen.ok > after + 50);
    }
    await l.end();
    assert.deepEqual(l.seen.bad, []);
    assert.equal(l.seen.sockets.size, 8);
    assert.ok(alive(pid));
    // engines that handed over have gone, and what they counted is here
    await until(() => a.status().engines.length === (isolation === 'thread' ? 1 : 2));
    await until(() => a.requests() === l.seen.ok);
    assert.equal(await counted(s), l.seen.ok);
    assert.equal(a.do('stop').code, 0);
    assert.equal(await s.ended, 0);
    assert.equal(a.requests(), l.seen.ok);
    assert.deepEqual(fs.readdirSync(path.join(a.dir, '.actix')).filter((f) => /pid|sock/.test(f)), []);
  });

test('a request that runs during the upgrade is answered', async (t) => {
  const a = new Installed(t, files());
  const s = await a.serveInstalled();
  const slow = get(`${s.url}/slow`);
  await until(() => a.status().workers.some((w) => w.inflight > 0));
  a.installVersion(NEWER);
  assert.equal((await a.doBeside('reload')).code, 0);
  const { status, body } = await slow;
  assert.equal(`${status} ${body}`, '200 slow');
  await until(() => a.requests() === 1);
  assert.equal(a.do('stop').code, 0);
  assert.equal(await s.ended, 0);
});

test('the new program refuses: nothing changes, and the reason is told', async (t) => {
  const a = new Installed(t, files());
  const s = await a.serveInstalled();
  const good = a.read('actix.yaml');
  const cases = [
    [`${good}nonsense: 1\n`, () => a.installVersion(NEWER), 3, /actix\.yaml:\d+:\d+: .*nonsense/],
    [good, () => a.install('#!/bin/sh\necho broken >&2\nexit 1\n'), 1, /broken[^]*cannot take over: restart instead/],
    [good, () => a.install('#!/bin/sh\necho actix-upgrade 99 x 9.9.9\n'), 1, /version 9\.9\.9, which is installed now, cannot take over from/],
    [good, () => a.install('no program'), 1, /cannot start/],
  ];
  const client = path.join(a.root, 'bin/client'); // the installed one may be no program at all
  fs.copyFileSync(BIN, client);
  for (const [yaml, install, code, message] of cases) {
    a.write('actix.yaml', yaml);
    install();
    const r = spawnSync(client, ['reload', '--state', '.actix'], { cwd: a.dir, env: { ...process.env, ...sanitizer }, encoding: 'utf8' });
    assert.equal(r.status, code, r.stderr);
    assert.match(r.stderr + r.stdout, message);
    assert.equal((await get(s.url)).body, 'home');
  }
  a.write('actix.yaml', good);
  a.installVersion(NEWER);
  assert.equal(a.do('reload').code, 0);
  assert.equal(a.status().version, NEWER);
  assert.equal(a.do('stop').code, 0);
  assert.equal(await s.ended, 0);
});

test('handlers that do not load after an upgrade: the old generation goes on under the new program', async (t) => {
  const a = new Installed(t, files());
  const s = await a.serveInstalled();
  a.write('home.js', 'throw new Error("bad deploy");');
  a.installVersion(NEWER);
  const r = a.do('reload');
  assert.equal(r.code, 1, r.stdout + r.stderr);
  assert.match(r.stderr, /bad deploy/);
  assert.equal(a.status().version, NEWER);
  assert.equal(a.status().generation, 1);
  assert.equal((await get(s.url)).body, 'home');
  // the engine is its child as any other
  a.write('home.js', "module.exports = () => 'again';\n");
  process.kill(a.status().engines[0].pid, 'SIGKILL');
  await until(async () => (await get(s.url).catch(() => ({}))).body === 'again');
  assert.equal(a.do('reload').code, 0);
  assert.equal(a.do('stop').code, 0);
  assert.equal(await s.ended, 0);
});

test('by signal, in the background and with a stop right behind it', async (t) => {
  const a = new Installed(t, files());
  const started = a.do('serve', '--daemon');
  assert.equal(started.code, 0, started.stderr);
  const { pid } = a.status();
  t.after(() => alive(pid) && process.kill(pid, 'SIGKILL'));
  a.installVersion(NEWER);
  process.kill(pid, 'SIGHUP');
  await until(() => a.status().version === NEWER && a.status().generation === 2);
  assert.equal(a.status().pid, pid);
  a.installVersion(VERSION);
  process.kill(pid, 'SIGHUP');
  process.kill(pid, 'SIGTERM');
  await until(() => !alive(pid));
  assert.equal(a.do('status').code, 4);
});
