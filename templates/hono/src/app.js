import { Hono } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import { HTTPException } from 'hono/http-exception';
import { streamSSE } from 'hono/streaming';

const app = new Hono();

app.use(async (c, next) => {
  const start = performance.now();
  await next();
  c.header('server-timing', `app;dur=${(performance.now() - start).toFixed(1)}`);
});

app.get('/', (c) => c.text('Hello from {{name}}!\n'));

app.get('/visits', (c) => {
  const visits = Number(getCookie(c, 'visits') ?? 0) + 1;
  setCookie(c, 'visits', String(visits), { httpOnly: true });
  return c.json({ visits });
});

app.post('/echo', async (c) => c.json(await c.req.json()));

app.get('/users/:id', (c) => {
  const id = c.req.param('id');
  if (id !== '1') throw new HTTPException(404, { message: 'no such user' });
  return c.json({ id, name: 'Ada' });
});

// Server-sent events: three, one after the other.
app.get('/events', (c) =>
  streamSSE(c, async (stream) => {
    for (let id = 1; id <= 3; id++) await stream.writeSSE({ id: String(id), data: `event ${id}` });
  }),
);

export default app;
