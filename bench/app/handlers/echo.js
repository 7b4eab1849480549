'use strict';
module.exports = (req) => ({ echo: req.getBodyString(), timestamp: Date.now() });
