'use strict';
module.exports = (req) => req.getPathParam('id');
