'use strict';
// The one place that loads the native half; native.d.ts says what it offers.
module.exports = require('./actix.node');
