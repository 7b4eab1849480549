// node own.mjs FILE: what the file exports on a server of node:http's own, as its documentation says.  Prints the port.
import http from 'node:http';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const { default: exported } = await import(pathToFileURL(path.resolve(process.argv[2])).href);
const server = await listen(exported?.routing ? exported : await exported);
process.stdout.write(`${server.address().port}\n`);

async function listen(app) {
  if (typeof app.routing === 'function') {
    await app.listen({ port: 0, host: '127.0.0.1' });
    return app.server;
  }
  const started = http.createServer(typeof app === 'function' ? app : app.callback());
  await new Promise((ready) => started.listen(0, '127.0.0.1', ready));
  return started;
}
