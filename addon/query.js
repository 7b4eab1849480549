'use strict';
// The query of a request as an object.  Most queries have nothing to decode: they are cut up here, which costs a third of
// what an array of pairs from native code does.
const native = require('./native');
const { propertyName } = require('./names');
const { own } = require('./headers');
const errors = require('./errors');

const AMPERSAND = 0x26;
const PERCENT = 0x25;
const PLUS = 0x2b;
const EQUALS = 0x3d;
const ASCII_END = 0x80;

/** name -> the last value of that name. */
function lastOfEach(text, slot, gen) {
  const all = {};
  return cut(text, all, own) ? all : decoded({}, slot, gen, own);
}

/** name -> its value, or an array where it comes more than once; without a prototype. */
function listOfEach(text, slot, gen) {
  const all = Object.create(null);
  return cut(text, all, append) ? all : decoded(Object.create(null), slot, gen, append);
}

function append(all, name, value) {
  const before = all[name];
  if (before === undefined) all[name] = value;
  else if (typeof before === 'string') all[name] = [before, value];
  else before.push(value);
}

/** As ax_urlencoded_next does; false as soon as something would have to be decoded. */
function cut(text, all, add) {
  let start = 0;
  let equals = -1;
  for (let at = 0; at <= text.length; at++) {
    const c = at < text.length ? text.charCodeAt(at) : AMPERSAND;
    if (c === AMPERSAND) {
      if (equals >= 0) add(all, propertyName(text.slice(start, equals)), text.slice(equals + 1, at));
      else if (at > start) add(all, propertyName(text.slice(start, at)), '');
      start = at + 1;
      equals = -1;
    } else if (c === EQUALS) {
      if (equals < 0) equals = at;
    } else if (c === PERCENT || c === PLUS || c >= ASCII_END) return false;
  }
  return true;
}

function decoded(all, slot, gen, add) {
  const pairs = native.queryPairs(slot, gen);
  if (pairs === undefined) throw errors.requestEnded('the query');
  for (let i = 0; i < pairs.length; i += 2) add(all, pairs[i], pairs[i + 1]);
  return all;
}

module.exports = { lastOfEach, listOfEach };
