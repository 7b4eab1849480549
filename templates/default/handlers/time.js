const { worker } = require('actix-js');

// An object is the response, as JSON.
/** @type {import('actix-js').Handler} */
module.exports = () => ({ time: new Date().toISOString(), worker: worker.id });
