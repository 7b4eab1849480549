// A string is the response, as text.
/** @type {import('actix-js').Handler} */
module.exports = () => 'Hello from {{name}}!\n';
