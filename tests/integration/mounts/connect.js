'use strict';
// Middleware of Connect, exported as a promise.
const connect = require('connect');

async function build() {
  const app = connect();
  await null;
  app.use((req, res, next) => {
    res.setHeader('x-connect', req.url);
    next();
  });
  app.use('/sub', (req, res) => res.end(`${req.url} of ${req.originalUrl}`));
  app.use('/fails', () => {
    throw Object.assign(new Error('failed'), { status: 503 });
  });
  return app;
}

module.exports = build();
