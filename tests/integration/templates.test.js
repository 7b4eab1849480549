'use strict';
// Each template as its user meets it: actix new, npm install where it needs packages, npm test, actix check, and every
// command of its README.
const test = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { File } = require('node:buffer'); // global from Node 20 on
const { execFileSync, spawn, spawnSync } = require('node:child_process');
const { App, BIN, cleanEnv } = require('./serve-app');

const TEMPLATES = path.resolve(path.dirname(BIN), '../share/actix/templates');
const names = fs.readdirSync(TEMPLATES).filter((name) => !name.startsWith('.'));
const STEP_MS = 120_000;

/** As a user's shell: actix is found, npm keeps what it downloads, and no port is taken that others may have. */
const environment = (more) =>
  cleanEnv({ PATH: `${path.dirname(BIN)}:${process.env.PATH}`, PORT: '0', npm_config_update_notifier: 'false', npm_config_audit: 'false', npm_config_fund: 'false', ...more });

class Project {
  constructor(t, template) {
    this.t = t;
    this.root = fs.mkdtempSync(path.join(os.tmpdir(), 'actix-new-'));
    this.dir = path.join(this.root, 'app');
    t.after(() => fs.rmSync(this.root, { recursive: true, force: true, maxRetries: 3 }));
    const { status, stdout, stderr } = spawnSync(BIN, ['new', this.dir, '--template', template], { env: environment(), encoding: 'utf8' });
    assert.strictEqual(status, 0, stderr);
    this.said = stdout;
  }

  read(name) {
    return fs.readFileSync(path.join(this.dir, name), 'utf8');
  }

  sh(command, env) {
    const { status, stdout, stderr } = spawnSync('sh', ['-c', command], {
      cwd: this.dir,
      env: environment(env),
      encoding: 'utf8',
      timeout: STEP_MS,
    });
    return { code: status, stdout, out: stdout + stderr };
  }

  ok(command, env) {
    const { code, stdout, out } = this.sh(command, env);
    assert.strictEqual(code, 0, `${command}:\n${out}`);
    return stdout;
  }

  /** Starts what prints its URL; ended by stop(), at the latest after the test. */
  async start(command, env) {
    const child = spawn('sh', ['-c', `exec ${command}`], { cwd: this.dir, env: environment(env), detached: true });
    const ended = new Promise((resolve) => child.on('close', resolve));
    const stop = async () => {
      if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid, 'SIGTERM');
      await ended;
    };
    this.t.after(stop);
    const url = await new Promise((resolve, reject) => {
      let said = '';
      const look = (bytes) => {
        said += bytes;
        const found = /(?:listening on|running at) (http:\/\/[0-9.:]+\d)/.exec(said);
        if (found !== null) resolve(found[1]);
      };
      child.stdout.on('data', look);
      child.stderr.on('data', look);
      ended.then((code) => reject(new Error(`${command} ended with ${code}: ${said}`)));
    });
    return { url, stop };
  }

  needsPackages() {
    const { dependencies = {}, devDependencies = {} } = JSON.parse(this.read('package.json'));
    return Object.values({ ...dependencies, ...devDependencies }).some((version) => !version.startsWith('file:'));
  }

  /** False, and the test is skipped, where the registry cannot be reached. */
  install() {
    const { code, out } = this.sh('npm install --prefer-offline --loglevel=error');
    if (code !== 0 && /ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|network/.test(out)) {
      this.t.skip(`no registry: ${out.split('\n', 1)[0]}`);
      return false;
    }
    assert.strictEqual(code, 0, out);
    return true;
  }
}

const ask = async (url, init) => {
  const res = await fetch(url, init);
  return [res.status, await res.text()];
};

function form() {
  const data = new FormData();
  data.append('name', 'me');
  data.append('photo', new File(['12345'], 'p.png', { type: 'image/png' }));
  return data;
}

// ---- every command of a README

/** The lines of its sh blocks, without comments. */
const commandsOf = (text) =>
  [...text.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, block]) => block.split('\n')).map((line) => line.replace(/\s+#.*$/, '').trim()).filter(Boolean);

const SERVES = /^(npm start|npm run dev|actix serve|actix dev|node app\.js)$/;

async function tryReadme(project) {
  const commands = commandsOf(project.read('README.md'));
  assert.ok(commands.length >= 4);
  for (const command of commands.filter((c) => SERVES.test(c))) await tryServing(project, command);
  const { url, stop } = await project.start('actix serve');
  for (const command of commands.filter((c) => !SERVES.test(c) && c !== 'npm install' && c !== 'npm test')) {
    if (!command.startsWith('curl ')) project.ok(command);
    else assert.match(project.ok(`curl -sS -w '\\n%{http_code}' ${command.slice('curl '.length).replace('localhost:3001', url)}`), /^2\d\d$/m, command);
  }
  await stop();
}

async function tryServing(project, command) {
  if (command === 'node app.js') {
    const file = path.join(project.dir, 'app.js');
    fs.writeFileSync(file, project.read('app.js').replace('port: 3001', 'port: 0')); // the test takes no fixed port
  }
  const { url, stop } = await project.start(command);
  assert.strictEqual((await ask(`${url}${command === 'node app.js' ? '/' : '/healthz'}`))[0], 200, command);
  await stop();
}

// ---- what each of them answers beyond its own tests

const ANSWERS = {
  async default(url, project) {
    assert.deepStrictEqual(await ask(`${url}/`), [200, 'Hello from app!\n']);
    assert.match((await ask(`${url}/time`))[1], /^\{"time":"20.*","worker":0\}$/);
    assert.deepStrictEqual(await ask(`${url}/users/1`), [200, '{"id":"1","name":"Ada"}']);
    assert.deepStrictEqual(await ask(`${url}/users/9`), [404, '{"error":"no such user","path":"/users/9"}']);
    assert.strictEqual((await ask(`${url}/users/9`, { method: 'PUT', body: '{' }))[0], 400);
    assert.match((await ask(`${url}/contact`))[1], /<form/);
    assert.deepStrictEqual(await ask(`${url}/contact`, { method: 'POST', body: form() }), [200, '{"hello":"me","photo":{"name":"p.png","size":5}}']);
    assert.deepStrictEqual(fs.readdirSync(path.join(project.dir, 'uploads')), []);
  },
  async 'actix-js'(url, project) {
    await askActixJs(url);
    assert.deepStrictEqual(fs.readdirSync(path.join(project.dir, 'uploads')), []);
  },
  async api(url, project) {
    const made = await ask(`${url}/notes`, { method: 'POST', body: '{"title":"kept"}' });
    assert.deepStrictEqual(made, [201, '{"id":1,"title":"kept","text":""}']);
    assert.deepStrictEqual(await ask(`${url}/notes`), [200, '[{"id":1,"title":"kept","text":""}]']);
    assert.deepStrictEqual(await ask(`${url}/notes/1`, { method: 'DELETE' }), [204, '']);
    const [major, minor] = process.versions.node.split('.').map(Number);
    const there = major > 22 || (major === 22 && minor >= 13);
    assert.strictEqual(fs.existsSync(path.join(project.dir, 'data/notes.db')), there);
  },
  async typescript(url) {
    assert.deepStrictEqual(await ask(`${url}/`), [200, 'Hello from app!\n']);
    assert.deepStrictEqual(await ask(`${url}/users/1`), [200, '{"id":"1","name":"Ada"}']);
  },
  async hono(url) {
    assert.deepStrictEqual(await ask(`${url}/`), [200, 'Hello from app!\n']);
    assert.deepStrictEqual(await ask(`${url}/users/1`), [200, '{"id":"1","name":"Ada"}']);
    assert.match((await ask(`${url}/events`))[1], /data: event 3/);
  },
  async express(url) {
    assert.deepStrictEqual(await ask(`${url}/`), [200, 'Hello from app!\n']);
    assert.deepStrictEqual(await ask(`${url}/users/1`), [200, '{"id":"1","name":"Ada"}']);
    assert.strictEqual((await ask(`${url}/users/2`))[0], 404);
  },
  async 'static-site'(url) {
    assert.match((await ask(`${url}/`))[1], /<h1>app<\/h1>/);
    const moved = await fetch(`${url}/about`, { redirect: 'manual' });
    assert.deepStrictEqual([moved.status, moved.headers.get('location')], [308, '/about/']);
  },
};

async function askActixJs(url) {
  assert.deepStrictEqual(await ask(`${url}/`), [200, 'Hello from app!\n']);
  assert.deepStrictEqual(await ask(`${url}/users/9`), [404, 'no such user']);
  assert.deepStrictEqual(await ask(`${url}/users/9`, { method: 'PUT', body: '{"name":"Linus"}' }), [201, '{"id":"9","name":"Linus"}']);
  assert.deepStrictEqual(await ask(`${url}/users/9`, { method: 'DELETE' }), [200, '']);
  assert.deepStrictEqual(await ask(`${url}/slow`), [200, 'done\n']);
  assert.deepStrictEqual(await ask(`${url}/echo`, { method: 'POST', body: 'ä' }), [200, 'ä']);
  assert.deepStrictEqual(await ask(`${url}/contact`, { method: 'POST', body: form() }), [200, '{"hello":"me","photo":{"name":"p.png","size":5}}']);
}

for (const name of names) {
  test(`template ${name}`, async (t) => {
    const project = new Project(t, name);
    const { name: called, scripts } = JSON.parse(project.read('package.json'));
    assert.deepStrictEqual([called, scripts.dev, scripts.start, scripts.test], ['app', 'actix dev', 'actix serve', 'node --test']);
    assert.strictEqual(project.said.includes('npm install'), project.needsPackages());
    if (project.needsPackages() && !project.install()) return;
    project.ok('actix check --strict');
    project.ok('npm test');
    const { url, stop } = await project.start('actix serve --workers 1');
    await ANSWERS[name](url, project);
    assert.strictEqual((await ask(`${url}/healthz`))[0], 200);
    await stop();
    await tryReadme(project);
  });
}

test('template actix-js by plain Node, all of it', async (t) => {
  const project = new Project(t, 'actix-js');
  const file = path.join(project.dir, 'app.js');
  fs.writeFileSync(file, project.read('app.js').replace('port: 3001', 'port: 0'));
  const { url, stop } = await project.start('node app.js');
  await askActixJs(url);
  await stop();
  assert.deepStrictEqual(fs.readdirSync(path.join(project.dir, 'uploads')), []);
});

// ---- what belongs to all of them

test('new --list tells what each template is', (t) => {
  const { code, stdout } = new App(t, {}).run('new', '--list');
  assert.strictEqual(code, 0);
  const listed = stdout.trim().split('\n').slice(1).map((line) => /^(\S+)\s+(\S.*\S)$/.exec(line));
  assert.deepStrictEqual(listed.map(([, name]) => name), [...names].sort());
  for (const [, name, about] of listed) assert.ok(about.length > 10, name);
});

test('without actix in PATH, and in a fresh clone, a new app still finds it', (t) => {
  const project = new Project(t, 'default');
  fs.rmSync(path.join(project.dir, 'node_modules'), { recursive: true });
  project.ok('npm install --loglevel=error', { npm_config_registry: 'http://127.0.0.1:9/' }); // there is nothing: no network
  project.ok('npm test');
  const bare = path.join(project.root, 'bare');
  const node = path.dirname(process.execPath);
  const PATH = `${node}:/usr/bin:/bin`;
  execFileSync(BIN, ['new', bare], { env: environment({ PATH }) });
  const { status, stdout, stderr } = spawnSync('npm', ['test'], { cwd: bare, env: environment({ PATH }), encoding: 'utf8' });
  assert.strictEqual(status, 0, stdout + stderr);
});

test('without any actix the tests of an app say so', (t) => {
  const project = new Project(t, 'default');
  fs.rmSync(path.join(project.dir, 'node_modules/.bin'), { recursive: true, force: true });
  const { code, out } = project.sh(`'${process.execPath}' --test`, { PATH: '/usr/bin:/bin', ACTIX: '/nowhere/actix' });
  assert.strictEqual(code, 1);
  assert.match(out, /actix is not installed: there is none in PATH/);
});
