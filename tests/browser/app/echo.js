module.exports = (req) => ({ method: req.method, type: req.headers['content-type'] ?? null, body: req.getBodyString() });
