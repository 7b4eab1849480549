// The frame of a script: its options, its table of figures, its exit code (0 all as it must be, 1 not, 77 left out).
//
//   node tests/chaos/NAME.mjs [--short]
//   SEED=N            the same load again (it is printed)
//   ISOLATION=process the manifest's server.isolation
//   ACTIX=FILE        the program under test
import { cleanAll } from './app.mjs';
import { busy } from './proc.mjs';

const SKIPPED = 77;
const WIDE = 64; // of a column
const TOLD = 40; // last lines of the server's log when something is not as it must be

export class Skip extends Error {}

class Script {
  constructor(name) {
    this.name = name;
    this.short = process.argv.includes('--short');
    this.seed = Number(process.env.SEED || Date.now() % 1_000_000);
    this.isolation = process.env.ISOLATION || 'thread';
    this.busy = busy();
    this.rows = [];
    this.apps = [];
    this.failed = 0;
  }

  /** The long value or the short one. */
  size(long, short) {
    return this.short ? short : long;
  }

  /** The short version runs beside other tests: times are judged generously there, and where the machine is busy. */
  time(ms) {
    return this.generous ? ms * 6 : ms;
  }

  get generous() {
    return this.short || this.busy > 1;
  }

  figure(name, value) {
    this.rows.push([name, shown(value), '', '']);
  }

  must(name, value, wanted, ok) {
    if (!ok) this.failed++;
    this.rows.push([name, shown(value), wanted, ok ? 'ok' : 'FAILED']);
  }

  equal(name, value, wanted) {
    this.must(name, value, `= ${shown(wanted)}`, value === wanted);
  }

  atMost(name, value, limit) {
    this.must(name, value, `<= ${shown(limit)}`, value <= limit);
  }

  atLeast(name, value, limit) {
    this.must(name, value, `>= ${shown(limit)}`, value >= limit);
  }

  heading(text) {
    this.rows.push([`-- ${text}`, '', '', '']);
  }

  /** Nothing of the load may have gone wrong, besides what the script allows. */
  undisturbed(load, prefix = '') {
    this.figure(
      `${prefix}requests`,
      `${load.sent} (${Math.round(load.answered / load.seconds)}/s, ${load.connects} connections)`,
    );
    this.equal(`${prefix}failed requests`, told(load.lost), 'none');
    this.equal(`${prefix}refused connects`, load.refused, 0);
    this.equal(`${prefix}keep-alive connections closed`, told(load.idle), 'none');
    this.equal(`${prefix}answers by status`, told(load.statuses), `200: ${load.sent}`);
    this.tell(load);
  }

  /** What went wrong, request by request. */
  tell(load) {
    if (load.limits?.size) console.error(`${this.name}: answered otherwise: ${told(load.limits)}`);
    for (const line of load.failures) console.error(`${this.name}: ${line}`);
  }

  print() {
    const wide = [0, 1, 2].map((i) => Math.min(WIDE, Math.max(0, ...this.rows.map((row) => row[i].length))));
    for (const [name, value, wanted, ok] of this.rows) {
      const cells = [name, value.length > WIDE ? `${value.slice(0, WIDE - 1)}…` : value, wanted];
      console.log(`  ${cells.map((text, i) => text.padEnd(wide[i])).join('  ')}  ${ok}`.trimEnd());
      if (value.length > WIDE && ok !== 'ok') console.log(`    ${value}`);
    }
  }
}

function shown(value) {
  if (typeof value !== 'number') return String(value);
  return Number.isInteger(value) ? String(value) : value.toFixed(Math.abs(value) < 10 ? 2 : 0);
}

/** A map as text, the same for the same map. */
export function told(map) {
  return (
    [...map]
      .map(([key, n]) => `${key}: ${n}`)
      .sort()
      .join(', ') || 'none'
  );
}

/** Runs body(script, keep), where keep(app) has the app's log shown when something fails. */
export async function script(name, body) {
  const it = new Script(name);
  console.log(
    `${name}: ${it.short ? 'short' : 'long'}, seed ${it.seed}, isolation ${it.isolation}, load ${it.busy.toFixed(1)} per CPU`,
  );
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.once(signal, () => {
      cleanAll();
      process.exit(1);
    });
  const since = performance.now();
  let skipped = '';
  try {
    await body(it, (app) => (it.apps.push(app), app));
  } catch (err) {
    if (err instanceof Skip) skipped = err.message;
    else it.must('the script', err.stack.split('\n').slice(0, 4).join(' | '), 'no error', false);
  }
  it.print();
  if (it.failed) for (const app of it.apps) console.error(`${app.err.split('\n').slice(-TOLD).join('\n')}`);
  cleanAll();
  const seconds = ((performance.now() - since) / 1000).toFixed(1);
  const outcome = skipped ? `skipped: ${skipped}` : it.failed ? `${it.failed} FAILED` : 'ok';
  console.log(`${name}: ${outcome} (${seconds} s)`);
  process.exit(it.failed ? 1 : skipped ? SKIPPED : 0);
}
