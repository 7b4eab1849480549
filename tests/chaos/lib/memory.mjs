// What the resident memory of processes is made of, from /proc/PID/smaps.
import { readFileSync } from 'node:fs';

const ARENA = 64n * 1024n * 1024n; // glibc: the size and alignment of a thread's heap
const KIB = 1024;
const HEAD = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ (\d+) *(.*)$/;

function mappings(pid) {
  const all = [];
  for (const line of readFileSync(`/proc/${pid}/smaps`, 'latin1').split('\n')) {
    const head = HEAD.exec(line);
    if (head) {
      const [, from, to, mode, inode, name] = head;
      all.push({ from: BigInt(`0x${from}`), to: BigInt(`0x${to}`), mode, inode: Number(inode), name, rss: 0 });
    } else if (line.startsWith('Rss:')) {
      all.at(-1).rss = Number(/\d+/.exec(line)[0]) * KIB;
    }
  }
  return all;
}

/** Whose memory it is; glibc's arenas and stacks have no name, but neighbours that nobody may touch. */
function kind(one, before, behind) {
  if (one.name === '[heap]') return 'malloc, main arena';
  if (one.name.startsWith('/memfd:')) return 'shared segment';
  if (one.name === '[stack]') return 'stacks';
  if (one.inode) return one.name.includes('actix.node') ? 'addon' : 'program and libraries';
  if (one.name) return 'other';
  const shut = (m) => m && m.mode.startsWith('---') && m.rss === 0;
  if (one.from % ARENA === 0n && shut(behind) && behind.from === one.to && behind.to % ARENA === 0n) return 'malloc, arenas of threads';
  if (one.from % ARENA === 0n && one.to % ARENA === 0n && one.to - one.from === ARENA) return 'malloc, arenas of threads';
  if (shut(before) && before.to === one.from && before.to - before.from === 4096n && one.mode.startsWith('rw')) return 'stacks';
  return one.mode.includes('x') ? 'code that V8 made' : 'anonymous: V8, large blocks of malloc';
}

/** Kind -> resident bytes of all those processes; what they share counts in each. */
export function memoryByKind(pids) {
  const sums = new Map();
  for (const pid of pids) {
    const all = mappings(pid);
    all.forEach((one, i) => {
      const name = one.rss ? kind(one, all[i - 1], all[i + 1]) : '';
      if (name) sums.set(name, (sums.get(name) ?? 0) + one.rss);
    });
  }
  return sums;
}
