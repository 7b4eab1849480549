const { Server, get, post, put, delAsync, getAsync, postAsync, worker } = require('actix-js');

get('/', (err, req) => req.sendText('Hello from {{name}}!\n'));

get('/time', (err, req) => req.sendObject({ time: new Date().toISOString() }));

const users = new Map([['1', 'Ada'], ['2', 'Grace']]);

get('/users/:id', (err, req) => {
  const { id } = req.getPathParams();
  if (users.has(id)) return req.sendObject({ id, name: users.get(id) });
  req.setStatusCode(404);
  req.sendError('no such user');
});

put('/users/:id', (err, req) => {
  const name = req.getBodyJson()?.name; // null when the body is not JSON
  if (typeof name !== 'string') {
    req.setStatusCode(400);
    return req.sendError('name must be a string');
  }
  const { id } = req.getPathParams();
  users.set(id, name);
  req.setStatusCode(201);
  req.sendObject({ id, name });
});

delAsync('/users/:id', async (err, req) => {
  users.delete(req.getPathParams().id);
  await req.sendEmptyAsync();
});

getAsync('/slow', async (err, req) => {
  await new Promise((resolve) => setTimeout(resolve, 100));
  await req.addHeaderAsync('cache-control', 'no-store');
  await req.sendTextAsync('done\n');
});

post('/echo', (err, req) => req.sendText(req.getBodyString()));

postAsync('/contact', async (err, req) => {
  const { name = 'nobody', photo } = await req.getFormDataAsync();
  await req.sendObjectAsync({ hello: name, photo: photo && { name: photo.originalName, size: photo.size } });
});

// Under `actix serve` the manifest says all this; with `node app.js` these options do.
const server = new Server({ host: '127.0.0.1', port: 3001, uploads: { dir: 'uploads', keep: false } });
const started = server.start();
if (worker.id === 0) console.log(started); // one worker speaks for all
