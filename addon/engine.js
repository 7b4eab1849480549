'use strict';
// Main thread of an engine process.  `node engine.js --plan-fd N --control-fd M`: makes the native engine, starts its
// workers, and does what the supervisor says.  With isolation: thread no request runs here (threads.js); with isolation:
// process this thread is the one worker itself (inline.js).
const native = require('./native');
const { argument, readPlan } = require('./boot');
const { Control } = require('./control');

const control = new Control(argument('--control-fd'));
const plan = readPlan(argument('--plan-fd'));
process.argv.splice(1, process.argv.length, plan.manifest);

const alone = plan.isolation === 'process';
const engine = {
  plan,
  control,
  handle: undefined,
  lameDuck: false,
  stopping: undefined, // the reason
  handover: false, // connections go to the next engine
  over: false,
  shown: false, // actix dev: why it does not load
  fail,
  show,
  finish,
};
const crew = new (alone ? require('./inline').Inline : require('./threads').Threads)(engine);

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined); // the supervisor's business
if (!alone) process.on('uncaughtException', (err) => fail([{ message: `engine: ${err.stack}` }]));
control.listen(receive);
begin();

function begin() {
  try {
    engine.handle = native.engineNew({
      workers: alone ? plan.slot + 1 : plan.workers, // ids are below it
      balance: plan.balance,
      fds: plan.listen.map(({ fd }) => fd),
      settings: plan.settings,
      minReady: plan.minReady, // of all engines: the board counts them
      segmentFd: plan.segmentFd,
      log: plan.log,
      stallUs: plan.stall_us ?? -1,
      mailboxFd: plan.mailboxFd ?? -1,
      boardFd: plan.boardFd ?? -1,
      slot: plan.slot ?? 0,
      controlFd: alone ? control.fd : -1,
      event: happened,
    });
  } catch (err) {
    fail([{ message: err.message }]);
    return;
  }
  if (plan.inspect === undefined) crew.start();
  else require('./inspect').open(plan.inspect).then(() => crew.start());
}

/** What the watchdog has done, see native.d.ts. */
function happened(event) {
  if (event.kind === 'handed_over') finish();
  else crew.happened(event);
}

// ---- the supervisor

function receive(message) {
  switch (message.type) {
    case 'lame_duck':
      engine.lameDuck = true;
      native.engineSetStopping(engine.handle);
      crew.lameDuck();
      break;
    case 'stop':
      if (engine.stopping === undefined && message.reason === 'stop') native.engineSetStopping(engine.handle);
      stop(message.reason, false);
      break;
    case 'handover':
      stop('reload', true);
      break;
    case 'workers':
      control.tell({ type: 'workers', workers: crew.list(), zombies: crew.zombies() });
      break;
    case 'reopen_logs':
      reopenLogs();
      break;
    default: // a newer supervisor's message that this engine can do without
  }
}

function reopenLogs() {
  try {
    native.engineReopenLogs(engine.handle);
  } catch (err) {
    control.event('limit', err.message);
  }
}

/** Everything that was found, then the end. */
function fail(errors) {
  if (engine.over) return;
  engine.over = true;
  show(errors);
  control.tell({ type: 'failed', errors, shown: engine.shown }, () => leave(1));
}

/** `actix dev`: with the lines around each, once: every worker finds the same. */
function show(errors) {
  if (!plan.dev || engine.shown) return;
  engine.shown = true;
  require('./dev').show(errors, plan);
}

// ---- stop

function stop(reason, handover) {
  if (engine.stopping !== undefined) return;
  engine.stopping = reason;
  engine.handover = handover;
  if (plan.inspect !== undefined) require('./inspect').close();
  native.engineStopAccepting(engine.handle);
  crew.end(reason, handover);
  control.tell({ type: 'not_accepting' });
  finish();
}

/** The supervisor limits the time: after timeouts.shutdown it ends the process. */
function finish() {
  if (engine.stopping === undefined || engine.over || !crew.ended()) return;
  if (engine.handover && !native.engineHandedOver(engine.handle)) return; // an event comes when they have left
  engine.over = true;
  if (crew.clean()) native.engineFree(engine.handle);
  control.tell({ type: 'drained' }, () => leave(0));
}

/** process.exit() waits for every thread: for a zombie for ever. */
function leave(code) {
  if (crew.hangs()) native.exitNow(code);
  process.exit(code);
}
