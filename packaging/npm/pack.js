'use strict';
// pack.js OUT NAPI_VERSION CORE ADDON PROGRAM LLHTTP: makes the npm package of the tree that `make install` put into
// OUT/package.  The last four are the Makefile's lists of sources, so that what node-gyp compiles is what make compiles.
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const [out, napi, core, addonOnly, programOnly, llhttp] = process.argv.slice(2);
const words = (text) => text.split(/\s+/).filter(Boolean);
const source = path.resolve(__dirname, '../..');
const root = path.resolve(out, 'package');
const version = fs.readFileSync(path.join(source, 'VERSION'), 'utf8').trim();
const ADDON = 'lib/actix/addon';

function put(from, to, mode = 0o644) {
  const file = path.join(root, to);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.copyFileSync(path.resolve(source, from), file);
  fs.chmodSync(file, mode);
}

const write = (name, value) => fs.writeFileSync(path.join(root, name), typeof value === 'string' ? value : `${JSON.stringify(value, null, 2)}\n`);

// ---- sources, for the machines that what is built here does not run on

const HEADERS = /\.(h|def)$/;
const parser = words(llhttp);
const bundled = parser.map((file) => `deps/llhttp/${path.basename(file)}`);

function putSources() {
  for (const file of words(`${core} ${addonOnly} ${programOnly}`)) put(file, file);
  for (const folder of ['server', 'config', 'cli', 'addon'])
    for (const name of fs.readdirSync(path.join(source, folder), { recursive: true }))
      if (HEADERS.test(name)) put(path.join(folder, name), path.join(folder, name));
  put('addon/exports.map', 'addon/exports.map');
  parser.forEach((file, i) => put(file, bundled[i]));
  put('/usr/share/include/llhttp/llhttp.h', 'deps/llhttp/llhttp.h');
  put('/usr/share/doc/node-llhttp/copyright', 'deps/llhttp/copyright');
}

/** What build.c tells about itself; the flags are node-gyp's own. */
function facts() {
  const told = { KIND: 'release', OPT: '-O3', MARCH: 'portable', LTO: 'off', PGO: 'off', STRIP: 'off', POOL: 'default', INTERN: 'on' };
  return Object.entries({ ...told, FLAGS: 'node-gyp' }).map(([name, value]) => `AX_BUILD_${name}="${value}"`);
}

/** Like the Makefile's, without the warnings, which are for those who change the sources. */
function bindingGyp() {
  const libraries = 'libuv yaml-0.1 sqlite3 jansson smartcols';
  const nodes = ['include/node', 'deps/uv/include'].map((dir) => `<(node_root_dir)/${dir}`);
  return {
    variables: { program: `<!(pkg-config --exists ${libraries} 2>/dev/null && echo 1 || echo 0)` },
    target_defaults: {
      include_dirs: ['server', '.', 'deps/llhttp'],
      defines: ['_GNU_SOURCE', 'NDEBUG', 'LLHTTP_STRICT_MODE=1', `AX_VERSION="${version}"`, ...facts()],
      cflags: ['-fPIC', '-fvisibility=hidden', '-fstack-protector-strong', '-Wno-unused-parameter'],
      cflags_c: ['-std=c11'],
    },
    targets: [
      {
        target_name: 'actix-addon',
        product_name: 'actix',
        sources: [...words(core), ...words(addonOnly), ...bundled],
        defines: [`NAPI_VERSION=${napi}`],
        ldflags: ['-Wl,--version-script=<(module_root_dir)/addon/exports.map', '-Wl,-z,relro,-z,now'],
      },
    ],
    conditions: [
      [
        'program==1',
        {
          targets: [
            {
              target_name: 'actix-program',
              product_name: 'actix',
              product_extension: '',
              type: 'executable',
              sources: [...words(core), ...words(programOnly), ...bundled],
              'include_dirs!': nodes, // Node brings a uv.h of its own, and the program runs with the system's
              cflags: [`<!@(pkg-config --cflags ${libraries})`],
              ldflags: ['-Wl,-z,relro,-z,now'],
              libraries: [`<!@(pkg-config --libs ${libraries})`, '-lpthread'],
            },
          ],
        },
      ],
    ],
  };
}

// ---- what is built, and what it needs

const machine = execFileSync('uname', ['-m'], { encoding: 'utf8' });

/** The newest glibc that the program or the addon asks for, and the libraries beside it. */
function needs() {
  const files = ['bin/actix', `${ADDON}/actix.node`].map((name) => path.join(root, name));
  const said = files.map((file) => execFileSync('readelf', ['-d', '-V', '-W', file], { encoding: 'utf8' })).join('');
  const versions = [...said.matchAll(/GLIBC_(\d+)\.(\d+)/g)].map(([, a, b]) => [Number(a), Number(b)]);
  versions.sort(([a, b], [c, d]) => a - c || b - d);
  const libraries = [...said.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map((m) => m[1]);
  return { machine: machine.trim(), glibc: versions.at(-1).join('.'), libraries: [...new Set(libraries)].sort() };
}

// ---- the package

/** The addon's own, with the folder that the files lie in here. */
function manifest() {
  const { files, ...own } = JSON.parse(fs.readFileSync(path.join(source, 'addon/package.json'), 'utf8'));
  const moved = (value) =>
    typeof value === 'string' ? value.replace(/^\.\/(?!package\.json$)/, `./${ADDON}/`) : Object.fromEntries(Object.entries(value).map(([k, v]) => [k, moved(v)]));
  return {
    ...own,
    version,
    description: 'Application server for JavaScript, written in C: the program, and the package that handlers use',
    keywords: ['server', 'http', 'native', 'supervisor', 'actix'],
    main: moved(own.main),
    module: moved(own.module),
    types: moved(own.types),
    exports: moved(own.exports),
    bin: { actix: 'npm/actix.sh' },
    scripts: { install: 'node npm/install.js' },
    gypfile: true,
    prebuilt: { ...needs(), napi: Number(napi) },
  };
}

/** npm leaves out files of the name .gitignore; `actix new` gives it back. */
function renameIgnoreFiles() {
  const templates = path.join(root, 'share/actix/templates');
  for (const name of fs.readdirSync(templates, { recursive: true }))
    if (path.basename(name) === '.gitignore') fs.renameSync(path.join(templates, name), path.join(templates, path.dirname(name), '_gitignore'));
}

function pack() {
  renameIgnoreFiles();
  fs.rmSync(path.join(root, 'share/doc'), { recursive: true });
  for (const name of ['README.md', 'LICENSE', 'CHANGELOG.md']) put(name, name);
  put('packaging/npm/actix.sh', 'npm/actix.sh', 0o755);
  put('packaging/npm/install.js', 'npm/install.js');
  write('npm/machine', machine);
  putSources();
  write('binding.gyp', bindingGyp());
  write('package.json', manifest());
  const [{ filename, size, files }] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', path.resolve(out)], { cwd: root, encoding: 'utf8' }),
  );
  console.log(`packed: ${path.join(out, filename)}, ${files.length} files, ${Math.ceil(size / 1024)} KiB`);
}

pack();
