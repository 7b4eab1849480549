'use strict';
// What a page's handler does with a browser's request: it reads a query parameter and three headers.
module.exports = (req) =>
  `${req.query.tab} ${req.getHeader('accept-language')} ${req.getHeader('sec-fetch-site')} ${req.getHeader('sec-ch-ua-platform')}`;
