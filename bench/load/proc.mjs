// What Linux tells about a process and all it started: CPU time and memory.
import { readFileSync, readdirSync } from 'node:fs';

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // it has just ended
  }
}

function list(dir) {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

/** Each thread lists the processes that it forked. */
function children(pid) {
  return list(`/proc/${pid}/task`).flatMap((thread) => read(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number));
}

/** The process and all below it, itself first. */
export function tree(pid) {
  return [pid, ...children(pid).flatMap(tree)];
}

/** False for a zombie too. */
export function alive(pid) {
  return /^\d+ \(.*\) [^ZX]/s.test(read(`/proc/${pid}/stat`));
}

const TICKS = 100; // USER_HZ, the same on every Linux that Node runs on
const UTIME = 11; // field 14 of proc(5), counted behind the name, which may hold blanks

function ticksOf(pid) {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.length > UTIME + 1 ? Number(fields[UTIME]) + Number(fields[UTIME + 1]) : 0;
}

/** User and system time of a tree in seconds, to 10 ms for each process. */
export function cpuSeconds(pid) {
  return (
    tree(pid)
      .map(ticksOf)
      .reduce((a, b) => a + b, 0) / TICKS
  );
}

const kib = (text, key) => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
const MIB = 1024;

/**
 * Memory of a tree in MiB.  rss counts a shared page once for each process; pss divides it among all that have it, also
 * those of other servers; alone is what the tree would hold if nothing else ran: its own anonymous and shared memory and
 * one copy of the file pages, as its processes run the same program or small ones.  own: private memory, without what was
 * read from files.
 */
export function memory(pid) {
  const total = { rss: 0, pss: 0, alone: 0, own: 0 };
  let file = 0;
  for (const p of tree(pid)) {
    const rollup = read(`/proc/${p}/smaps_rollup`);
    total.rss += kib(rollup, 'Rss') / MIB;
    total.pss += kib(rollup, 'Pss') / MIB;
    total.own += kib(rollup, 'Pss_Anon') / MIB;
    total.alone += (kib(rollup, 'Pss_Anon') + kib(rollup, 'Pss_Shmem')) / MIB;
    file = Math.max(file, kib(read(`/proc/${p}/status`), 'RssFile') / MIB);
  }
  total.alone += file;
  return total;
}

/** Open descriptors of a tree. */
export const descriptors = (pid) => tree(pid).reduce((n, p) => n + list(`/proc/${p}/fd`).length, 0);

/** "0-1,4" → [0, 1, 4] */
export function cpuList(text) {
  return text.split(',').flatMap((part) => {
    const [from, to = from] = part.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}

/** The CPUs that this process may use. */
export function allowedCpus() {
  return cpuList(/^Cpus_allowed_list:\s*(\S+)/m.exec(read('/proc/self/status'))?.[1] ?? '0');
}

/** Share of the machine's time that went to other guests of its host, between two looks. */
export function stealMeter() {
  const look = () => read('/proc/stat').split('\n', 1)[0].split(/\s+/).slice(1, 9).map(Number);
  const first = look();
  return () => {
    const spent = look().map((ticks, i) => ticks - first[i]);
    const total = spent.reduce((a, b) => a + b, 0);
    return total > 0 ? spent[7] / total : 0;
  };
}
