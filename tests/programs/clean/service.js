// A faultless server of Node's: it reads its files and hashes by promise.
'use strict';
const http = require('http');
const fs = require('fs').promises;
const crypto = require('crypto');
const server = http.createServer(async (request, response) => {
  if (request.url === '/hash') {
    crypto.pbkdf2('secret', 'salt', 1000, 32, 'sha256', (error, key) => response.end(key.toString('hex')));
    return;
  }
  const text = request.url === '/sync' ? await fs.readFile(__filename) : 'ok';
  response.end(text);
});
server.listen(Number(process.argv[2]), '127.0.0.1');
process.on('SIGTERM', () => { server.closeAllConnections?.(); server.close(() => process.exit(0)); });
