// Starting and ending what a benchmark runs.  Everything is ended with all below it, also when the benchmark fails or is
// interrupted; folders made here are removed.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { alive, tree } from './proc.mjs';

const running = new Set();
const folders = new Set();
const LOOK_MS = 20;
const PATIENCE_MS = 8000; // until it is killed
const KEPT = 4000; // characters of what a process said

export function temporary(name) {
  const dir = mkdtempSync(join(tmpdir(), `actix-bench-${name}-`));
  folders.add(dir);
  return dir;
}

/** Of two things at once: which CPUs, and how many descriptors it may open. */
export function wrapped(command, { cpus, files } = {}) {
  const pinned = cpus?.length ? ['taskset', '-c', cpus.join(','), ...command] : command;
  return files ? ['sh', '-c', 'ulimit -n "$(ulimit -Hn)" && exec "$@"', 'sh', ...pinned] : pinned;
}

/**
 * Runs in the background: { pid, out(), err(), exit } with `exit` undefined while it lives, and `ended`.  In a session of
 * its own, or with `together` in that of the benchmark: where the kernel groups processes by session (autogroup,
 * sched(7)), a CPU is shared by the sessions first.
 */
export function launch(command, { cwd, env = {}, cpus, files, together = false } = {}) {
  const [file, ...args] = wrapped(command, { cpus, files });
  const stdio = ['ignore', 'pipe', 'pipe'];
  const child = spawn(file, args, { cwd, env: { ...process.env, ...env }, stdio, detached: !together });
  const it = { pid: child.pid, group: !together, command, stdout: '', stderr: '', exit: undefined };
  if (it.pid) running.add(it); // without one it could not be started: the error follows
  child.stdout.on('data', (data) => (it.stdout += data));
  child.stderr.on('data', (data) => (it.stderr = (it.stderr + data).slice(-KEPT)));
  it.ended = new Promise((resolve) => {
    child.on('error', (err) => {
      it.stderr += err.message;
      running.delete(it);
      resolve((it.exit = err.code));
    });
    child.on('close', (code, signal) => {
      running.delete(it);
      resolve((it.exit = code ?? signal));
    });
  });
  return it;
}

/** Runs to the end: what it printed; throws with what it said when it failed or took longer than limit. */
export async function run(command, options = {}) {
  const it = launch(command, options);
  const timer = setTimeout(() => signal([it.pid], 'SIGKILL', it.group), (options.limit ?? 600) * 1000);
  await it.ended;
  clearTimeout(timer);
  if (it.exit !== 0) throw new Error(`${command.join(' ')}: ${it.exit}: ${(it.stderr || it.stdout).trim().slice(-600)}`);
  return it.stdout;
}

function signal(pids, name, group = false) {
  for (const pid of pids) {
    try {
      process.kill(group ? -pid : pid, name);
    } catch (err) {
      if (err.code !== 'ESRCH') throw err;
    }
  }
}

/** Asks it to end, and kills what then still lives: it, its group and everything below it. */
export async function stop(it) {
  if (!it || !it.pid) return;
  const all = tree(it.pid);
  if (it.exit === undefined) signal([it.pid], 'SIGTERM', it.group);
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end && all.some(alive);) await sleep(LOOK_MS);
  signal(all.filter(alive), 'SIGKILL');
  running.delete(it);
}

/** Ends all that runs. */
export const stopAll = () => Promise.all([...running].map(stop));

/** Ends all that runs and removes what was made, without letting anything else go on meanwhile and start more. */
export function cleanUp() {
  const all = [...running].flatMap((it) => tree(it.pid));
  for (const it of running) signal([it.pid], 'SIGTERM', it.group);
  const clock = new Int32Array(new SharedArrayBuffer(4));
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end && all.some(alive);) Atomics.wait(clock, 0, 0, LOOK_MS);
  signal(all.filter(alive), 'SIGKILL');
  running.clear();
  for (const dir of folders) rmSync(dir, { recursive: true, force: true });
  folders.clear();
}

/** Runs a benchmark's main function; the exit code tells whether it worked, never how fast anything was. */
export async function main(work) {
  const end = (code) => {
    cleanUp();
    process.exit(code);
  };
  for (const [name, code] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 })) process.on(name, () => end(code));
  process.on('uncaughtException', (err) => {
    console.error(`bench: ${err.stack}`);
    end(1);
  });
  try {
    await work();
  } catch (err) {
    console.error(`bench: ${err.usage ? err.message : err.stack}`);
    process.exitCode = err.usage ? 2 : 1;
  }
  cleanUp();
}

export function usage(message) {
  return Object.assign(new Error(message), { usage: true });
}

/** A port that was free a moment ago, for servers that cannot pick one themselves. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
