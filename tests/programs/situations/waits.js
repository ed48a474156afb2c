// What a callback waits for, or computes, on Node's loop. Arguments: the situation, and what it
// needs (a path).
'use strict';
const { execSync } = require('child_process');
const crypto = require('crypto');
const dns = require('dns');
const fs = require('fs');
const http = require('http');
const { isMainThread, Worker, workerData } = require('worker_threads');

const argument = process.argv[3];
const sleeper = new Int32Array(new SharedArrayBuffer(4));

function readOrders() {
  console.log('reading');
  return fs.readFileSync(argument, 'utf8'); // STALL:fifo
}

function runTool() {
  const command = 'sleep 0.4';
  return execSync(command); // STALL:exec
}

function waitForTurn() {
  const timeout = 400;
  return Atomics.wait(sleeper, 0, 0, timeout); // STALL:atomics
}

function hashPassword() {
  const rounds = 600000;
  return crypto.pbkdf2Sync('correct horse', 'salt', rounds, 64, 'sha512'); // STALL:pbkdf2
}

function isValid() {
  const name = 'a'.repeat(24) + '!';
  return /^(a+)+$/.test(name); // STALL:regexp
}

function parseCatalogue() {
  const text = '[' + '{"name":"a thing","price":12},'.repeat(100e6 / 30) + '0]';
  return JSON.parse(text).length; // STALL:json
}

// A thread of its own for what blocks or computes, as Node's documentation recommends.
function work() {
  const until = Date.now() + 600;
  while (Date.now() < until);
  waitForTurn();
}

function startWorker() {
  new Worker(__filename, { workerData: 'work' }).on('exit', () => console.log('worker is done'));
}

const situations = {
  fifo: readOrders,
  exec: runTool,
  atomics: waitForTurn,
  pbkdf2: hashPassword,
  regexp: isValid,
  json: parseCatalogue,
  dns: () => dns.lookup('localhost', (error, address) => console.log(error || address)),
  worker: startWorker,
};

function serve() {
  const server = http.createServer((request, response) => {
    setTimeout(() => response.end('"done"'), 5);
  });
  server.listen(0, '127.0.0.1', () => console.log('port', server.address().port));
  process.once('SIGTERM', () => {
    server.close();
    server.closeAllConnections();
  });
}

if (!isMainThread) {
  if (workerData === 'work') setTimeout(work, 10);
} else if (process.argv[2] === 'server') {
  serve();
} else {
  // From a timer: by then the loop runs.
  setTimeout(() => situations[process.argv[2]](), 10);
}
