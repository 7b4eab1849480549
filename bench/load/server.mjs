// A server under measurement: started on the servers' CPUs, known to listen, and ended with all it started.
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, launch, stop } from './process.mjs';

const START_MS = 30_000;
const LOOK_MS = 10;

/** What this project's server and Node read from the environment would make two machines differ. */
function environment(more = {}) {
  const names = Object.keys(process.env).filter((name) =>
    /^(ACTIX_|NODE_|PORT$|HOST$|STATE_DIRECTORY$|RUNTIME_DIRECTORY$|LISTEN_)/.test(name),
  );
  return { ...Object.fromEntries(names.map((name) => [name, undefined])), NODE_ENV: 'production', ...more };
}

export function connects(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    const end = (worked) => {
      socket.destroy();
      resolve(worked);
    };
    socket.on('connect', () => end(true));
    socket.on('error', () => end(false));
  });
}

/** The number at the end of the first line that is an address or a number: "listening on http://127.0.0.1:3001". */
export const announced = (text) => Number(/^(?:listening on )?\S*?(\d+)\/?$/m.exec(text)?.[1] ?? 0);

/** Starts what a peer's start() has described; rejects with what it said when it does not listen. */
export async function serve({ command, cwd, env, announces, port }, { cpus, files, together } = {}) {
  const known = announces ? 0 : (port ?? (await freePort()));
  const argv = command.map((word) => (word === '@PORT@' ? String(known) : word));
  const it = launch(argv, { cwd, env: environment(env), cpus, files, together });
  for (const end = Date.now() + START_MS; Date.now() < end && it.exit === undefined; await sleep(LOOK_MS)) {
    it.port = known || (it.stdout.includes('\n') ? announced(it.stdout) : 0);
    if (it.port && (await connects(it.port))) return it;
  }
  const why = it.exit === undefined ? 'does not listen' : `ended with ${it.exit}`;
  await stop(it);
  throw new Error(`${argv[0]} ${why}: ${(it.stderr || it.stdout).trim().slice(-400)}`);
}
