// The command line: --name value, each with a default that tells its type.
import { usage } from './process.mjs';

const list = (text) =>
  text
    .split(',')
    .map((word) => word.trim())
    .filter(Boolean);

function typed(name, text, fallback) {
  if (Array.isArray(fallback)) return list(text);
  if (typeof fallback !== 'number') return text;
  const value = Number(text);
  if (text === '' || !Number.isFinite(value) || value <= 0) throw usage(`--${name} wants a number above 0, not "${text}"`);
  return value;
}

/** An empty value means the default, so that make can pass variables that nobody set. */
export function parseOptions(argv, defaults) {
  const options = { ...defaults };
  for (let i = 0; i < argv.length; i += 2) {
    const name = /^--([a-z-]+)$/.exec(argv[i])?.[1];
    if (!name || !(name in defaults))
      throw usage(
        `no such option: ${argv[i]} (there are ${Object.keys(defaults)
          .map((n) => `--${n}`)
          .join(' ')})`,
      );
    if (argv[i + 1] === undefined) throw usage(`--${name} wants a value`);
    if (argv[i + 1] !== '') options[name] = typed(name, argv[i + 1], defaults[name]);
  }
  return options;
}

/** Names out of a table; an unknown one is an error that lists them. */
export function chosen(names, table, what) {
  for (const name of names) if (!(name in table)) throw usage(`no ${what} "${name}"; there are: ${Object.keys(table).join(', ')}`);
  return names;
}
