'use strict';
// What a module of a node mount exports, as the one function (req, res) that it stands for.
const { Server } = require('node:http');

/** `name`: of the export, undefined = the default one.  Rejects with what is wrong. */
async function listenerOf(exported, name) {
  const value = isInstance(exported) ? exported : await exported; // an instance of Fastify is a promise, too
  const listener = await fromValue(value);
  if (listener !== undefined) return listener;
  throw new Error(`${name === undefined ? 'the default export' : `"${name}"`} is ${kindOf(value)}, not a (req, res) listener${helpFor(value)}`);
}

const isObject = (value) => typeof value === 'object' && value !== null;
const isInstance = (value) => isObject(value) && typeof value.routing === 'function';

function fromValue(value) {
  if (typeof value === 'function') return value; // Express, Connect, a listener
  if (!isObject(value)) return undefined;
  if (isInstance(value)) return fromFastify(value);
  if (typeof value.callback === 'function') return value.callback(); // Koa
  if (typeof value.handle === 'function') return (req, res) => value.handle(req, res);
  if (value instanceof Server) return (req, res) => value.emit('request', req, res);
  return undefined;
}

async function fromFastify(app) {
  if (typeof app.ready === 'function') await app.ready();
  return (req, res) => app.routing(req, res);
}

function kindOf(value) {
  if (value === undefined) return 'missing';
  if (isObject(value)) return Object.keys(value).length === 0 ? 'an empty object' : `an object with ${Object.keys(value).slice(0, 5).join(', ')}`;
  return value === null ? 'null' : `a ${typeof value}`;
}

function helpFor(value) {
  if (isObject(value) && typeof value.fetch === 'function') return '; write `handler:` for a module with fetch()';
  return '; export the app (Express, Connect), app.callback() (Koa), the instance (Fastify) or a function, and leave listen() out';
}

module.exports = { listenerOf };
