'use strict';
const { get, post } = require('actix-js');

get('/', (err, req) => req.sendText('Hello World'));
get('/json', (err, req) => req.sendObject({ message: 'Hello JSON', timestamp: Date.now() }));
post('/echo', (err, req) => req.sendObject({ echo: req.getBodyString(), timestamp: Date.now() }));
post('/json', (err, req) => {
  const received = req.getBodyJson();
  if (received === null) {
    req.setStatusCode(400);
    req.sendObject({ error: 'Invalid JSON' });
    return;
  }
  req.sendObject({ received, timestamp: Date.now() });
});
get('/users/:id', (err, req) => req.sendText(req.getPathParam('id')));
get('/browser', (err, req) => {
  const { tab } = req.getQueryParams();
  req.sendText(`${tab} ${req.getHeader('accept-language')} ${req.getHeader('sec-fetch-site')} ${req.getHeader('sec-ch-ua-platform')}`);
});
