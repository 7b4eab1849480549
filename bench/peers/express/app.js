'use strict';
// An Express app with the hash of every body (ETag) and X-Powered-By off, which makes it faster: for a `node` route of this
// server, and for the server of node:http that server.js makes.
const express = require('express');

const app = express();
const any = () => true;
app.disable('etag');
app.disable('x-powered-by');

app.get('/', (req, res) => res.type('text/plain').send('Hello World'));
app.get('/json', (req, res) => res.json({ message: 'Hello JSON', timestamp: Date.now() }));
app.get('/users/:id', (req, res) => res.type('text/plain').send(req.params.id));
app.get('/browser', (req, res) => {
  const fields = `${req.get('accept-language')} ${req.get('sec-fetch-site')} ${req.get('sec-ch-ua-platform')}`;
  res.type('text/plain').send(`${req.query.tab} ${fields}`);
});
app.post('/echo', express.text({ type: any }), (req, res) => res.json({ echo: req.body ?? '', timestamp: Date.now() }));
app.post('/json', express.json({ type: any, strict: false }), (req, res) => res.json({ received: req.body, timestamp: Date.now() }));
app.use((req, res) => res.status(404).type('text/plain').send('Not Found'));
// four parameters: that is how Express knows an error handler
app.use((err, req, res, next) => (res.headersSent ? next(err) : res.status(err.status ?? 500).json({ error: 'Invalid JSON' })));

module.exports = app;
