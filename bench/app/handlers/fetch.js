'use strict';
module.exports = { fetch: () => new Response('Hello World') };
