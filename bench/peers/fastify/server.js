'use strict';
// Fastify with response schemas, as its documentation advises for speed.  server.js PORT
const app = require('fastify')({ logger: false });

const integer = { type: 'integer' };
const string = { type: 'string' };
const answers = (properties) => ({ schema: { response: { 200: { type: 'object', properties } } } });

app.get('/', (req, reply) => reply.type('text/plain').send('Hello World'));
app.get('/users/:id', (req, reply) => reply.type('text/plain').send(req.params.id));
app.get('/browser', (req, reply) => {
  const h = req.headers;
  reply.type('text/plain').send(`${req.query.tab} ${h['accept-language']} ${h['sec-fetch-site']} ${h['sec-ch-ua-platform']}`);
});
app.get('/json', answers({ message: string, timestamp: integer }), (req, reply) =>
  reply.send({ message: 'Hello JSON', timestamp: Date.now() }),
);
app.post('/json', answers({ received: {}, timestamp: integer }), (req, reply) => reply.send({ received: req.body, timestamp: Date.now() }));

// a scope of its own, where a body of any type is text
app.register(async (scope) => {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', { parseAs: 'string' }, (req, body, done) => done(null, body));
  scope.post('/echo', answers({ echo: string, timestamp: integer }), (req, reply) =>
    reply.send({ echo: req.body ?? '', timestamp: Date.now() }),
  );
});

app.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 }).then(
  () => console.log(`listening on ${app.server.address().port}`),
  (err) => {
    console.error(err.message);
    process.exitCode = 1;
  },
);
