const { readFileSync } = require('node:fs');
const path = require('node:path');

const PAGE = readFileSync(path.join(__dirname, 'page.html'), 'utf8');

module.exports = (req) => {
  req.addHeader('content-type', 'text/html; charset=utf-8');
  return PAGE;
};
