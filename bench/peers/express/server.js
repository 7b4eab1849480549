'use strict';
// Express on node:http.  server.js PORT
const http = require('node:http');
const app = require('./app');

const server = http.createServer(app);
server.listen(Number(process.argv[2]), '127.0.0.1', 4096, () => console.log(`listening on ${server.address().port}`));
