'use strict';
// The npm package as a project gets it: ACTIX_NPM names the tarball that `make npm` has made (make npm-test).
const assert = require('node:assert/strict');
const { spawn, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const test = require('node:test');
const { get } = require('./serve-app');

const TARBALL = process.env.ACTIX_NPM && path.resolve(process.env.ACTIX_NPM);
const skip = TARBALL ? false : 'no package to test: make npm-test';
const NODES = [18, 20, 22, 24];
const arch = { x64: 'x64', arm64: 'arm64' }[process.arch];

const COMMON_JS = `
const { Server, get } = require('actix-js');
get('/users/:id', (err, req) => req.sendText('user ' + req.getPathParam('id')));
console.log(new Server({ host: '127.0.0.1', port: 0 }).start());
`;
const MODULE = COMMON_JS.replace("const { Server, get } = require('actix-js')", "import { Server, get } from 'actix-js'");
const HANDLER = "const { worker } = require('actix-js'); module.exports = (req) => `${req.params.id} ${process.version} ${worker.count}`;";


/** One app of each kind: what they do on this Node is printed as one line by each. */
const KINDS = {
  'listener.js':
    "module.exports = (req, res) => { let n = 0; req.on('data', (d) => (n += d.length)).on('end', () => { res.write('node ' + n); res.end(' of ' + req.method); }); };",
  'fetcher.mjs':
    "export default { fetch: async (request) => new Response(`fetch ${(await request.text()).length} ${request instanceof Request}`, { headers: [['set-cookie', 'a=1'], ['set-cookie', 'b=2']] }) };",
  'pieces.js': "module.exports = async function* (req) { let n = 0; for await (const d of req.body) n += d.length; yield `stream ${n}`; yield ' end'; };",
};
const SENT = 'x'.repeat(100_000); // more than one piece
const dirs = [];
const project = { dir: undefined, nodes: {} };

function temporary() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'actix-npm-'));
  dirs.push(dir);
  return dir;
}

/** What npm says of the tests' own surroundings must not reach the package's. */
function environment(more) {
  const env = { ...process.env, ...more };
  for (const name of Object.keys(env)) if (/^(ACTIX|PORT$|HOST$|NODE_|STATE_DIRECTORY$)/.test(name)) delete env[name];
  return env;
}

function run(cwd, env, file, ...args) {
  const { status, stdout, stderr, error } = spawnSync(file, args, { cwd, env: environment(env), encoding: 'utf8', timeout: 300_000 });
  assert.equal(status, 0, `${file} ${args.join(' ')}: ${error?.message ?? ''}${stdout}${stderr}`);
  return stdout;
}

function emptyProject(...more) {
  const dir = temporary();
  fs.writeFileSync(path.join(dir, 'package.json'), '{ "private": true }');
  run(dir, {}, 'npm', 'install', '--offline', '--loglevel=error', TARBALL, ...more);
  return dir;
}

const answer = (cwd, file, ...args) => answerTo('/users/7', cwd, file, args);

function answerTo(target, cwd, file, args) {
  return withUrl(cwd, file, args, async (url) => {
    const { status, body } = await get(url + target);
    assert.equal(status, 200, body);
    return body;
  });
}

/** Starts it, calls use() with the first URL it prints, and ends it by a signal. */
async function withUrl(cwd, file, args, use) {
  const child = spawn(file, args, { cwd, env: environment({}), stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise((resolve) => child.on('close', (code, signal) => resolve(code ?? signal)));
  let said = '';
  try {
    const url = await new Promise((resolve, reject) => {
      ended.then((code) => reject(new Error(`ended with ${code}: ${said}`)));
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (data) => {
          said += data;
          const found = /http:\/\/127\.0\.0\.1:\d+/.exec(said);
          if (found) resolve(found[0]);
        });
    });
    return await use(url);
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
}

/** An app under `actix serve`, run by that Node. */
async function served(dir, node) {
  const app = temporary();
  fs.writeFileSync(path.join(app, 'users.js'), HANDLER);
  fs.writeFileSync(
    path.join(app, 'actix.yaml'),
    `version: 1\nserver: { listen: "127.0.0.1:0", workers: 2, node: "${node}" }\nroutes:\n  /users/:id: users.js\n`,
  );
  return answer(app, path.join(dir, 'node_modules/.bin/actix'), 'serve');
}

/** Each kind of handler whose inside is Node's own: asked twice on one connection, which has to stay. */
async function servesKinds(dir, node) {
  const app = temporary();
  for (const [name, text] of Object.entries(KINDS)) fs.writeFileSync(path.join(app, name), text);
  fs.writeFileSync(
    path.join(app, 'actix.yaml'),
    `version: 1\nserver: { listen: "127.0.0.1:0", workers: 1, node: "${node}" }\nroutes:\n  /node/*rest: { node: listener.js }\n` +
      '  /fetch: { ANY: fetcher.mjs }\n  /stream: { POST: { handler: pieces.js, stream: true } }\n',
  );
  await withUrl(app, path.join(dir, 'node_modules/.bin/actix'), ['serve'], async (url) => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const said = [];
    for (const target of ['/node/a', '/node/b', '/fetch', '/fetch', '/stream', '/stream']) said.push(await post(agent, url + target));
    agent.destroy();
    const [listener, fetched, streamed] = ['node 100000 of POST', 'fetch 100000 true a=1,b=2', 'stream 100000 end'];
    assert.deepEqual(said.map(({ text }) => text), [listener, listener, fetched, fetched, streamed, streamed]);
    assert.deepEqual(said.map(({ reused }) => reused), [false, true, true, true, true, true]);
  });
}

async function post(agent, url) {
  const request = http.request(url, { agent, method: 'POST' }).end(SENT);
  const [response] = await once(request, 'response');
  let text = '';
  for await (const piece of response.setEncoding('utf8')) text += piece;
  const cookies = response.headers['set-cookie'];
  return { text: cookies === undefined ? text : `${text} ${cookies}`, reused: request.reusedSocket };
}

/** The Node that npm brings for it, fetched once. */
function nodeOf(major) {
  if (project.nodes[major] === undefined) {
    const dir = temporary();
    fs.writeFileSync(path.join(dir, 'package.json'), '{ "private": true }');
    run(dir, {}, 'npm', 'install', '--prefer-offline', '--loglevel=error', `node-it@npm:node-linux-${arch}@${major}`);
    project.nodes[major] = path.join(dir, 'node_modules/node-it/bin/node');
  }
  return project.nodes[major];
}

function writeApps(dir) {
  fs.writeFileSync(path.join(dir, 'app.js'), COMMON_JS);
  fs.writeFileSync(path.join(dir, 'app.mjs'), MODULE);
}

test.before(() => {
  if (skip) return;
  project.dir = emptyProject();
  writeApps(project.dir);
});
test.after(() => dirs.forEach((dir) => fs.rmSync(dir, { recursive: true, force: true })));

test('the program needs nothing but glibc and what comes with util-linux, and brings the addon for every Node', { skip }, () => {
  const { prebuilt, exports } = JSON.parse(fs.readFileSync(path.join(project.dir, 'node_modules/actix-js/package.json'), 'utf8'));
  assert.deepEqual(prebuilt.libraries.filter((name) => !/^(libc|libm|libpthread|libdl|ld-linux[\w-]*)\.so/.test(name)), ['libsmartcols.so.1']);
  assert.equal(prebuilt.napi, 8);
  for (const { types, import: module, require: common } of Object.values(exports).filter((e) => typeof e === 'object'))
    for (const file of [types, module, common].filter(Boolean)) assert.ok(fs.existsSync(path.join(project.dir, 'node_modules/actix-js', file)), file);
});

test('an empty project gets the program, CommonJS and ESM, without the network', { skip }, async () => {
  const bin = path.join(project.dir, 'node_modules/.bin/actix');
  const version = run(project.dir, {}, bin, 'version');
  assert.match(version, /^actix \d+\.\d+\.\d+\n/);
  assert.doesNotMatch(version, /unknown/); // the libraries inside it tell theirs too
  assert.equal(await answer(project.dir, process.execPath, 'app.js'), 'user 7');
  assert.equal(await answer(project.dir, process.execPath, 'app.mjs'), 'user 7');
  assert.equal(await served(project.dir, process.execPath), `7 ${process.version} 2`);
});

test('npx -p actix-js actix scaffolds an app that is whole', { skip }, async () => {
  const dir = temporary();
  const npx = (...args) => run(dir, {}, 'npx', '--yes', '--offline', '-p', TARBALL, 'actix', ...args);
  assert.match(npx('--version'), /^actix /);
  npx('new', 'hello');
  assert.ok(fs.existsSync(path.join(dir, 'hello/.gitignore')));
  assert.ok(!fs.existsSync(path.join(dir, 'hello/_gitignore')));
  const bin = path.join(project.dir, 'node_modules/.bin/actix');
  assert.deepEqual(JSON.parse(await answerTo('/users/1', path.join(dir, 'hello'), bin, ['serve', '--port', '0'])), { id: '1', name: 'Ada' });
});

for (const major of NODES) {
  test(`the same addon in Node ${major}, alone and under serve`, { skip }, async () => {
    const node = nodeOf(major);
    const version = run(project.dir, {}, node, '--version').trim();
    assert.match(version, new RegExp(`^v${major}\\.`));
    assert.equal(await answer(project.dir, node, 'app.js'), 'user 7');
    assert.equal(await answer(project.dir, node, 'app.mjs'), 'user 7');
    assert.equal(await served(project.dir, node), `7 ${version} 2`);
    await servesKinds(project.dir, node);
  });
}

const headers = fs.existsSync('/usr/include/node/common.gypi') ? false : 'node-gyp has no headers of Node here';
test('where the addon does not load, it and the program are compiled', { skip: skip || headers }, async () => {
  const dir = emptyProject('--ignore-scripts');
  const own = path.join(dir, 'node_modules/actix-js');
  fs.writeFileSync(path.join(own, 'lib/actix/addon/actix.node'), 'of another machine');
  fs.writeFileSync(path.join(own, 'npm/machine'), 'pdp11\n');
  const refused = spawnSync(path.join(dir, 'node_modules/.bin/actix'), ['version'], { encoding: 'utf8' });
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /built for pdp11, and this machine is \w+;\n.*npm rebuild actix-js/);
  const said = run(dir, { npm_config_nodedir: '/usr', npm_config_jobs: '2' }, 'npm', 'rebuild', 'actix-js', '--foreground-scripts');
  assert.match(said, /actix-addon|gyp/);
  writeApps(dir);
  assert.equal(await answer(dir, process.execPath, 'app.js'), 'user 7');
  assert.match(run(dir, {}, path.join(dir, 'node_modules/.bin/actix'), 'version'), /^actix .*\n(.*\n)*build release: \w+ .*portable/);
  assert.equal(await served(dir, process.execPath), `7 ${process.version} 2`);
});
