const { createHash } = require('node:crypto');
const { readFileSync } = require('node:fs');

const told = (value) =>
  typeof value === 'object' ? { name: value.originalName, type: value.contentType, size: value.size, sha1: createHash('sha1').update(readFileSync(value.path)).digest('hex') } : value;

module.exports = async (req) => Object.fromEntries(Object.entries(await req.form()).map(([name, value]) => [name, told(value)]));
