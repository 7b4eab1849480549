// Piece by piece, each when somebody asks for it elsewhere: a client that waited for the whole would wait for ever.
const waiting = new Map();

async function* pieces(req) {
  const { id } = req.query;
  for (let n = 1; n <= 3; n++) {
    yield `piece ${n}\n`;
    await new Promise((resolve) => waiting.set(id, resolve));
  }
  waiting.delete(id);
};

const next = (req) => {
  waiting.get(req.query.id)();
  return null;
};

module.exports = { default: pieces, next };
