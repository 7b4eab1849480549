module.exports = (req) => {
  req.addHeader('set-cookie', 'a=1; Path=/');
  req.addHeader('set-cookie', 'b=2; Path=/');
  return { hello: 'wörld', query: { ...req.query }, port: req.headers['x-port'] ?? null };
};
