'use strict';
// Stands in for addon/engine.js: speaks the protocol of addon/plan.d.ts over the real descriptors, serves with node:http.
// STUB says how it behaves: normal, failed, place, die, mute, garbage, stubborn (never drains),
// crash (dies when it is to stop).  STUB_NEXT: how the engines of later generations behave.
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');

const arg = (name) => Number(process.argv[process.argv.indexOf(name) + 1]);
const plan = JSON.parse(fs.readFileSync(arg('--plan-fd'), 'utf8'));
const control = new net.Socket({ fd: arg('--control-fd'), readable: true, writable: true });
const tell = (message, then) => control.write(`${JSON.stringify(message)}\n`, then);
const mode = (plan.generation > 1 && process.env.STUB_NEXT) || (process.env.STUB ?? 'normal');
const servers = [];
let left = 0;

function answer(req, res) {
  if (req.url === '/crash') process.kill(process.pid, 'SIGKILL');
  else if (req.url === '/hang') return;
  else if (req.url === '/env') res.end(JSON.stringify(process.env));
  else if (req.url === '/plan') res.end(JSON.stringify(plan));
  else if (req.url === '/fds') res.end(JSON.stringify(fs.readdirSync('/proc/self/fd').map(Number)));
  else if (req.url === '/event') {
    tell({ type: 'event', kind: 'limit', text: 'something', worker: 0 });
    res.end('told');
  } else if (req.url === '/renew') {
    tell({ type: 'renew', why: 'a test asks for it' });
    res.end('told');
  } else if (req.url === '/killed') {
    tell({ type: 'killed', worker: 0, route: { method: 'GET', pattern: '/killed' }, why: 'stall' });
    res.end('told');
  } else if (req.url === '/slow') setTimeout(() => res.end('slow'), 300);
  else res.end(`pid ${process.pid}`);
}

function stop() {
  if (mode === 'stubborn') return;
  if (mode === 'crash') process.kill(process.pid, 'SIGKILL');
  left = servers.length;
  for (const server of servers) {
    server.close(() => --left || tell({ type: 'drained' }, () => process.exit(0)));
    server.closeIdleConnections();
  }
  tell({ type: 'not_accepting' });
}

function start() {
  let waiting = plan.listen.length;
  for (const { fd } of plan.listen) {
    const server = http.createServer({ keepAlive: false }, answer);
    servers.push(server);
    server.listen({ fd }, () => --waiting || tell({ type: 'ready', workers: plan.workers }));
  }
}

let rest = '';
control.on('data', (data) => {
  const lines = (rest + data).split('\n');
  rest = lines.pop();
  for (const line of lines) {
    const message = JSON.parse(line);
    if (message.type === 'stop' || message.type === 'handover') stop();
    if (message.type === 'workers') tell({ type: 'workers', workers: [{ id: 0, state: 'ready', restarts: 3 }] });
  }
});
control.on('end', () => process.exit(1));
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => undefined);

if (mode === 'failed') tell({ type: 'failed', errors: [{ message: 'two reasons' }, { message: 'not one' }] }, () => process.exit(1));
else if (mode === 'place')
  tell({ type: 'failed', errors: [{ at: { file: 'actix.yaml', line: 3, col: 6 }, message: 'no such file' }] }, () => process.exit(1));
else if (mode === 'die') process.exit(7);
else if (mode === 'garbage') control.write('garbage\n{"type":"unheard"}\n\n[1]\n', start);
else if (mode !== 'mute') start();
