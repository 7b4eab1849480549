'use strict';
// Bun.serve with its own router; every answer is made by a function, none is a fixed Response.  server.js PORT
const plain = { headers: { 'content-type': 'text/plain' } };

function browser(req) {
  const h = req.headers;
  const tab = new URL(req.url).searchParams.get('tab');
  return new Response(`${tab} ${h.get('accept-language')} ${h.get('sec-fetch-site')} ${h.get('sec-ch-ua-platform')}`, plain);
}

async function parse(req) {
  try {
    return Response.json({ received: await req.json(), timestamp: Date.now() });
  } catch {
    return Response.json({ error: 'Invalid JSON' }, { status: 400 });
  }
}

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: Number(process.argv[2]),
  development: false,
  routes: {
    '/': { GET: () => new Response('Hello World', plain) },
    '/json': { GET: () => Response.json({ message: 'Hello JSON', timestamp: Date.now() }), POST: parse },
    '/echo': { POST: async (req) => Response.json({ echo: await req.text(), timestamp: Date.now() }) },
    '/users/:id': { GET: (req) => new Response(req.params.id, plain) },
    '/browser': { GET: browser },
  },
  fetch: () => new Response('Not Found', { status: 404, ...plain }),
});
console.log(`listening on ${server.port}`);
