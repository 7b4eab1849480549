// A network of namespaces: each machine has its own address, and a cable to a switch that can be pulled.
//
// Nothing of the host's own network is touched: the switch is a bridge in a namespace too.
import { execFileSync, spawnSync } from 'node:child_process';

const MASK = 24;

/** Why there can be no such network here, or ''. */
export function lacking() {
  if (process.getuid() !== 0) return 'needs root, for network namespaces';
  if (spawnSync('ip', ['-V']).status !== 0) return 'needs ip (iproute2)';
  const name = `actix-try-${process.pid}`;
  const { status, stderr } = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' });
  if (status !== 0) return `no network namespaces here: ${stderr.trim()}`;
  execFileSync('ip', ['netns', 'del', name]);
  return '';
}

export class Lan {
  #prefix = `actix-${process.pid}`;
  #machines = new Set();

  constructor() {
    process.on('exit', () => this.clean());
    this.#add('switch');
    this.#ip('switch', 'link', 'add', 'br0', 'type', 'bridge');
    this.#ip('switch', 'link', 'set', 'br0', 'up');
  }

  /** A machine with that address, plugged in. */
  plug(name, address) {
    this.#add(name);
    const end = `to-${name}`;
    this.#ip('switch', 'link', 'add', end, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', this.#name(name));
    this.#ip('switch', 'link', 'set', end, 'master', 'br0', 'up');
    this.#ip(name, 'address', 'add', `${address}/${MASK}`, 'dev', 'eth0');
    this.#ip(name, 'link', 'set', 'eth0', 'up');
  }

  /** Pulls the machine's cable out at the switch: nobody is told. */
  cut(name) {
    this.#ip('switch', 'link', 'set', `to-${name}`, 'down');
  }

  mend(name) {
    this.#ip('switch', 'link', 'set', `to-${name}`, 'up');
  }

  /** What to spawn for a command on that machine; the process becomes the command. */
  on(name, program, ...args) {
    return ['ip', ['netns', 'exec', this.#name(name), program, ...args]];
  }

  clean() {
    for (const name of this.#machines) spawnSync('ip', ['netns', 'del', this.#name(name)]);
    this.#machines.clear();
  }

  #name(machine) {
    return `${this.#prefix}-${machine}`;
  }

  #add(name) {
    execFileSync('ip', ['netns', 'add', this.#name(name)]);
    this.#machines.add(name);
    this.#ip(name, 'link', 'set', 'lo', 'up');
  }

  #ip(machine, ...args) {
    execFileSync('ip', ['-n', this.#name(machine), ...args]);
  }
}
