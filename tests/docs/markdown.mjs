// markdown.mjs: what the tests need of a page: its fenced blocks with their annotations, its headings, links and code
// spans.  An annotation is an HTML comment on the lines before a fence (blank lines between are fine):
//
//     <!-- test: skip REASON -->              not run; the reason is printed.  No reason fails.
//     <!-- test: serve -->                    sh, console: the last command runs on, until `actix stop` or the page's end
//     <!-- test: fails N -->                  sh, console: the last command ends with N
//     <!-- test: fresh -->                    first stop what runs and begin in an empty folder
//     <!-- test: file PATH -->                written to PATH below the page's current folder, and checked
//     <!-- test: refused -->                  yaml: `actix check` must refuse it
//     <!-- test: prometheus -->               yaml: a configuration of Prometheus, for promtool
//     <!-- test: handler PATTERN; ask GET /x = 200 {"id":"7"} -->     js: served there, asked, the body compared
//                                             or { PATTERN: { METHOD: main.js#export }, … } for more than one route
//                                             `with NAME`: a package of node_modules that it needs
//     <!-- test: code; ask … -->              js: routes registered in code, loaded under `modules`
//     <!-- test: before PACKAGE; ask … -->    js: another server's code, run by plain Node and asked the same;
//                                             `before actix-js` with `code`: alone and under `actix serve`
//
// Several words stand between semicolons, several `ask` too.

const FENCE = /^(\s*)(```+)\s*([\w-]*)\s*$/;

/** "skip REASON; ask …" → [{ word, rest }] */
function words(text) {
  if (text.startsWith('skip')) return [{ word: 'skip', rest: text.slice(4).trim() }];
  return text.split(/;\s+(?=[a-z]+\b)/).map((part) => {
    const [, word, rest] = /^(\S+)\s*([^]*)$/.exec(part.trim()) ?? [null, '', ''];
    return { word, rest: rest.trim() };
  });
}

/** The `<!-- test: … -->` that ends at line `end` (exclusive), blank lines between allowed. */
function annotation(lines, end) {
  let last = end - 1;
  while (last >= 0 && lines[last].trim() === '') last--;
  if (last < 0 || !lines[last].trimEnd().endsWith('-->')) return [];
  let first = last;
  while (first > 0 && !lines[first].includes('<!--')) first--;
  const found = /<!--\s*test:\s*([^]*?)\s*-->\s*$/.exec(lines.slice(first, last + 1).join('\n'));
  return found ? words(found[1]) : [];
}

/** GitHub's anchor of a heading. */
const slug = (heading) => heading.toLowerCase().trim().replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-');

/** One page: { blocks: [{ lang, text, line, notes }], anchors, links: [{ to, line }], spans: [{ text, line, section }] } */
export function parse(text) {
  const lines = text.split('\n');
  const page = { blocks: [], anchors: new Set(), links: [], spans: [], prose: [] };
  let section = '';
  for (let i = 0; i < lines.length; i++) {
    const fence = FENCE.exec(lines[i]);
    if (fence) {
      const [, indent, ticks, lang] = fence;
      const from = i + 1;
      do i++; while (i < lines.length && lines[i].trim() !== ticks);
      const body = lines.slice(from, i).map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line));
      page.blocks.push({ lang, text: body.join('\n') + '\n', line: from, notes: annotation(lines, from - 1) });
      continue;
    }
    const heading = /^#+\s+(.*)$/.exec(lines[i]);
    if (heading) {
      section = heading[1].replace(/`/g, '');
      let anchor = slug(section);
      for (let n = 1; page.anchors.has(anchor); n++) anchor = `${slug(section)}-${n}`;
      page.anchors.add(anchor);
    }
    const bare = lines[i].replace(/`([^`]+)`/g, (_, span) => {
      page.spans.push({ text: span, line: i + 1, section });
      return '`';
    });
    for (const [, to] of bare.matchAll(/\]\(([^)\s]+)\)/g)) page.links.push({ to, line: i + 1 });
  }
  return page;
}
