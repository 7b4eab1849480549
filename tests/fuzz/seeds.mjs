#!/usr/bin/env node
// seeds.mjs FOLDER: writes first inputs for the fuzzers, FOLDER/FUZZER/N, from what the tree has already: the wire tests,
// the templates, the documentation.  Then tests/fuzz/merge.sh keeps of them what the corpus lacks.
import fs from 'node:fs';
import path from 'node:path';

const out = process.argv[2];
if (!out) throw new Error('usage: seeds.mjs FOLDER');
process.chdir(path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '../..'));

let count = 0;
function seed(fuzzer, bytes) {
  fs.mkdirSync(path.join(out, fuzzer), { recursive: true });
  fs.writeFileSync(path.join(out, fuzzer, String(count++)), bytes);
}
const latin = (s) => Buffer.from(s, 'latin1');

// ---- tests/wire: what is sent, as tests/wire/README.md has it
const escapes = { r: '\r', n: '\n', t: '\t', 0: '\0', '"': '"', '\\': '\\' };
const unescape = (s) => s.replace(/\\(x[0-9a-fA-F]{2}|.)/g, (_, e) => (e[0] === 'x' ? String.fromCharCode(parseInt(e.slice(1), 16)) : escapes[e]));
for (const name of fs.readdirSync('tests/wire').filter((f) => f.endsWith('.wire'))) {
  let all = '';
  for (const line of fs.readFileSync(`tests/wire/${name}`, 'latin1').split('\n')) {
    if (!line.startsWith('send ')) continue;
    for (const m of line.matchAll(/"((?:\\.|[^"\\])*)"(?: x (\d+))?/g)) all += unescape(m[1]).repeat(Math.min(+(m[2] ?? 1), 20));
  }
  if (all.length > 2000) continue;
  seed('conn', latin(all));
  const end = all.indexOf('\r\n\r\n');
  seed('head', latin(end < 0 ? all : all.slice(0, end + 4)));
  if (end >= 0 && /chunk/i.test(all)) seed('body', latin(all.slice(end + 4)));
  const target = all.split(' ')[1];
  if (target) seed('path', latin(target.replace(/\?.*/, '')));
}

// ---- the others by hand
for (const h of ['X-Forwarded-For: 1.2.3.4, 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b:80\r\nX-Request-Id: abc', 'Forwarded: for="[::1]:80";proto=https;host=c'])
  seed('conn', latin(`GET /who HTTP/1.1\r\nHost: a\r\n${h}\r\n\r\nPOST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nokGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`));
for (const q of ['a=1&b=2&a=3', 'x=%41+b&&=&=v&k', 'a=%zz%4&b=%', '/a/%2e%2E/b', '/caf%C3%A9', '/%F0%9F%98%80/..'] ) seed('path', latin(q));
seed('router', latin('a/\nb/users/:id\nh/users/me\na/users/:id/posts/:post\nc/files/*rest\nd/a/:x/c\nd/a/b/d\n\na/users/42\nb/users/me\nc/files/a/b\nd/a/b/c\nd/a/b/d\n'));
seed('router', latin('h/caf%C3%A9\nh/a%2Fb\nh/*\n\na/caf\xc3\xa9\nb/a%2fb\nc/a/b\nc/a//b/\n'));
const form = (b, ...parts) => `multipart/form-data; boundary=${b}\n` + parts.map((p) => `--${b}\r\nContent-Disposition: form-data; ${p}\r\n`).join('') + `--${b}--\r\n`;
seed('multipart', latin(form('b', 'name="a"\r\n\r\n1', 'name="f"; filename="x.txt"\r\nContent-Type: text/plain\r\n\r\ndata')));
seed('multipart', latin(form('"x y"', 'name=a\r\n\r\n\r\n--x')));
seed('multipart', latin(form('----WebKitFormBoundaryAbC', 'name="q\\"uo%22te"; filename="C:\\\\dir\\\\f.bin"\r\n\r\n\0\xff', 'name="é"; filename="../../etc/passwd"\r\n\r\nx')));
seed('multipart', latin('multipart/form-data; charset=utf-8; boundary=b;\npreamble\r\n--b \t\r\nX: y\r\ncontent-disposition:form-data;name=f\r\n\r\na\r\n--bx\r\n--b--\r\nepilogue'));
for (const t of ['250ms', '1h', 'off', '0', '64KiB', '10MB', '1024', '1.5s', '0660', '0o660', '10/s burst 20', '5/m', '127.0.0.1:3001', '[::1]:80', 'unix:/run/a.sock', '3001', '*:80', 'localhost:1', '-1', '9223372036854775807', '90071992547409us'])
  seed('units', latin(t));
for (const m of [{ type: 'ready', workers: 4 }, { type: 'failed', errors: [{ message: 'a', at: { file: 'f', line: 2, col: 3 } }, 7] }, { type: 'event', kind: 'crash', text: 't', worker: 1 }, { type: 'workers', workers: [{ id: 1, state: 'ready', restarts: 2 }, {}], zombies: 1 }, { type: 'drained' }, { type: 'killed', worker: 1, route: { method: 'GET', pattern: '/a' }, why: 'stall' }, { type: 'renew', why: 'zombie' }])
  seed('message', latin(JSON.stringify(m)));
for (const c of ['{"command":"status"}\n', '{"command":"flush"}\n{"command":"status"}\n', '{"command":"stop"}\n', '{"command":"reload"}\n', '{"command":"no"}\n', '[]\n', '\n', '{"command":"status"', '{}'.repeat(2100)]) seed('control', latin(c));
for (const e of ['A=1\nB="x\\ny" # c\nexport D=e\n', "C='a#b'\nF=`a\"b'c`\nI=\"unclosed\nJ=1", '\xef\xbb\xbfA=1\r\nA=2\r\n', '# c\n\n=v\nnokey\nK= \nL=x=y']) seed('dotenv', latin(e));
for (const f of ['1.2.3.4, 10.0.0.2', '"[fd00::1]:80", 10.1.1.1', 'for="[2001:db8::1]:4711";proto=https;host="a, b", for=10.0.0.2', 'for=_hidden, for=unknown;by=10.0.0.1', '::ffff:1.2.3.4,,10.0.0.9', 'X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a:80\r\nX-Request-Id: abc'])
  for (const a of ['10.0.0.0/8', '::ffff:10.0.0.0/104', '[::1]:80', '1.2.3.4:80', 'unix']) seed('forwarded', latin(`${f}\n${a}`));

for (const c of ['Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==', '{"aud":["x","api"],"iss":"me","scope":"a read","exp":2000,"nbf":1.5e2}', '{"aud":"a\\u0070i","iss":"\\ud83d\\ude00"}', 'eyJhbGciOiJub25lIn0.e30.', 'gzip;q=0.5, br;q=1.000, *;q=0', 'text/html,application/xhtml+xml,*/*;q=0.8'])
  seed('credentials', latin(c));

// ---- manifests: the templates', those in the documentation, and each key of the reference
for (const dir of fs.readdirSync('templates')) {
  const file = `templates/${dir}/actix.yaml`;
  if (fs.existsSync(file)) seed('manifest', fs.readFileSync(file));
}
for (const file of fs.readdirSync('docs').filter((f) => f.endsWith('.md')))
  for (const m of fs.readFileSync(`docs/${file}`, 'utf8').matchAll(/```yaml\n([^]*?)```/g)) if (m[1].length < 1500) seed('manifest', m[1]);
const m0 = 'routes:\n  /: { respond: hi }\n';
for (const t of [`server: { listen: [3001, "unix:a.sock"], workers: 2 }\n${m0}`, `${m0}\n%%%%\nlimits: { body: 1MiB }\n%%%%\nA=1\n`, `x-a: &a { timeout: 1s }\nroutes:\n  /a: { GET: h.js, <<: *a }\n  /b/:c: { redirect: "/\${A:-x}", status: 301 }\n`, `env: { A: "\${HOME}", B: $$ }\ntimeouts: { handler: off, send: 1h }\n${m0}`, `metrics: { database: off, requests: slow, slow: 10ms }\nlog: { format: json }\n${m0}`, `routes:\n  /h: { health: live }\n  /u: { POST: { handler: u.js, body: 1k, headers: { X-Y: z } } }\n`, `a: [1, {b: [*x]}]\n? c\n: d\n--- \n`])
  seed('manifest', t);
