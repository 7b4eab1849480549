const { store } = require('../lib/store');
const { noteOf } = require('../lib/note');

const LIMIT = 100;

/** @type {import('actix-js').Handler} */
exports.GET = (req) => store.list(String(req.query.search ?? ''), LIMIT);

/** @type {import('actix-js').Handler} */
exports.POST = async (req) => {
  const note = store.add(noteOf(await req.json()));
  req.setStatusCode(201);
  req.addHeader('location', `/notes/${note.id}`);
  return note;
};
