'use strict';
// Debian's Prometheus scrapes the admin listener and is asked what it has understood; promtool judges the rules.
const assert = require('node:assert/strict');
const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { App, get, until: within } = require('./serve-app');

const RULES = path.join(__dirname, '../../packaging/prometheus');
const until = (what) => within(what, 30_000); // Prometheus takes its time on a busy machine
const there = (name) => spawnSync(name, ['--version']).error === undefined;
const skip = there('prometheus') && there('promtool') ? false : 'no prometheus here: apt-get install prometheus';

const FILES = {
  'actix.yaml': `version: 1
server: { workers: 2, listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0" }
routes:
  /: home.js
  /users/:id: home.js
  /boom: boom.js
`,
  'home.js': "module.exports = () => 'home';",
  'boom.js': "module.exports = () => { throw new Error('boom'); };",
};

/** Its own configuration, storage and port, all of them the test's. */
async function startPrometheus(app, target, t) {
  app.write(
    'prometheus.yml',
    `global: { scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms }
rule_files: ["${RULES}/actix.rules.yml"]
scrape_configs:
  - job_name: actix
    static_configs: [{ targets: ["${target}"] }]
`,
  );
  const args = ['--config.file=prometheus.yml', `--storage.tsdb.path=${app.dir}/tsdb`, '--web.listen-address=127.0.0.1:0', '--log.format=json'];
  const child = spawn('prometheus', args, { cwd: app.dir, stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, GOMAXPROCS: '1' } });
  const ended = new Promise((resolve) => child.on('close', resolve));
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  let said = '';
  child.stderr.on('data', (data) => (said += data));
  const port = await until(() => /"address":"127\.0\.0\.1:([1-9]\d*)"/.exec(said)?.[1] ?? (child.exitCode !== null && assert.fail(said)));
  const ask = async (what) => {
    const { status, body } = await get(`http://127.0.0.1:${port}/api/v1/${what}`);
    return status === 200 ? JSON.parse(body).data : undefined; // 503 while it starts
  };
  return { ask, query: async (q) => (await ask(`query?query=${encodeURIComponent(q)}`))?.result ?? [] };
}

const byRoute = (result) =>
  Object.fromEntries(result.map(({ metric: m, value }) => [`${m.http_request_method} ${m.http_route} ${m.http_response_status_class}`, Number(value[1])]));

test('Prometheus has counted what was sent, under the names that the rules use', { skip }, async (t) => {
  const app = new App(t, FILES);
  const s = await app.serve();
  const admin = new URL(/^admin on (\S+)$/m.exec(s.stdout)[1]);
  const sent = [...Array(30).fill('/'), ...Array(5).fill('/users/7?x=1'), ...Array(7).fill('/boom'), ...Array(3).fill('/nowhere')];
  for (const target of sent) await get(s.url + target);

  const prometheus = await startPrometheus(app, admin.host, t);
  const counts = 'sum by (http_request_method, http_route, http_response_status_class) (http_server_request_duration_seconds_count)';
  const want = { 'ANY / 2xx': 30, 'ANY /users/:id 2xx': 5, 'ANY /boom 5xx': 7, '_OTHER (none) 4xx': 3 };
  const seen = await until(async () => {
    const found = byRoute(await prometheus.query(counts));
    return Object.values(found).reduce((a, b) => a + b, 0) === sent.length && found;
  });
  assert.deepEqual(seen, want);
  const value = async (q) => Number((await prometheus.query(q))[0]?.value[1]);
  assert.equal(await value('up'), 1);
  assert.equal(await value('sum(http_server_request_duration_seconds_bucket{le="+Inf"})'), sent.length);
  assert.equal(await value('actix_requests_total'), sent.length);
  assert.equal(await value('actix_workers_ready'), 2);
  assert.equal(await value('actix_ready'), 1);

  const rules = async () => ((await prometheus.ask('rules'))?.groups ?? []).flatMap((g) => g.rules);
  const judged = await until(async () => {
    const all = await rules();
    return all.length > 0 && all.every((r) => r.health !== 'unknown') && all;
  });
  assert.deepEqual(judged.filter((r) => r.health !== 'ok').map((r) => `${r.name}: ${r.lastError}`), []);
  await get(`${s.url}/boom`);
  await until(async () => byRoute(await prometheus.query(counts))['ANY /boom 5xx'] === 8);
  await until(async () => (await value('job:http_server_errors:ratio_rate5m')) > 0);
});

// A name that the page does not have would make an alert that never fires.
test('the rules read nothing that the page does not have', { skip }, async (t) => {
  const s = await new App(t, FILES).serve();
  await get(s.url);
  const admin = /^admin on (\S+)$/m.exec(s.stdout)[1];
  const body = await until(async () => {
    const { body: now } = await get(`${admin}/metrics`);
    return now.includes('http_server_request_duration_seconds_count{') && now; // what was answered is counted a moment later
  });
  const page = new Set([...body.matchAll(/^(\w+)[{ ]/gm)].map((m) => m[1]));
  const text = fs.readFileSync(path.join(RULES, 'actix.rules.yml'), 'utf8').replace(/^ *(#|summary:|description:).*$/gm, '');
  const read = [...text.matchAll(/(?<![\w:])(?:http_server|actix)_\w+(?![\w:])/g)].map((m) => m[0]);
  assert.ok(read.length > 15);
  assert.deepEqual(read.filter((name) => !page.has(name)), []);
});

for (const args of [['check', 'rules', 'actix.rules.yml'], ['test', 'rules', 'actix.test.yml']])
  test(`promtool ${args.join(' ')}`, { skip }, () => {
    const { status, stdout, stderr } = spawnSync('promtool', args, { cwd: RULES, encoding: 'utf8' });
    assert.equal(status, 0, stdout + stderr);
  });
