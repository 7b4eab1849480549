'use strict';
// `actix check` and `actix routes`: loads what a worker would load, in a Node of its own that is thrown away, and says what
// it found.  `node check.js --plan-fd N`; the result is one JSON text (CheckResult of plan.d.ts) on descriptor 3.  Whoever
// started it limits its time.
const fs = require('node:fs');
const { readPlan, argument } = require('./boot');

const RESULT_FD = 3;

async function main() {
  const plan = readPlan(argument('--plan-fd'));
  process.argv.splice(1, process.argv.length, plan.manifest);
  require('./resolve').install();
  const registry = require('./registry');
  registry.setWorker({ id: 0, count: plan.workers, generation: plan.generation, isolation: 'thread' });
  registry.setServing({ url: plan.listen[0]?.url ?? '', log: () => undefined });
  const { errors, routes } = await require('./loader').load(plan, loading);
  report({ errors, routes: routes.map(({ method, pattern, name, at }) => ({ method, pattern, name, at })) });
}

function say(object) {
  const bytes = Buffer.from(`${JSON.stringify(object)}\n`);
  for (let done = 0; done < bytes.length;) done += fs.writeSync(RESULT_FD, bytes, done);
}

const loading = (name, at, errors) => say({ loading: name, at, errors });

/** Ends the process: what a module has left running is of no use here. */
function report(result) {
  say(result);
  process.exit(0);
}

process.on('uncaughtException', (err) => {
  report({
    errors: [{ message: `uncaught while loading: ${err instanceof Error ? err.message : String(err)}` }],
    routes: [],
  });
});
main();
