'use strict';
// What reading a request costs in JavaScript, ns per operation, each on a request object of its own, whose making is the
// first row.  A row is the best of many runs.  Several builds are measured in turns, in one process.
//   node bench/micro/request_bench.js [--json] [ADDON_FOLDER ...]
const net = require('node:net');
const path = require('node:path');

const ROUNDS = 12;
const CALLS = 20_000;
const WARM_UP = 3;
const NAME = 48;
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
  cookies: (req) => req.cookies,
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
    post('/users/:id/posts', (err, { _slot, _gen, _route }) => resolve({ fresh: () => new Request(_slot, _gen, _route) }));
    const port = Number(/:(\d+)/.exec(new Server({ port: 0, settings: { timeout_handler_us: -1 } }).start())[1]);
    net.connect(port, '127.0.0.1').on('error', reject).write(REQUEST);
  });
}

function measure(fresh, operation) {
  const start = process.hrtime.bigint();
  for (let i = 0; i < CALLS; i++) sink = operation(fresh());
  return Number(process.hrtime.bigint() - start) / CALLS;
}

/** The best time of each build. */
function row(builds, operation) {
  const best = builds.map(() => Infinity);
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    builds.forEach(({ fresh }, i) => {
      const ns = measure(fresh, operation);
      if (round >= 0) best[i] = Math.min(best[i], ns);
    });
  }
  return best;
}

const table = (name, cells) => `${name.padEnd(NAME)} ${cells.map((cell) => cell.padStart(10)).join(' ')}`;

async function main(args) {
  const json = args.includes('--json');
  const folders = args.filter((arg) => arg !== '--json');
  if (folders.length === 0) folders.push(path.join(__dirname, '../../build/release/lib/actix/addon'));
  const builds = [];
  for (const folder of folders) builds.push(await open(path.resolve(folder)));
  if (!json) console.log(table('request', builds.map((_, i) => (builds.length > 1 ? `${i + 1}, ns` : 'ns'))));
  for (const [name, operation] of Object.entries(OPERATIONS)) {
    const best = row(builds, operation);
    if (json) best.forEach((ns) => console.log(JSON.stringify({ bench: 'request', name, ns: Number(ns.toFixed(2)) })));
    else console.log(table(name, best.map((ns) => ns.toFixed(2))));
  }
  process.exit(sink === undefined ? 1 : 0);
}

main(process.argv.slice(2));
