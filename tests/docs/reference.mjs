// reference.mjs: the names in the pages: links and their anchors, commands, options, keys of the manifest.  What there
// is, the program itself says (`actix help`), out of the tables that it parses with.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

/** Options of other programs that the pages name by themselves. */
const FOREIGN = new Set(['--env-file', '--name']);
/** Not keys of the manifest, though they look like it: members of what `actix stats --json` prints, names of files. */
const OTHER = /^(server\.dropped|.*\.(db|def|js|mjs|md|c|h|json))$/;
const MAPS = 'server|limits|timeouts|pools|cache|metrics|log|uploads|admin';

export class Reference {
  constructor(actix, repo) {
    this.repo = repo;
    const env = { ...process.env, NO_COLOR: '1' };
    const help = (...words) => execFileSync(actix, ['help', ...words], { encoding: 'utf8', env });
    const text = help();
    const listed = /^Commands:\n([^]*?)\n\n/m.exec(text)[1];
    this.commands = [...listed.matchAll(/^ {2}([a-z]+) /gm)].map((m) => m[1]);
    this.later = (/Not supported yet: (.*)/.exec(text)?.[1] ?? '').split(' ').filter(Boolean);
    this.help = new Map(this.commands.map((name) => [name, help(name)]));
    this.options = new Set();
    for (const page of this.help.values()) for (const [name] of options(page)) for (const form of forms(name)) this.options.add(form);
    const rows = help('manifest').split('\n').map((line) => line.split(/ {2,}/)).filter((row) => row.length > 2);
    this.keys = new Map(rows.map((row) => [row[0], row[1]]));
  }

  /** Every mistake of a page: { line, wrong }; wrong is undefined for what is right. */
  *check(file, page, pages) {
    for (const { to, line } of page.links) yield { line, wrong: this.link(file, to, pages) };
    for (const span of page.spans) {
      const wrong = this.option(span) ?? this.command(span) ?? this.key(span);
      if (wrong) yield { line: span.line, wrong };
    }
    if (file === 'docs/cli.md') yield* this.commandLine(page);
    if (file === 'docs/manifest.md') yield* this.manifest();
  }

  link(from, to, pages) {
    if (/^(https?|mailto):/.test(to)) return undefined;
    const [target, anchor] = to.split('#');
    const file = target === '' ? from : path.normalize(path.join(path.dirname(from), target));
    if (!fs.existsSync(path.join(this.repo, file))) return `the link leads nowhere: ${to}`;
    if (anchor === undefined || !pages.has(file)) return undefined;
    return pages.get(file).anchors.has(anchor) ? undefined : `${file} has no heading #${anchor}`;
  }

  option({ text }) {
    if (!/^(--|actix )/.test(text)) return undefined;
    const unknown = [...text.matchAll(/(?<!\S)--[a-z][a-z-]*/g)].map((m) => m[0]).find((o) => !this.options.has(o) && !FOREIGN.has(o));
    return unknown && `no command has the option ${unknown}`;
  }

  command({ text }) {
    const name = /^actix ([a-z]+)/.exec(text)?.[1];
    return name && !this.commands.includes(name) && !this.later.includes(name) ? `there is no command ${name}` : undefined;
  }

  key({ text }) {
    const name = new RegExp(`^((?:${MAPS})\\.[a-z_.]+)(?:: .*)?$`).exec(text)?.[1];
    if (!name || OTHER.test(name) || this.keys.has(name)) return undefined;
    return [...this.keys.keys()].some((key) => key.startsWith(`${name}.`)) ? undefined : `the manifest has no key ${name}`;
  }

  /** Each command has its section and the options of its table, no others. */
  *commandLine(page) {
    const text = fs.readFileSync(path.join(this.repo, 'docs/cli.md'), 'utf8');
    for (const name of this.commands.filter((n) => n !== 'help')) {
      yield { line: 1, wrong: page.anchors.has(name) ? undefined : `the command ${name} has no section` };
    }
    yield { line: 1, wrong: this.filled(text) === text ? undefined : 'option tables are not those of the program: node tests/docs/run.mjs --write' };
  }

  /** Each row is one of the decoder's; that none is missing is what tests/unit/config/schema_test.c looks at. */
  *manifest() {
    const lines = fs.readFileSync(path.join(this.repo, 'docs/manifest.md'), 'utf8').split('\n');
    for (const [i, line] of lines.entries()) {
      const [, key, value] = /^\| `([a-zA-Z_.]+)` \| (.*?) \|/.exec(line) ?? [];
      if (!key) continue;
      const wanted = this.keys.get(key);
      const shown = value.replace(/`/g, '') || '-';
      const same = wanted === undefined || wanted === shown || wanted === '-' || !value.startsWith('`');
      yield { line: i + 1, wrong: wanted === undefined ? `there is no key ${key}` : same ? undefined : `${key} is ${wanted} when not given` };
    }
  }

  filled(text) {
    return text.replace(/(<!-- options: (\w+) -->\n)[^]*?(<!-- \/options -->)/g, (_, open, name, close) => {
      const rows = options(this.help.get(name) ?? '').filter(([option]) => !/--(help|version|\[no-\]colou?r)/.test(option));
      const lines = rows.map(([option, help]) => `| \`${option}\` | ${help.replaceAll('|', '\\|')} |\n`);
      return `${open}| option | |\n|---|---|\n${lines.join('')}${close}`;
    });
  }

  write() {
    const file = path.join(this.repo, 'docs/cli.md');
    fs.writeFileSync(file, this.filled(fs.readFileSync(file, 'utf8')));
  }
}

/** The rows under "Options:": ["-p, --port P", "port to …"] */
function options(help) {
  return [...(help.split('\nOptions:\n')[1] ?? '').matchAll(/^ {2}( {4}|-\w, )(--\S.*?) {2,}(.*)$/gm)].map((m) => [m[1].trim() + (m[1].trim() && ' ') + m[2], m[3]]);
}

/** "-c, --config FILE" → --config; "--[no-]load" → --load, --no-load; both spellings of colour. */
function forms(option) {
  const name = /--(\[no-\])?([a-z-]+)/.exec(option);
  const both = name[1] ? [`--${name[2]}`, `--no-${name[2]}`] : [`--${name[2]}`];
  return both.flatMap((form) => [form, form.replace('colour', 'color')]);
}
