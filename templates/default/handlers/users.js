// One export per method; other methods are answered 405.  Each worker has its own copy of this map: a real app would
// ask a database.
const users = new Map([['1', { name: 'Ada' }], ['2', { name: 'Grace' }]]);

/** @type {import('actix-js').Handler} */
exports.GET = (req) => {
  const user = users.get(req.params.id);
  if (user === undefined) throw Object.assign(new Error('no such user'), { status: 404 });
  return { id: req.params.id, ...user };
};

/** @type {import('actix-js').Handler} */
exports.PUT = async (req) => {
  const { name } = (await req.json()) ?? {}; // what is no JSON is answered 400
  if (typeof name !== 'string') throw Object.assign(new Error('name must be a string'), { status: 422 });
  users.set(req.params.id, { name });
  req.setStatusCode(201);
  return { id: req.params.id, name };
};

/** @type {import('actix-js').Handler} */
exports.DELETE = (req) => {
  users.delete(req.params.id);
  return null; // 204
};
