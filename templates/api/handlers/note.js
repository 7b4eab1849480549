const { store } = require('../lib/store');
const { noteOf, failure } = require('../lib/note');

/** The number in the path. */
function idOf(req) {
  if (!/^[1-9][0-9]{0,14}$/.test(req.params.id)) throw failure(404, 'no such note');
  return Number(req.params.id);
}

/** @type {import('actix-js').Handler} */
exports.GET = (req) => store.get(idOf(req)) ?? failure(404, 'no such note');

/** @type {import('actix-js').Handler} */
exports.PUT = async (req) => store.update(idOf(req), noteOf(await req.json())) ?? failure(404, 'no such note');

/** @type {import('actix-js').Handler} */
exports.DELETE = (req) => (store.remove(idOf(req)) ? null : failure(404, 'no such note'));
