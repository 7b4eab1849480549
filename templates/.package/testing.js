module.exports = require('./installed')('test.js');
