'use strict';
// ACTIX_EAGER=1, for benchmarks: what a server costs that copies everything out of a request before it calls the handler,
// wanted or not.  Handlers see no difference.
const enabled = process.env.ACTIX_EAGER === '1';

/** Reads all that can be read of a request; it is kept there. */
function materialize(req) {
  for (const name of ['method', 'path', 'query', 'params', 'headers', 'id', 'ip']) Reflect.get(req, name);
  req.getUri();
  req.getQueryString();
  req.getQueryParams();
  req.getPathParams();
  for (const name of Object.keys(req.headers)) req.getHeader(name);
  req.getBodySize();
  req.getBodyString();
}

module.exports = { enabled, materialize };
