'use strict';
// node bench/micro/request_bench.js [ADDON_FOLDER ...]: what reading a request costs in JavaScript, ns per operation, each on
// a request object of its own (whose making is the first line).  Several builds are measured in turns, in one process.
const net = require('node:net');
const path = require('node:path');

const ROUNDS = 9;
const CALLS = 20_000;
const REQUEST = [
  'POST /users/1234/posts?page=2&sort=name HTTP/1.1',
  'Host: www.example.com',
  'Connection: keep-alive',
  'Cache-Control: max-age=0',
  'sec-ch-ua: "Chromium";v="124", "Google Chrome";v="124", "Not-A.Brand";v="99"',
  'sec-ch-ua-mobile: ?0',
  'sec-ch-ua-platform: "Linux"',
  'Upgrade-Insecure-Requests: 1',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36',
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Accept-Language: en-GB,en-US;q=0.9,en;q=0.8',
  'X-Tenant: blue',
  'Cookie: sid=0123456789abcdef0123456789abcdef',
  'Content-Type: application/json',
  'Content-Length: 22',
  '',
  '{"test":"data","n":42}',
].join('\r\n');

const OPERATIONS = {
  'new Request': (req) => req,
  method: (req) => req.method,
  path: (req) => req.path,
  'getPathParam(name)': (req) => req.getPathParam('id'),
  params: (req) => req.params,
  'getHeader, well-known': (req) => req.getHeader('User-Agent'),
  'getHeader, other': (req) => req.getHeader('X-Tenant'),
  'getHeader, 3 of them': (req) => [req.getHeader('user-agent'), req.getHeader('accept-language'), req.getHeader('cookie')],
  'getHeader, 3 times one': (req) => [req.getHeader('cookie'), req.getHeader('cookie'), req.getHeader('cookie')],
  headers: (req) => req.headers,
  query: (req) => req.query,
  getQueryParams: (req) => req.getQueryParams(),
  getBodyString: (req) => req.getBodyString(),
  getBodyJson: (req) => req.getBodyJson(),
};

let sink;

/** A server of that build and a request of it that is never answered. */
function open(folder) {
  const { Server, post } = require(path.join(folder, 'index.js'));
  const { Request } = require(path.join(folder, 'request.js'));
  return new Promise((resolve, reject) => {
    post('/users/:id/posts', (err, { _slot, _gen, _route }) => resolve({ folder, fresh: () => new Request(_slot, _gen, _route) }));
    const port = Number(/:(\d+)/.exec(new Server({ port: 0, settings: { timeout_handler_us: -1 } }).start())[1]);
    net.connect(port, '127.0.0.1').on('error', reject).write(REQUEST);
  });
}

function measure(fresh, operation) {
  const start = process.hrtime.bigint();
  for (let i = 0; i < CALLS; i++) sink = operation(fresh());
  return Number(process.hrtime.bigint() - start) / CALLS;
}

const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];

async function main(folders) {
  const builds = [];
  for (const folder of folders) builds.push(await open(path.resolve(folder)));
  for (const build of builds) console.log(build.folder);
  for (const [name, operation] of Object.entries(OPERATIONS)) {
    const times = builds.map(() => []);
    for (let round = -3; round < ROUNDS; round++) {
      builds.forEach(({ fresh }, i) => {
        const ns = measure(fresh, operation);
        if (round >= 0) times[i].push(ns);
      });
    }
    console.log(name.padEnd(24), times.map((list) => `${median(list).toFixed(0).padStart(6)} ns`).join(' '));
  }
  process.exit(sink === main ? 1 : 0);
}

main(process.argv.length > 2 ? process.argv.slice(2) : [path.join(__dirname, '../../build/release/lib/actix/addon')]);
