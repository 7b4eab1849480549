#!/usr/bin/env node
'use strict';
// lint-source.js [RULE...]: the rules on the sources that need no compiler, over the current folder.
// Prints FILE:LINE: RULE: what is wrong; exits 1 if anything was.  Long functions are only counted until they are too long.
const fs = require('node:fs');
const path = require('node:path');

// ---- the rules' tables: this is where a layer gets a new neighbour, or a header a new owner

/** Who may include whose headers (docs/architecture.md says why). */
const LAYERS = {
  base: [],
  http: ['base'],
  metrics: ['base'],
  config: ['base'],
  net: ['base', 'http', 'metrics'],
  addon: ['base', 'http', 'net', 'metrics'],
  supervisor: ['base', 'http', 'net', 'metrics', 'config'],
  cli: ['base', 'metrics', 'config', 'supervisor'],
};

/** Each third-party header has one home. */
const THIRD_PARTY = [
  [/^llhttp\.h$/, /^(server\/http\/parser|tests\/unit\/http\/head_diff_test)\.c$/],
  [/^uv(\/.*)?\.h$/, /^server\/(net|supervisor)\//],
  [/^sqlite3\.h$/, /^server\/metrics\/store[a-z_]*\.c$/],
  [/^yaml\.h$/, /^config\/yaml_tree\.c$/],
  [/^(js_native|node)_api.*\.h$/, /^addon\//],
  [/^jansson\.h$/, /^(server\/supervisor|cli)\//],
  [/^libsmartcols/, /^cli\//],
  [/^openssl\//, /^server\/http\/crypto\.c$/],
  [/^crypt\.h$/, /^server\/http\/password\.c$/],
  [/^(zlib\.h|brotli\/)/, /^server\/net\/compress\.c$/],
];

/** What is called and what to use instead. */
const BANNED = {
  'strcpy stpcpy strcat strncpy strncat wcscpy': 'a struct ax_buf, or snprintf',
  'sprintf vsprintf': 'snprintf',
  'gets scanf': 'fgets or read',
  'strtok strtok_r': 'ax_str slices',
  'atoi atol atoll atof': 'strtol and a look at what it says',
  'alloca strdupa strndupa': 'the allocator: the stack has no failure path',
  'system popen': 'posix_spawn or fork and exec, without a shell',
  'tmpnam tempnam mktemp': 'mkstemp or mkdtemp',
  'localtime gmtime ctime asctime': 'the _r form',
};
/** Tests may: cmocka jumps, and what is random there has to be repeatable. */
const BANNED_SHIPPED = {
  'setjmp longjmp sigsetjmp siglongjmp': 'return codes',
  'rand srand random srandom': 'getrandom',
};
const ALLOCATOR = 'malloc calloc realloc strdup strndup asprintf vasprintf posix_memalign aligned_alloc reallocarray';
const OUTPUT = 'printf fprintf vprintf vfprintf puts putchar fputs perror exit quick_exit err errx warn warnx';

const FUNCTION_MAX = 120; // lines of a function
const FUNCTION_LONG = 60; // questioned in review
const FILE_MAX = 600;

// ---- reading

const SOURCES = ['server', 'config', 'cli', 'addon', 'tests', 'bench', 'templates', 'scripts', 'docs', 'packaging'];
const TEXT = /\.(c|h|def|js|mjs|ts|json|md|yaml|yml|sh|map)$|^(Makefile|README\.md)$/;

function* walk(dir) {
  for (const entry of fs.readdirSync(dir, { withFileTypes: true })) {
    const name = path.join(dir, entry.name);
    if (entry.isDirectory() && entry.name !== 'node_modules') yield* walk(name);
    else if (entry.isFile()) yield name;
  }
}

/** C without comments and literals, line for line: what is between quotes is no call. */
function code(text) {
  return text.replace(/\/\*[^]*?\*\/|\/\/.*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+'/g, (m) =>
    m[0] === '/' ? m.replace(/[^\n]/g, ' ') : m[0] + ' '.repeat(m.length - 2) + m[0],
  );
}

const files = [
  ...SOURCES.filter((d) => fs.existsSync(d)).flatMap((d) => [...walk(d)]),
  ...['Makefile', 'README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'].filter((f) => fs.existsSync(f)),
]
  .filter((f) => TEXT.test(path.basename(f)))
  .map((file) => ({ file, text: fs.readFileSync(file, 'utf8') }));
const isC = (f) => /\.[ch]$/.test(f);
const isJs = (f) => /\.m?js$/.test(f);
const isOurs = (f) => /^(server|config|cli|addon)\//.test(f); // what is shipped
const isLibrary = (f) => /^(server|config)\//.test(f);
const layerOf = (f) => (f.startsWith('server/') ? f.split('/')[1] : f.split('/')[0]);
for (const f of files) if (isC(f.file)) f.code = code(f.text);

const found = [];
const report = (file, line, rule, message) => found.push(`${file}:${line}: ${rule}: ${message}`);
const lineAt = (text, index) => text.slice(0, index).split('\n').length;

function eachCall(f, names, then) {
  const call = new RegExp(`(?<![\\w.>])(${names.trim().replace(/ +/g, '|')})\\s*\\(`, 'g');
  for (const m of f.code.matchAll(call)) then(m[1], lineAt(f.code, m.index));
}

// ---- the rules

const rules = {
  layers() {
    for (const { file, text } of files.filter((f) => isC(f.file) && isOurs(f.file))) {
      const from = layerOf(file);
      for (const m of text.matchAll(/^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]/gm)) {
        const line = lineAt(text, m.index);
        const own = m[2].replace(/^server\//, '').split('/')[0];
        if (m[1] === '"' && own in LAYERS) {
          if (own !== from && !LAYERS[from]?.includes(own)) report(file, line, 'layers', `${from} must not include "${m[2]}"`);
        } else if (m[1] === '"' && m[2].includes('/')) {
          report(file, line, 'layers', `"${m[2]}" is in no layer`);
        }
        const home = THIRD_PARTY.find(([header]) => header.test(m[2]));
        if (home && !home[1].test(file)) report(file, line, 'layers', `<${m[2]}> belongs to ${home[1].source.replace(/\\/g, '')}`);
      }
    }
  },

  banned() {
    for (const f of files.filter(({ file }) => isC(file))) {
      const banned = isOurs(f.file) ? { ...BANNED, ...BANNED_SHIPPED } : BANNED;
      for (const [names, instead] of Object.entries(banned))
        eachCall(f, names, (name, line) => report(f.file, line, 'banned', `${name}(): use ${instead}`));
      if (isOurs(f.file) && f.file !== 'server/base/alloc.c' && f.file !== 'server/base/heap.h')
        eachCall(f, ALLOCATOR, (name, line) => report(f.file, line, 'banned', `${name}(): use base/alloc.h`));
    }
  },

  quiet() {
    for (const f of files.filter(({ file }) => isC(file) && isLibrary(file)))
      eachCall(f, OUTPUT, (name, line) => report(f.file, line, 'quiet', `${name}(): library code neither prints nor exits`));
  },

  // The style puts a function's braces, and only those and a type's, at the start of a line.
  functions() {
    let long = 0;
    for (const { file, code: text } of files.filter(({ file: name }) => name.endsWith('.c') && !name.startsWith('tests/'))) {
      let start = 0;
      text.split('\n').forEach((line, i) => {
        if (line.startsWith('{')) start = i + 1;
        if (!line.startsWith('}') || !start) return;
        const length = i + 2 - start;
        if (length > FUNCTION_LONG) long++;
        if (length > FUNCTION_MAX) report(file, start, 'functions', `a function of ${length} lines: at most ${FUNCTION_MAX}`);
        start = 0;
      });
    }
    console.log(`lint: ${long} functions of more than ${FUNCTION_LONG} lines`);
  },

  files() {
    for (const { file, text } of files.filter(({ file: name }) => (isC(name) || isJs(name)) && !/^(tests|bench)\//.test(name))) {
      const lines = text.split('\n').length - 1;
      if (lines > FILE_MAX) report(file, lines, 'files', `${lines} lines: split at ${FILE_MAX}`);
    }
  },

  magic() {
    const seen = new Map();
    for (const f of files.filter(({ file }) => isC(file) && isOurs(file))) {
      for (const m of f.code.matchAll(/\b(\w*MAGIC)\b[ \t]*=?[ \t]*\(?(0x[0-9a-fA-F]+)/g)) {
        const line = lineAt(f.code, m.index);
        const value = Number(m[2]);
        if (seen.has(value)) report(f.file, line, 'magic', `${m[1]} has the value of ${seen.get(value)}`);
        else seen.set(value, `${m[1]} (${f.file}:${line})`);
      }
    }
  },

  whitespace() {
    for (const { file, text } of files) {
      const spaces = /[ \t\r]+$/m.exec(text);
      if (spaces) report(file, lineAt(text, spaces.index), 'whitespace', 'space at the end of a line');
      if (text && !text.endsWith('\n')) report(file, lineAt(text, text.length), 'whitespace', 'no newline at the end of the file');
      const tab = isC(file) || isJs(file) ? text.indexOf('\t') : -1;
      if (tab >= 0) report(file, lineAt(text, tab), 'whitespace', 'a tab');
    }
  },

  // What JavaScript prints under `serve` is the app's alone.
  console() {
    for (const { file, text } of files.filter(({ file: name }) => isJs(name) && name.startsWith('addon/'))) {
      const call = /(?<![\w.'"`$])console\.(log|info|debug)\s*\(/.exec(text.replace(/\/\/.*/g, ''));
      if (call) report(file, lineAt(text, text.indexOf(call[0])), 'console', `console.${call[1]}(): nothing that is shipped prints by itself`);
    }
  },
};

const asked = process.argv.slice(2);
for (const name of asked) {
  if (!(name in rules)) {
    console.error(`lint-source: no rule "${name}": ${Object.keys(rules).join(' ')}`);
    process.exit(2);
  }
}
if (!files.some(({ file }) => isC(file))) report('.', 0, 'files', 'no source found here');
for (const [name, rule] of Object.entries(rules)) if (!asked.length || asked.includes(name)) rule();
for (const line of found) console.log(line);
process.exit(found.length ? 1 : 0);
