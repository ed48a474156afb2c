// Node: the scenario is the first argument.
'use strict';
const { execSync, spawn } = require('child_process');
const fs = require('fs');

const scenarios = {
  clean() {},
  // A child process, waited for synchronously: a loop nested in the loop.
  exec() {
    execSync('sleep 0.3'); // STALL:exec
  },
  // A named pipe whose other end comes 300 ms later.
  fifo() {
    const fifo = process.argv[3];
    spawn('sh', ['-c', 'sleep 0.3; echo x > "$0"', fifo], { stdio: 'ignore' });
    fs.readFileSync(fifo); // STALL:fifo
  },
};

let ticks = 0;
const timer = setInterval(() => {
  if (++ticks === 3) scenarios[process.argv[2]]();
  if (ticks === 20) clearInterval(timer);
}, 5);
