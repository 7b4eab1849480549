'use strict';
exports.read = () => ({ message: 'Hello JSON', timestamp: Date.now() });

exports.write = (req) => {
  const received = req.getBodyJson();
  if (received === null) {
    const err = new Error('Invalid JSON');
    err.status = 400;
    throw err;
  }
  return { received, timestamp: Date.now() };
};
