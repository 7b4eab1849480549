'use strict';
// The completion scripts, in the shells they are for.  A shell that is not here is skipped; `scripts/deps.sh packages`
// installs all three.
const { test, before, after } = require('node:test');
const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const ACTIX = path.resolve(process.env.ACTIX ?? path.join(__dirname, '../../build/release/bin/actix'));
const TEMPLATES = fs
  .readdirSync(path.resolve(path.dirname(ACTIX), '../share/actix/templates'))
  .filter((name) => !name.startsWith('.'))
  .sort();

const MANIFEST = `version: 1
routes:
  /: home.js
  /users/:id: home.js
  /users/:id/books: home.js
`;

let dir;
before(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'actix-complete-'));
  fs.mkdirSync(path.join(dir, 'deploy'));
  fs.writeFileSync(path.join(dir, 'actix.yaml'), MANIFEST);
  fs.writeFileSync(path.join(dir, 'site.yml'), 'version: 1\nroutes: { /other: home.js }\n');
  fs.writeFileSync(path.join(dir, 'home.js'), 'module.exports = () => 1;\n');
  fs.writeFileSync(path.join(dir, 'new.db'), '');
});
after(() => fs.rmSync(dir, { recursive: true, force: true }));

function run(command, args, env) {
  const r = spawnSync(command, args, {
    cwd: dir, encoding: 'utf8', timeout: 60000,
    env: { PATH: `${path.dirname(ACTIX)}:${process.env.PATH}`, HOME: dir, TERM: 'dumb', LC_ALL: 'C.UTF-8', ...env },
  });
  assert.equal(r.status, 0, `${command}: ${r.stderr}${r.stdout}`);
  return r.stdout;
}

const has = (shell) => spawnSync('sh', ['-c', `command -v ${shell}`]).status === 0;
const script = (shell) => run(ACTIX, ['completion', shell]);
/** `actix help` in pieces: the names of the commands, and per command its long options. */
const commands = () => [...run(ACTIX, ['help']).split('Commands:\n')[1].split('\n\n')[0].matchAll(/^ {2}(\S+)/gm)].map((m) => m[1]);
const options = (command) => [...run(ACTIX, ['help', command]).split('\nOptions:\n')[1].split('\n')]
  .filter((line) => !line.includes('not supported yet'))
  .flatMap((line) => {
    const m = /^ {2}(?:-\w, | {4})--(\[no-\])?([\w-]+)/.exec(line);
    return m ? (m[1] ? [`--${m[2]}`, `--no-${m[2]}`] : [`--${m[2]}`]) : [];
  });

/** Each asks its shell what it offers for the last word of each line. */
const shells = {
  bash: (...lines) => lines.map((words) => {
    fs.writeFileSync(path.join(dir, '.actix.bash'), script('bash'));
    // As bash itself splits a line: at COMP_WORDBREAKS too.
    const split = words.flatMap((w) => w.split(/([=:]+)/).filter((part, i) => part || i === 0)).filter((w, i, all) => w || i === all.length - 1);
    return run('bash', ['--norc', '--noprofile', '-uc',
      'source ./.actix.bash; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _actix; printf "%s\\n" ${COMPREPLY[@]+"${COMPREPLY[@]}"}', '-', ...split]);
  }),
  zsh(...lines) { // compinit takes its time: once for all lines
    fs.mkdirSync(path.join(dir, '.zsh'), { recursive: true });
    fs.writeFileSync(path.join(dir, '.zsh', '_actix'), script('zsh'));
    fs.writeFileSync(path.join(dir, '.zsh-ask'), ZSH_ASK);
    const typed = lines.map((words) => words.map((w) => w.replace(/[^\w./:=@-]/g, '\\$&')).join(' '));
    return run('zsh', ['-f', './.zsh-ask', ...typed]).split('NEXT\n').slice(0, -1);
  },
  fish: (...lines) => lines.map((words) => {
    fs.writeFileSync(path.join(dir, '.actix.fish'), script('fish'));
    const out = run('fish', ['--no-config', '-c', 'source ./.actix.fish; complete -C "$argv[1]"', words.join(' ')]);
    return out.replace(/\t.*$/gm, '');
  }),
};

// A real zsh on a terminal of its own: compadd is replaced by one that prints what would be offered.  (Called without
// words, it takes the name of their group for one.)
const ZSH_ASK = `
zmodload zsh/zpty
zpty inner zsh -f -i
ask() { zpty -w inner "$1"; }
ask 'unsetopt zle_bracketed_paste; PROMPT=; stty -echo; setopt no_beep'
ask 'fpath=($PWD/.zsh $fpath); autoload -Uz compinit; compinit -u -D'
ask 'null-line() { zle kill-whole-line }; zle -N null-line'
ask 'compadd() {
  if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)* ]]; then builtin compadd "$@"; return; fi
  local -a __hits; builtin compadd -A __hits "$@"
  local -A apre; local -a __suffix; zparseopts -E -a __suffix P:=apre S: q
  for h in \${__hits:#(-J|-default-)}; do print -r -- "WORD:$IPREFIX$apre[-P]$h"; done
  builtin compadd "$@"
}'
ask 'zstyle ":completion:*" list-grouped false; zstyle ":completion:*" insert-tab false; zstyle ":completion:*" menu no'
ask 'done-line() { print; print -r -- "END:OF"; zle kill-whole-line }; zle -N done-line'
ask 'comppostfuncs=(); bindkey "^I" complete-word; bindkey "^X" done-line; print READY:NOW'
out=
while zpty -r inner line; do [[ $line == *READY:NOW* ]] && break; done
for typed in "$@"; do
  zpty -w -n inner "$typed"$'\\t'$'\\x18'
  while zpty -r inner line; do
    line=\${line//$'\\r'/}
    [[ $line == *WORD:* && $line != *'print -r'* ]] && print -r -- "\${line##*WORD:}"
    [[ $line == *END:OF* ]] && break
  done
  print NEXT
done
zpty -d inner
`;

/** What is typed, and what the shell offers for it: the same in all three. */
const cases = () => [
  ['', commands().sort()],
  ['st', ['stats', 'status', 'stop']],
  ['--state deploy rel', ['reload']],
  ['help ma', ['manifest']],
  ['completion ', ['bash', 'fish', 'zsh']],
  ...commands().map((command) => [`${command} --`, options(command).sort()]),
  ['stats --by ', ['route', 'status', 'time', 'worker']],
  ['stats --by st', ['status']],
  ['stats --by=st', ['status']],
  ['check -c act', ['actix.yaml']],
  ['-c act', ['actix.yaml']],
  ['stats --db new', ['new.db']],
  ['new dep', ['deploy']],
  ['new --template ', TEMPLATES],
  ['stats --route ', ['/', '/users/:id', '/users/:id/books']],
  ['stats -c site.yml --route /o', ['/other']], // of the manifest on the line
];
/** Without what a shell writes around a word: `--by=status`, `deploy/`. */
const bare = (word) => word.trim().replace(/^--[\w-]+=/, '').replace(/(.)\/$/, '$1');

for (const [shell, offer] of Object.entries(shells)) {
  test(`completion in ${shell}`, { skip: !has(shell) && `no ${shell} here` }, async (t) => {
    const rows = cases();
    const offered = offer(...rows.map(([line]) => ['actix', ...line.split(' ')]));
    for (const [i, [line, expected]] of rows.entries()) {
      await t.test(`actix ${line}`, () => {
        assert.deepEqual([...new Set(offered[i].split('\n').map(bare).filter(Boolean))].sort(), expected);
      });
    }
  });
}

test('bash replaces what stands behind the last colon only', { skip: !has('bash') && 'no bash here' }, () => {
  assert.deepEqual(shells.bash(['actix', 'stats', '--route', '/users/:i'])[0].trim().split('\n'), ['id', 'id/books']);
});

test('the script for bash is clean', { skip: !has('shellcheck') && 'no shellcheck here' }, () => {
  fs.writeFileSync(path.join(dir, 'actix.bash'), script('bash'));
  run('shellcheck', ['-s', 'bash', 'actix.bash']);
});

test('an unknown shell is answered with those there are', () => {
  const r = spawnSync(ACTIX, ['completion', 'tcsh'], { encoding: 'utf8' });
  assert.equal(r.status, 2);
  assert.match(r.stderr, /^actix: no completion for 'tcsh': bash, zsh and fish have one\n/);
});
