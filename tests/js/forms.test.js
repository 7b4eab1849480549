'use strict';
const test = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { File } = require('node:buffer'); // global from Node 20 on
const { execFileSync } = require('node:child_process');
const { addon, serve } = require('./support');

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}';

function temporary(t) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'actix-forms-'));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Both readers answer the form; one handler module each. */
const both = { 'POST /sync': (req) => req.getFormData(), 'POST /async': (req) => req.getFormDataAsync() };
const ways = ['sync', 'async'];

async function post(url, body, headers) {
  const res = await fetch(url, { method: 'POST', body, headers });
  return [res.status, await res.json()];
}

test('urlencoded forms', async (t) => {
  const { url } = await serve(t, {
    ...both,
    'POST /value': async (req) => [req.getFormValue('a'), req.getFormValue('toString'), await req.getFormValueAsync('b')],
  });
  const body = 'a=1&b=x+y&a=2&a=%C3%A4&c=&d=%zz&__proto__=p';
  const want = { a: ['1', '2', 'ä'], b: 'x y', c: '', d: '%zz', ['__proto__']: 'p' };
  const type = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' };
  for (const way of ways) assert.deepStrictEqual(await post(`${url}/${way}`, body, type), [200, want]);
  assert.deepStrictEqual(await post(`${url}/value`, body, type), [200, [['1', '2', 'ä'], null, 'x y']]);
});

test('what is no form is empty', async (t) => {
  const { url } = await serve(t, both);
  for (const way of ways) {
    assert.deepStrictEqual(await post(`${url}/${way}`, 'a=1', { 'content-type': 'text/plain' }), [200, {}]);
    assert.deepStrictEqual(await post(`${url}/${way}`, undefined, {}), [200, {}]);
  }
});

function sample() {
  const form = new FormData();
  form.append('name', 'Ä');
  form.append('tag', 'a');
  form.append('tag', 'b');
  form.append('file', new File([Buffer.from([0, 255, 13, 10, 45, 45])], '../x/Pic.PNG', { type: 'image/png' }));
  form.append('plain', new File(['text'], 'noextension', { type: 'text/plain' }));
  form.append('long', new File(['l'], 'a.tar.abcdefghijkl', {}));
  return form;
}

test('multipart forms store their files', async (t) => {
  for (const way of ways) {
    const dir = path.join(temporary(t), 'made', 'when-missing');
    const { url, server } = await serve(t, both, { uploads: { dir } });
    const [status, form] = await post(`${url}/${way}`, sample());
    assert.strictEqual(status, 200);
    assert.deepStrictEqual([form.name, form.tag], ['Ä', ['a', 'b']]);
    assert.match(form.file.filename, new RegExp(`^${UUID}\\.PNG$`));
    assert.match(form.plain.filename, new RegExp(`^${UUID}$`));
    assert.match(form.long.filename, new RegExp(`^${UUID}\\.abcdefgh$`));
    const { filename } = form.file;
    const info = { type: 'file', originalName: 'Pic.PNG', filename, path: path.join(dir, filename), contentType: 'image/png', size: 6 };
    assert.deepStrictEqual(form.file, info);
    assert.deepStrictEqual([...fs.readFileSync(form.file.path)], [0, 255, 13, 10, 45, 45]);
    assert.strictEqual(fs.statSync(form.file.path).mode & 0o7777, 0o600);
    assert.strictEqual(fs.readdirSync(dir).length, 3);
    await server.stop();
    require('./support').api.cleanupRouter();
  }
});

test('a form is parsed once', async (t) => {
  const dir = temporary(t);
  const { url } = await serve(t, {
    'POST /': async (req) => [req.getFormData() === (await req.getFormDataAsync()), req.getFormData() === req.getFormData()],
  }, { uploads: { dir } });
  assert.deepStrictEqual(await post(url, sample()), [200, [true, true]]);
  assert.strictEqual(fs.readdirSync(dir).length, 3);
});

test('files that are not kept go with the response', async (t) => {
  const dir = temporary(t);
  const seen = [];
  const look = (form) => {
    seen.push(fs.existsSync(form.file.path));
    return form.file.path;
  };
  const { url } = await serve(t, {
    'POST /sync': (req) => look(req.getFormData()),
    'POST /async': async (req) => look(await req.getFormDataAsync()),
    'POST /throws': (req) => { look(req.getFormData()); throw new Error('x'); },
    'POST /late': (req) => { req.sendText('sent'); look(req.getFormData()); },
  }, { uploads: { dir, keep: false } });
  for (const target of ['sync', 'async', 'throws']) {
    await fetch(`${url}/${target}`, { method: 'POST', body: sample() });
    assert.deepStrictEqual(fs.readdirSync(dir), [], target);
  }
  await fetch(`${url}/late`, { method: 'POST', body: sample() });
  assert.deepStrictEqual(fs.readdirSync(dir), []);
  assert.deepStrictEqual(seen, [true, true, true, false]);
});

test('files that are not kept go when the server answers 504', async (t) => {
  const dir = temporary(t);
  const { url } = await serve(t, {
    'POST /': (req) => void req.getFormData(),
  }, { uploads: { dir, keep: false }, settings: { timeout_handler_us: 50_000 } });
  const res = await fetch(url, { method: 'POST', body: sample() });
  assert.deepStrictEqual([res.status, fs.readdirSync(dir)], [504, []]);
});

test('limits answer 413 and name themselves', async (t) => {
  const fields = (n) => Array.from({ length: n }, (_, i) => `f${i}=1`).join('&');
  const formOf = (...files) => {
    const form = new FormData();
    for (const [name, value] of files) form.append(name, value);
    return form;
  };
  const type = { 'content-type': 'application/x-www-form-urlencoded' };
  const rows = [
    ['uploads.fields', fields(4), type],
    ['uploads.field', 'a=123456', type],
    ['uploads.field', 'a=ääää', type],
    ['uploads.fields', formOf(['a', '1'], ['b', '1'], ['c', '1'], ['d', '1'])],
    ['uploads.field', formOf(['a', '123456'])],
    ['uploads.file', formOf(['a', new File(['123456789'], 'a')])],
    ['uploads.files', formOf(['a', new File(['1'], 'a')], ['b', new File(['1'], 'b')], ['c', new File(['1'], 'c')])],
  ];
  const dir = temporary(t);
  const { url } = await serve(t, both, { uploads: { dir, file: 8, files: 2, fields: 3, field: 5 } });
  for (const [limit, body, headers] of rows) {
    for (const way of ways) {
      const [status, answer] = await post(`${url}/${way}`, body, headers);
      assert.deepStrictEqual([status, answer.limit], [413, limit]);
    }
  }
  const fits = formOf(['a', '12345'], ['b', '1'], ['c', '1'], ['d', new File(['12345678'], 'd')]);
  assert.deepStrictEqual((await post(`${url}/sync`, fits))[0], 200);
  assert.strictEqual(fs.readdirSync(dir).length, 1);
});

test('a file input that was left empty is no field', async (t) => {
  const { url } = await serve(t, both);
  const part = (filename) => `--b\r\nContent-Disposition: form-data; name="${filename || 'e'}"; filename="${filename}"\r\n\r\n\r\n`;
  const [status, form] = await post(`${url}/sync`, `${part('')}--b--\r\n`, { 'content-type': 'multipart/form-data; boundary=b' });
  assert.deepStrictEqual([status, form], [200, {}]);
});

test('a malformed multipart body answers 400', async (t) => {
  const { url } = await serve(t, both);
  const rows = [
    ['multipart/form-data', 'x'],
    ['multipart/form-data; boundary=b', 'x'],
    ['multipart/form-data; boundary=b', '--b\r\ncontent-disposition: form-data; name="a"\r\n\r\nx'],
  ];
  for (const [type, body] of rows) {
    for (const way of ways) assert.strictEqual((await post(`${url}/${way}`, body, { 'content-type': type }))[0], 400, body);
  }
});

test('a folder that cannot be made is a failure of the server', async (t) => {
  const dir = temporary(t);
  fs.writeFileSync(path.join(dir, 'file'), '');
  const { url } = await serve(t, both, { uploads: { dir: path.join(dir, 'file', 'sub') } });
  for (const way of ways) assert.strictEqual((await post(`${url}/${way}`, sample()))[0], 500);
});

test('a full disk answers 507 and leaves nothing', async (t) => {
  const dir = temporary(t);
  const { url } = await serve(t, both, { uploads: { dir } });
  const write = fs.writeFileSync;
  const writeAsync = fs.promises.writeFile;
  t.after(() => Object.assign(fs, { writeFileSync: write }) && Object.assign(fs.promises, { writeFile: writeAsync }));
  let left = 0;
  const full = () => (left-- > 0 ? undefined : Object.assign(new Error('full'), { code: 'ENOSPC' }));
  fs.writeFileSync = (...args) => { const err = full(); if (err) throw err; return write(...args); };
  fs.promises.writeFile = async (...args) => { const err = full(); if (err) throw err; return writeAsync(...args); };
  for (const way of ways) {
    left = 2;
    assert.strictEqual((await post(`${url}/${way}`, sample()))[0], 507);
    assert.deepStrictEqual(fs.readdirSync(dir), []);
  }
});

test('left-overs of a crash go, and nothing else', async (t) => {
  const dir = temporary(t);
  const child = `
    const uploads = require(${JSON.stringify(path.join(addon, 'uploads.js'))});
    const dir = ${JSON.stringify(dir)};
    for (const keep of [true, false]) {
      const name = uploads.storedName('a.txt');
      uploads.store({ dir, keep }, require('path').join(dir, name), 'x');
      console.log(name);
    }`;
  const [kept] = execFileSync(process.execPath, ['-e', child], { encoding: 'utf8' }).trim().split('\n');
  const uploads = require(path.join(addon, 'uploads.js'));
  const mine = uploads.storedName('b.txt');
  uploads.store({ dir, keep: false }, path.join(dir, mine), 'in use');
  fs.writeFileSync(path.join(dir, 'other.txt'), 'x');
  const foreign = '.actix-upload.00000000.1.1.';
  for (const [name, age] of [[uploads.storedName('c'), 0], [uploads.storedName('d'), 25 * 3600]]) {
    fs.writeFileSync(path.join(dir, name), 'foreign');
    fs.writeFileSync(path.join(dir, foreign + name), '');
    fs.utimesSync(path.join(dir, foreign + name), new Date(), new Date(Date.now() - age * 1000));
  }
  assert.strictEqual(fs.readdirSync(dir).length, 10);
  await uploads.sweep(dir);
  const left = fs.readdirSync(dir);
  assert.strictEqual(left.length, 6);
  for (const name of [kept, mine, 'other.txt']) assert.ok(left.includes(name), name);
  await uploads.sweep(path.join(dir, 'missing'));
});
