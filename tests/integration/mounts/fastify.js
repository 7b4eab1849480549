'use strict';
// An instance of Fastify that nobody has started.
const { Readable } = require('node:stream');
const fastify = require('fastify');

const app = fastify();

app.get('/text', async () => 'text');
app.get('/users/:id', async (request) => ({ params: request.params, query: request.query, ip: request.ip, host: request.host }));
app.get('/typed', { schema: { response: { 200: { type: 'object', properties: { kept: { type: 'string' } } } } } }, async () => ({ kept: 'yes', dropped: 'yes' }));
app.get('/stream', (request, reply) => {
  reply.type('text/plain').send(Readable.from(['a', 'b', 'c']));
});
app.get('/raw', (request, reply) => {
  reply.hijack();
  reply.raw.writeHead(202, { 'X-Raw': 'yes' });
  reply.raw.end('raw');
});
app.post('/echo', async (request, reply) => {
  reply.code(201).header('x-length', String(JSON.stringify(request.body).length));
  return request.body;
});
app.post('/checked', { schema: { body: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } } } }, async (request) => request.body);
app.get('/broken', async () => {
  throw Object.assign(new Error('not like this'), { statusCode: 422 });
});
app.addHook('onSend', async (request, reply) => {
  reply.header('x-hook', 'ran');
});

module.exports = app;
