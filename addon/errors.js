'use strict';
// Errors that user code meets.  `code` is fixed and for programs, the message is one sentence for people that says what
// to do, `status` is the answer when nobody catches it (see respond.js).

function coded(Type, code, message, status) {
  const err = new Type(message);
  err.code = code;
  if (status !== undefined) err.status = status;
  return err;
}

const responseSent = () =>
  coded(Error, 'ERR_RESPONSE_SENT', 'the response has been sent already; a handler answers a request once');

const requestEnded = (what) =>
  coded(
    Error,
    'ERR_REQUEST_ENDED',
    `${what} cannot be read: the request has ended; read what you need before the response is sent or the handler ` +
      'runs into its timeout (what was read once stays readable)',
  );

const invalidChar = (what, name) =>
  coded(TypeError, 'ERR_INVALID_CHAR', `invalid character in ${what} of header ${JSON.stringify(name)}`);

const invalidArgument = (message) => coded(TypeError, 'ERR_INVALID_ARG_TYPE', message);

const invalidRoute = (message) => coded(TypeError, 'ERR_ROUTE', message);

const duplicateRoute = (method, pattern) =>
  coded(Error, 'ERR_ROUTE_DUPLICATE', `route ${method} ${pattern} is registered already`);

const routesFrozen = (what) =>
  coded(Error, 'ERR_ROUTES_FROZEN', `${what} comes too late: routes are frozen once the server has started`);

const serverRunning = (message) => coded(Error, 'ERR_SERVER_RUNNING', message);

const serverNotRunning = () => coded(Error, 'ERR_SERVER_NOT_RUNNING', 'the server is not running');

const bodyNotJson = (reason) => coded(SyntaxError, 'ERR_BODY_JSON', `the body is not valid JSON: ${reason}`, 400);

const formMalformed = () => coded(Error, 'ERR_FORM_MALFORMED', 'the multipart/form-data body is malformed', 400);

const bodyTaken = () => coded(Error, 'ERR_BODY_TAKEN', 'the body is read once: as req.body, req.readable, or by text(), json(), bytes() or form()');

const bodyInPieces = () =>
  coded(
    Error,
    'ERR_BODY_IN_PIECES',
    'the body of a route with `stream: true` comes while the handler runs: await req.text(), json(), bytes() or form() ' +
      'first, or read req.body',
  );

const bodyBroken = () => coded(Error, 'ERR_BODY_BROKEN', 'the body broke off: the client has gone, or a limit was hit', 400);

function bodyTooLarge() {
  const err = coded(Error, 'ERR_BODY_TOO_LARGE', 'Content Too Large', 413);
  err.limit = 'limits.body';
  return err;
}

/** `limit` is the manifest's name of what was exceeded; the answer carries it. */
function uploadLimit(limit, message) {
  const err = coded(Error, 'ERR_UPLOAD_LIMIT', message, 413);
  err.limit = limit;
  return err;
}

function diskFull(cause) {
  const err = coded(Error, 'ERR_DISK_FULL', `no space left to store the upload (${cause.code})`, 507);
  err.cause = cause;
  return err;
}

module.exports = {
  responseSent,
  requestEnded,
  invalidChar,
  invalidArgument,
  invalidRoute,
  duplicateRoute,
  routesFrozen,
  serverRunning,
  serverNotRunning,
  bodyNotJson,
  formMalformed,
  bodyTaken,
  bodyInPieces,
  bodyBroken,
  bodyTooLarge,
  uploadLimit,
  diskFull,
};
