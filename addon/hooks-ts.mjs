// TypeScript for `import`, where Node does not read it by itself: runs on Node's own loader thread.
import fs from 'node:fs';
import module, { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
let transform;

export function initialize({ esbuild }) {
  const { transformSync } = esbuild === undefined ? {} : require(esbuild);
  // Node calls stripping experimental; nothing else runs on this thread that could have something to say.
  if (transformSync === undefined) process.emitWarning = () => undefined;
  transform =
    transformSync === undefined
      ? (source, url) => module.stripTypeScriptTypes(source, { mode: 'strip', sourceUrl: url })
      : (source, url) =>
          transformSync(source, {
            loader: 'ts',
            format: 'esm',
            target: `node${process.versions.node}`,
            sourcefile: fileURLToPath(url),
            sourcemap: 'inline',
            sourcesContent: false,
            logLevel: 'silent',
          }).code;
}

/** "type" of the nearest package.json. */
function packageType(dir) {
  const file = path.join(dir, 'package.json');
  if (fs.existsSync(file)) return JSON.parse(fs.readFileSync(file, 'utf8')).type;
  const parent = path.dirname(dir);
  return parent === dir ? undefined : packageType(parent);
}

function isModule(file, source) {
  if (file.endsWith('.mts')) return true;
  if (file.endsWith('.cts')) return false;
  return packageType(path.dirname(file)) === 'module' || /^(?:import|export)\b[\s{*"']/m.test(source);
}

export async function load(url, context, next) {
  if (!/^file:.*\.[mc]?ts$/.test(url)) return next(url, context);
  const file = fileURLToPath(url);
  const source = fs.readFileSync(file, 'utf8');
  if (!isModule(file, source)) return { format: 'commonjs', shortCircuit: true };
  return { format: 'module', source: transform(source, url), shortCircuit: true };
}
