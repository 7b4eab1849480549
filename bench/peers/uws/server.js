'use strict';
// uWebSockets.js, with its own router.  server.js PORT
const uWS = require('@trufflesuite/uws-js-unofficial');

const text = (res, body) => res.writeHeader('content-type', 'text/plain').end(body);
const json = (res, value) => res.writeHeader('content-type', 'application/json').end(JSON.stringify(value));

// A part's memory is the server's again when the callback returns, so what is kept is a copy.
function withBody(res, use) {
  let kept = null;
  res.onAborted(() => {
    kept = null;
  });
  res.onData((part, last) => {
    const bytes = Buffer.from(part);
    if (last) use(kept === null ? bytes.toString() : Buffer.concat([kept, bytes]).toString());
    else kept = kept === null ? Buffer.from(bytes) : Buffer.concat([kept, bytes]);
  });
}

function parse(res, body) {
  let received;
  try {
    received = JSON.parse(body);
  } catch {
    res.writeStatus('400 Bad Request');
    return json(res, { error: 'Invalid JSON' });
  }
  return json(res, { received, timestamp: Date.now() });
}

function browser(res, req) {
  const fields = `${req.getHeader('accept-language')} ${req.getHeader('sec-fetch-site')} ${req.getHeader('sec-ch-ua-platform')}`;
  text(res, `${req.getQuery('tab')} ${fields}`);
}

uWS
  .App()
  .get('/', (res) => text(res, 'Hello World'))
  .get('/json', (res) => json(res, { message: 'Hello JSON', timestamp: Date.now() }))
  .get('/browser', browser)
  .get('/users/:id', (res, req) => text(res, req.getParameter(0)))
  .post('/echo', (res) => withBody(res, (echo) => json(res, { echo, timestamp: Date.now() })))
  .post('/json', (res) => withBody(res, (body) => parse(res, body)))
  .any('/*', (res) => text(res.writeStatus('404 Not Found'), 'Not Found'))
  .listen('127.0.0.1', Number(process.argv[2]), (socket) => {
    if (socket) return console.log(`listening on ${uWS.us_socket_local_port(socket)}`);
    console.error('cannot listen');
    return process.exit(1);
  });
