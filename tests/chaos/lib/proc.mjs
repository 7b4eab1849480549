// What Linux tells about processes: who lives, below whom, with how much memory and how many descriptors.
import { readFileSync, readdirSync } from 'node:fs';

const PAGE = 4096;

function read(file) {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return ''; // it has just ended, or is not ours
  }
}

function list(dir) {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

/** Children by the thread that forked them. */
export function children(pid) {
  return list(`/proc/${pid}/task`).flatMap((thread) =>
    read(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number),
  );
}

/** The process and all below it, itself first. */
export function tree(pid) {
  return [pid, ...children(pid).flatMap(tree)];
}

/** False for a zombie too. */
export function alive(pid) {
  return /^\d+ \(.*\) [^ZX]/s.test(read(`/proc/${pid}/stat`));
}

/** Living processes that were started with NAME=VALUE in their environment, whoever their parent is by now. */
export function marked(name, value) {
  const wanted = `${name}=${value}`;
  return list('/proc')
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .map(Number)
    .filter((pid) => alive(pid) && read(`/proc/${pid}/environ`).split('\0').includes(wanted));
}

/** Resident bytes. */
export function resident(pid) {
  return Number(read(`/proc/${pid}/statm`).split(' ')[1] ?? 0) * PAGE;
}

export function descriptors(pid) {
  return list(`/proc/${pid}/fd`).length;
}

/** Runnable processes of the last minute for each CPU: over 1, times mean little. */
export function busy() {
  const cpus = (read('/proc/cpuinfo').match(/^processor/gm) ?? ['']).length;
  return Number(read('/proc/loadavg').split(' ')[0]) / cpus;
}
