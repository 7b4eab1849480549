'use strict';
// The light classes of fetch.js in the place of Node's, in workers: loaded when one of them is first asked for, since
// Node's own cost a worker time and memory.

const NAMES = ['Request', 'Response', 'Headers', 'fetch'];

/** Node's own, and what stands in their place until the light ones are loaded: both property descriptors. */
const originals = Object.fromEntries(NAMES.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)]));
const gates = Object.fromEntries(NAMES.map((name) => [name, gateOf(name)]));

function install() {
  Object.defineProperties(globalThis, gates);
}

function gateOf(name) {
  return {
    get() {
      replace();
      return globalThis[name];
    },
    set: (value) => put(name, value),
    configurable: true,
    enumerable: originals[name].enumerable,
  };
}

/** What user code has put there meanwhile stays. */
function replace() {
  const light = { ...require('./fetch'), ...require('./response'), ...require('./fetch-headers') };
  for (const name of NAMES) {
    if (Object.getOwnPropertyDescriptor(globalThis, name)?.get === gates[name].get) put(name, light[name]);
  }
}

/** Node's own. */
function nodes(name) {
  const { get, value } = originals[name];
  if (get === undefined) return value;
  const now = Object.getOwnPropertyDescriptor(globalThis, name);
  const own = get.call(globalThis); // which puts itself there
  Object.defineProperty(globalThis, name, now);
  return own;
}

function put(name, value) {
  const { enumerable } = originals[name];
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true, enumerable });
}

module.exports = { install, nodes };
