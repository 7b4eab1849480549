'use strict';
// An app of Express 5 that uses what apps use: parsers, files, uploads, errors, streams.
const { createHash } = require('node:crypto');
const path = require('node:path');
const { Readable } = require('node:stream');
const { pipeline } = require('node:stream/promises');
const express = require('express');
const multer = require('multer');

const app = express();
const upload = multer({ storage: multer.memoryStorage(), limits: { fileSize: 100_000 } });
const hash = (bytes) => createHash('sha256').update(bytes).digest('hex');

app.get('/', (req, res) => res.send('hello'));
app.get('/json', (req, res) => res.json({ text: 'ä', list: [1, 2] }));
app.get('/users/:id', (req, res) => res.json({ params: req.params, query: req.query, url: req.originalUrl, ip: req.ip, protocol: req.protocol }));
app.get('/headers', (req, res) => res.json({ headers: req.headers, raw: req.rawHeaders, distinct: req.headersDistinct, version: req.httpVersion }));
app.get('/socket', (req, res) => {
  const { remoteAddress, remoteFamily, localAddress, encrypted } = req.socket;
  res.json({ remoteAddress, remoteFamily, localAddress, encrypted: encrypted ?? false, ports: [typeof req.socket.remotePort, typeof req.socket.localPort] });
});
app.get('/cookies', (req, res) => res.cookie('a', '1').cookie('b', 'two words', { httpOnly: true }).send('set'));
app.get('/redirect', (req, res) => res.redirect(302, '/elsewhere'));
app.get('/empty', (req, res) => res.sendStatus(204));
app.get('/not-modified', (req, res) => res.status(304).end());
app.get('/teapot', (req, res) => res.status(418).type('text').send('short and stout'));
app.get('/message', (req, res) => {
  res.statusMessage = 'As You Like It';
  res.send('ok');
});
app.get('/bytes', (req, res) => res.send(Buffer.from([0, 1, 254, 255])));
app.get('/big', (req, res) => res.send(Buffer.alloc(1_000_000, 'actix ')));
app.get('/big-text', (req, res) => res.send('ä€😀'.repeat(100_000)));
app.get('/head', (req, res) => res.writeHead(200, { 'X-Mixed-Case': 'kept', 'Set-Cookie': ['a=1', 'b=2'] }).end('head'));
app.get('/raw-head', (req, res) => res.writeHead(201, 'Made', ['X-One', '1', 'X-One', '2', 'Content-Length', '3']).end('abc'));
app.get('/own-id', (req, res) => res.set('X-Request-Id', 'my own').send('id'));
app.get('/no-date', (req, res) => {
  res.sendDate = false;
  res.end('no date');
});
app.get('/format', (req, res) => res.format({ text: () => res.send('text'), html: () => res.send('<p>html</p>'), json: () => res.json('json') }));

app.get('/chunks', async (req, res) => {
  res.type('text');
  for (const part of ['one ', Buffer.from('two '), 'thrée ']) {
    res.write(part);
    await new Promise((done) => setImmediate(done));
  }
  res.end('end');
});
app.get('/flushed', (req, res) => {
  res.set('x-flushed', 'yes').flushHeaders();
  setImmediate(() => res.end('later'));
});
app.get('/trailers', (req, res) => {
  res.writeHead(200, { Trailer: 'X-Sum' });
  res.write('body');
  res.addTrailers({ 'X-Sum': '42' });
  res.end();
});
app.get('/declared', (req, res) => {
  res.set('Content-Length', '6');
  res.write('abc');
  setImmediate(() => res.end('def'));
});
app.get('/pipeline', async (req, res) => {
  res.type('text');
  await pipeline(Readable.from(Array.from({ length: 50 }, (_, i) => `${i}`.padEnd(10_000, '.'))), res);
});
app.get('/continued', (req, res) => {
  res.writeContinue();
  res.end('continued');
});
app.get('/encodings', (req, res) => {
  res.write('caf\u00e9', 'latin1');
  res.write('68656c6c6f', 'hex');
  res.end('4pyT', 'base64');
});

app.post('/json', express.json({ limit: 1000 }), (req, res) => res.json({ got: req.body }));
app.post('/form', express.urlencoded({ extended: true }), (req, res) => res.json(req.body));
app.post('/text', express.text(), (req, res) => res.send(req.body));
app.put('/raw', express.raw({ type: '*/*', limit: '10mb' }), (req, res) => res.json({ length: req.body.length, hash: hash(req.body) }));
app.post('/echo', (req, res) => {
  res.type(req.get('content-type') ?? 'bin');
  req.pipe(res);
});
app.post('/iterate', async (req, res) => {
  let length = 0;
  for await (const piece of req) length += piece.length;
  res.json({ length, complete: req.complete });
});
app.post('/ignored', (req, res) => res.send('not read'));
app.post('/upload', upload.array('file', 2), (req, res) => {
  res.json({ fields: { ...req.body }, files: req.files.map(({ originalname, mimetype, size, buffer }) => ({ originalname, mimetype, size, hash: hash(buffer) })) });
});

app.use('/static', express.static(path.join(__dirname, 'files'), { etag: true, lastModified: true, maxAge: '1h' }));
app.get('/file', (req, res) => res.sendFile(path.join(__dirname, 'files', 'page.html')));
app.get('/download', (req, res) => res.download(path.join(__dirname, 'files', 'page.html'), 'seite.html'));

const router = express.Router();
router.use((req, res, next) => {
  res.set('x-router', req.baseUrl);
  next();
});
router.get('/inner/:name', (req, res) => res.send(`${req.params.name} of ${req.originalUrl}`));
app.use('/router', router);

app.get('/throws', () => {
  throw Object.assign(new Error('thrown'), { status: 409 });
});
app.get('/rejects', async () => {
  await null;
  throw new Error('rejected');
});
app.get('/next', (req, res, next) => next(Object.assign(new Error('given on'), { statusCode: 422 })));
app.use((err, req, res, next) => {
  if (res.headersSent) return next(err);
  return res.status(err.status ?? err.statusCode ?? 500).json({ error: err.message, code: err.code, type: err.type });
});

module.exports = app;
