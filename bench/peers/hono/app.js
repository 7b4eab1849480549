// A Hono app: a fetch module for this server, and what server.js gives to @hono/node-server.
import { Hono } from 'hono';

const app = new Hono();

app.get('/', (c) => c.text('Hello World'));
app.get('/json', (c) => c.json({ message: 'Hello JSON', timestamp: Date.now() }));
app.get('/users/:id', (c) => c.text(c.req.param('id')));
app.get('/browser', (c) => {
  const fields = `${c.req.header('accept-language')} ${c.req.header('sec-fetch-site')} ${c.req.header('sec-ch-ua-platform')}`;
  return c.text(`${c.req.query('tab')} ${fields}`);
});
app.post('/echo', async (c) => c.json({ echo: await c.req.text(), timestamp: Date.now() }));
app.post('/json', async (c) => c.json({ received: await c.req.json(), timestamp: Date.now() }));
app.notFound((c) => c.text('Not Found', 404));
app.onError((err, c) => c.json({ error: err instanceof SyntaxError ? 'Invalid JSON' : 'Error' }, err instanceof SyntaxError ? 400 : 500));

export default app;
