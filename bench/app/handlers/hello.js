'use strict';
module.exports = () => 'Hello World';
