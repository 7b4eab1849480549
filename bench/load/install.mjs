// Sets the peers up under build/bench/peers: copies of bench/peers/NAME with what they need from npm, Debian and cargo.
// Again, only what has changed is done.
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { run } from './process.mjs';

const NPM = [
  'npm',
  'install',
  '--ignore-scripts',
  '--no-package-lock',
  '--omit-lockfile-registry-resolved',
  '--no-audit',
  '--no-fund',
  '--omit=dev',
  '--loglevel=error',
];
const MARK = '.installed';
const INSTALL_LIMIT = 900; // seconds

/** A name that changes with the files of a folder. */
function fingerprint(dir) {
  const hash = createHash('sha256').update(process.versions.modules);
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true }).filter((e) => e.isFile()))
    hash.update(entry.name).update(readFileSync(join(entry.parentPath ?? entry.path, entry.name)));
  return hash.digest('hex');
}

export async function installed(program) {
  return run(['sh', '-c', 'command -v "$1"', 'sh', program]).then(
    (out) => out.trim(),
    () => '',
  );
}

/** Debian's packages; without root, sudo or apt-get it fails and says which are missing. */
export async function debian(packages) {
  const state = await run(['dpkg-query', '-W', '-f=${Package} ${db:Status-Status}\\n', ...packages]).catch((err) => err.message);
  const missing = packages.filter((name) => !new RegExp(`^${name.replace(/\./g, '\\.')} installed$`, 'm').test(state));
  if (!missing.length) return;
  const root = process.getuid() === 0 ? [] : ['sudo', '-n'];
  const env = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }; // nothing is started as a service
  console.log(`bench: installing ${missing.join(' ')}`);
  const install = [...root, 'apt-get', 'install', '-y', '-q', '--no-install-recommends', ...missing];
  await run(install, { env, limit: INSTALL_LIMIT }).catch(async () => {
    await run([...root, 'apt-get', 'update', '-q'], { limit: INSTALL_LIMIT });
    await run(install, { env, limit: INSTALL_LIMIT });
  });
}

/** Copies the sources of a peer and lets `make` install the rest; returns the folder. */
async function once(ctx, name, make) {
  const from = join(ctx.root, 'bench/peers', name);
  const to = join(ctx.root, 'build/bench/peers', name);
  const mark = join(to, MARK);
  const wanted = fingerprint(from);
  if (existsSync(mark) && readFileSync(mark, 'utf8') === wanted) return to;
  console.log(`bench: setting up ${name}`);
  mkdirSync(to, { recursive: true });
  rmSync(mark, { force: true });
  cpSync(from, to, { recursive: true });
  await make(to);
  writeFileSync(mark, wanted);
  return to;
}

async function npm(dir) {
  if (!(await installed('npm'))) await debian(['npm']);
  await run(NPM, { cwd: dir, limit: INSTALL_LIMIT });
}

export const setUp = {
  plain: (ctx, name) => once(ctx, name, () => undefined),
  npm: (ctx, name) => once(ctx, name, npm),

  /** Its package carries a binary for each platform and Node, 200 MB of them. */
  uws: (ctx, name) =>
    once(ctx, name, async (dir) => {
      await npm(dir);
      const where = join(dir, 'node_modules/@trufflesuite/uws-js-unofficial/dist');
      const kept = `uws_linux_${process.arch}_${process.versions.modules}.node`;
      const binaries = readdirSync(where).filter((file) => file.endsWith('.node'));
      if (!binaries.includes(kept)) throw new Error(`no binary for Node ${process.version} on ${process.arch}`);
      for (const file of binaries) if (file !== kept) rmSync(join(where, file));
    }),

  bun: (ctx, name) =>
    once(ctx, name, async (dir) => {
      if (process.arch !== 'x64') throw new Error(`its package is for x64, this is ${process.arch}`);
      await npm(dir);
      const bun = join(dir, 'node_modules/@oven/bun-linux-x64/bin/bun');
      chmodSync(bun, 0o755); // npm runs no script that would do it
      await run([bun, '--version']);
    }),

  nginx: async (ctx, name) => {
    if (!(await nginxProgram())) await debian(['nginx-light']);
    return once(ctx, name, () => undefined);
  },

  hyper: (ctx, name) =>
    once(ctx, name, async (dir) => {
      await debian(['librust-hyper-dev', 'librust-tokio-dev', 'librust-serde-json-dev']);
      if (!(await installed('cargo'))) await debian(['cargo']);
      await run(['cargo', 'build', '--release', '--offline', '--quiet'], { cwd: dir, limit: INSTALL_LIMIT });
    }),
};

/** Debian keeps it where only root's PATH looks. */
export async function nginxProgram() {
  return (await installed('nginx')) || (existsSync('/usr/sbin/nginx') ? '/usr/sbin/nginx' : '');
}
