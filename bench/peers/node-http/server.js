'use strict';
// Plain node:http with the least routing that answers the workload.  server.js PORT (0 picks one; it is printed).
const http = require('node:http');

function answer(res, status, type, body) {
  res.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  res.end(body);
}
const text = (res, body) => answer(res, 200, 'text/plain', body);
const json = (res, value, status = 200) => answer(res, status, 'application/json', JSON.stringify(value));

function withBody(req, use) {
  const parts = [];
  req.on('data', (part) => parts.push(part));
  req.on('end', () => use(Buffer.concat(parts).toString()));
}

function echo(req, res) {
  withBody(req, (body) => json(res, { echo: body, timestamp: Date.now() }));
}

function parse(req, res) {
  withBody(req, (body) => {
    let received;
    try {
      received = JSON.parse(body);
    } catch {
      return json(res, { error: 'Invalid JSON' }, 400);
    }
    return json(res, { received, timestamp: Date.now() });
  });
}

function browser(req, res, query) {
  const h = req.headers;
  const tab = new URLSearchParams(query).get('tab');
  text(res, `${tab} ${h['accept-language']} ${h['sec-fetch-site']} ${h['sec-ch-ua-platform']}`);
}

const USERS = '/users/';

function get(req, res, path, query) {
  if (path === '/') return text(res, 'Hello World');
  if (path === '/json') return json(res, { message: 'Hello JSON', timestamp: Date.now() });
  if (path === '/browser') return browser(req, res, query);
  const id = path.startsWith(USERS) ? path.slice(USERS.length) : '';
  return id && !id.includes('/') ? text(res, decodeURIComponent(id)) : answer(res, 404, 'text/plain', 'Not Found');
}

function post(req, res, path) {
  if (path === '/echo') return echo(req, res);
  if (path === '/json') return parse(req, res);
  return answer(res, 404, 'text/plain', 'Not Found');
}

const server = http.createServer((req, res) => {
  const [path, query = ''] = req.url.split('?', 2);
  if (req.method === 'GET') get(req, res, path, query);
  else if (req.method === 'POST') post(req, res, path);
  else answer(res, 404, 'text/plain', 'Not Found');
});
server.listen(Number(process.argv[2]), '127.0.0.1', 4096, () => console.log(`listening on ${server.address().port}`));
