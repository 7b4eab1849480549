'use strict';
// Strings that come with nearly every request, made once in each worker: native code gives their numbers.
const native = require('./native');

/** The same strings as property names: what is stored under them need not be looked up in V8's table of such names. */
const asKeys = (names) => names.map((name) => Object.keys({ [name]: 0 })[0]);

const METHODS = asKeys(native.methodNames());
/** By number; 0 is none. */
const FIELDS = asKeys(native.fieldNames());

/** Spellings that handlers ask for are remembered, up to so many: nobody's input may fill the memory. */
const SPELLINGS_MAX = 1024;
const SPELLING_LENGTH_MAX = 64;

/** Field name in any spelling -> its number, or the name in lower case where it has none. */
const keys = new Map();
for (let id = 1; id < FIELDS.length; id++) keys.set(FIELDS[id], id);

function fieldKey(name) {
  return keys.get(name) ?? learn(String(name));
}

/** What is remembered is a property name: a piece cut out of a body would keep all of it. */
function learn(name) {
  const lower = name.toLowerCase();
  const known = keys.get(lower);
  if (keys.size >= SPELLINGS_MAX || name.length > SPELLING_LENGTH_MAX) return known ?? lower;
  const [spelling, property] = asKeys([name, lower]);
  const key = known ?? property;
  keys.set(spelling, key);
  return key;
}

/** What fieldKey has made of a name, for people. */
const fieldName = (key) => (typeof key === 'number' ? FIELDS[key] : key);

/** Names that clients choose (of queries, of cookies) come again too, and a string just cut out costs V8 most of a
 *  microsecond as the name of a property.  When there are too many, all are forgotten. */
const PROPERTIES_MAX = 1024;
const PROPERTY_LENGTH_MAX = 32;
const properties = new Map();

function propertyName(text) {
  return properties.get(text) ?? (text.length <= PROPERTY_LENGTH_MAX ? newProperty(text) : text);
}

function newProperty(text) {
  const [name] = asKeys([text]);
  if (properties.size >= PROPERTIES_MAX) properties.clear();
  properties.set(name, name);
  return name;
}

module.exports = { METHODS, FIELDS, asKeys, propertyName, fieldKey, fieldName };
