'use strict';
// An app of Koa: its callback() is made by whoever mounts it.
const { Readable } = require('node:stream');
const Koa = require('koa');

const app = new Koa();
app.silent = true;

app.use(async (ctx, next) => {
  await next();
  ctx.set('x-seen', `${ctx.method} ${ctx.url}`);
});
app.use(async (ctx) => {
  switch (ctx.path) {
    case '/text':
      ctx.body = 'text';
      break;
    case '/json':
      ctx.body = { query: ctx.query, ip: ctx.ip, host: ctx.host, protocol: ctx.protocol };
      break;
    case '/stream':
      ctx.type = 'text';
      ctx.body = Readable.from(['a', 'b', 'c']);
      break;
    case '/cookie':
      ctx.cookies.set('name', 'value');
      ctx.status = 201;
      ctx.body = null;
      break;
    case '/echo':
      ctx.body = ctx.req;
      break;
    case '/throw':
      ctx.throw(418, 'a teapot');
      break;
    case '/broken':
      throw new Error('not shown');
    case '/raw':
      ctx.respond = false;
      ctx.res.end('by res itself');
      break;
  }
});

module.exports = app;
