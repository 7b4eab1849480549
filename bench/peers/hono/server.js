// Hono on @hono/node-server.  server.js PORT
import { serve } from '@hono/node-server';
import app from './app.js';

const port = Number(process.argv[2]);
serve({ fetch: app.fetch, port, hostname: '127.0.0.1' }, (info) => console.log(`listening on ${info.port}`));
