// What every part of a run needs: where things are, which CPUs are whose, the machine's facts, and what went wrong.
import { existsSync, readFileSync } from 'node:fs';
import os from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { allowedCpus } from './proc.mjs';
import { run, usage } from './process.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');

const said = (command) =>
  run(command, { cwd: ROOT }).then(
    (out) => out.trim(),
    () => '',
  );

/** Facts to judge figures by; what a machine does not tell is ''. */
export async function machine(out, allowed) {
  const cpus = os.cpus();
  return {
    date: new Date().toISOString(),
    cpu: cpus[0]?.model ?? '',
    cpus: allowed.length,
    memory_mib: Math.round(os.totalmem() / 2 ** 20),
    kernel: `${os.type()} ${os.release()}`,
    arch: os.arch(),
    node: process.version,
    revision: await said(['git', 'rev-parse', '--short=12', 'HEAD']),
    changed: (await said(['git', 'status', '--porcelain', '--untracked-files=no'])) !== '',
    version: readFileSync(join(ROOT, 'VERSION'), 'utf8').trim(),
    /** What the program says it was compiled with. */
    build: JSON.parse((await said([resolve(ROOT, out, 'bin/actix'), 'version', '--json'])) || '{}').build ?? {},
  };
}

/** Servers get the first CPU, the load generator and this program the next; with one CPU there is nothing to divide. */
export function divide(cpus) {
  if (cpus.length < 2) return { all: cpus, serverCpus: [], clientCpus: [] };
  return { all: cpus, serverCpus: [cpus[0]], clientCpus: [cpus[1]] };
}

export async function context({ out, loader }) {
  const cpus = divide(allowedCpus());
  const program = loader ? resolve(loader) : resolve(ROOT, out, 'bench/loader');
  if (!existsSync(program)) throw usage(`${program} is missing: make bench-tools`);
  if (cpus.clientCpus.length) await run(['taskset', '-a', '-c', '-p', cpus.clientCpus.join(','), String(process.pid)]);
  else console.log('bench: one CPU for the servers and the load generator: figures tell little');
  const problems = [];
  const facts = await machine(out, cpus.all);
  return {
    root: ROOT,
    out,
    loader: program,
    ...cpus,
    machine: { ...facts, server_cpus: cpus.serverCpus, client_cpus: cpus.clientCpus },
    version: facts.version,
    problems,
    /** Said at once and again in the report: nothing is left out silently. */
    problem(text) {
      problems.push(text);
      console.error(`bench: ${text}`);
    },
  };
}
