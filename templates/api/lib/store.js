// The notes: in SQLite by Node's own node:sqlite (22.13 and later) or by the package better-sqlite3 where it is installed,
// else in the memory of this worker, which forgets them when it ends.
const fs = require('node:fs');
const path = require('node:path');
const { onStart, onStop, worker } = require('actix-js');

/** { list, get, add, update, remove }; opened before the first request. */
const store = {};

onStart(() => {
  const { DATABASE = ':memory:' } = process.env;
  Object.assign(store, sqlite(DATABASE === ':memory:' ? DATABASE : path.resolve(__dirname, '..', DATABASE)) ?? memory());
});
onStop(() => store.close());

function sqlite(file) {
  const open = sqliteOf();
  if (open === undefined) return undefined;
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const db = open(file);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000;');
  db.exec('CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, title TEXT NOT NULL, text TEXT NOT NULL) STRICT');
  const list = db.prepare("SELECT * FROM notes WHERE instr(title || ' ' || text, ?) ORDER BY id LIMIT ?");
  const get = db.prepare('SELECT * FROM notes WHERE id = ?');
  const add = db.prepare('INSERT INTO notes (title, text) VALUES (?, ?)');
  const update = db.prepare('UPDATE notes SET title = ?, text = ? WHERE id = ?');
  const remove = db.prepare('DELETE FROM notes WHERE id = ?');
  return {
    list: (search, limit) => list.all(search, limit),
    get: (id) => get.get(id),
    add: ({ title, text }) => get.get(add.run(title, text).lastInsertRowid),
    update: (id, { title, text }) => (update.run(title, text, id).changes > 0 ? get.get(id) : undefined),
    remove: (id) => remove.run(id).changes > 0,
    close: () => db.close(),
  };
}

/** Opens a file by whichever there is. */
function sqliteOf() {
  const builtin = optional('node:sqlite');
  if (builtin !== undefined) return (file) => new builtin.DatabaseSync(file);
  const Database = optional('better-sqlite3');
  return Database && ((file) => new Database(file));
}

function optional(name) {
  try {
    return require(name);
  } catch (err) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (err);
    if (code === 'MODULE_NOT_FOUND' || code === 'ERR_UNKNOWN_BUILTIN_MODULE') return undefined;
    throw err;
  }
}

function memory() {
  if (worker.id === 0) console.warn('no SQLite here (Node 22.13, or npm install better-sqlite3): notes are kept in memory only');
  const notes = new Map();
  let last = 0;
  const put = (id, note) => notes.set(id, { id, ...note }).get(id);
  return {
    list: (search, limit) => [...notes.values()].filter(({ title, text }) => `${title} ${text}`.includes(search)).slice(0, limit),
    get: (id) => notes.get(id),
    add: (note) => put(++last, note),
    update: (id, note) => (notes.has(id) ? put(id, note) : undefined),
    remove: (id) => notes.delete(id),
    close: () => notes.clear(),
  };
}

module.exports = { store };
