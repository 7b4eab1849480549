module.exports = require('./installed')('index.js');
