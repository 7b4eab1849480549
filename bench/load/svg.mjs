// A chart of bars: groups of them, each with as many panels side by side as there are measures.  Bars are to scale within
// one group and panel; each carries its figure.  Readable on light and dark pages.

const WIDTH = 960;
const MARGIN = 20;
const LABEL = 170; // for the names, left of the first panel
const FIGURE = 76; // for the figure, right of a bar
const BAR = 11;
const STEP = 16;
const GROUP_HEAD = 30;
const HEAD = 96;

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** XML knows no control characters, not even escaped. */
// eslint-disable-next-line no-control-regex
export const escapeXml = (text) =>
  String(text)
    .replace(/[\u0000-\u001f\u007f\ufffe\uffff]/g, ' ')
    .replace(/[&<>"']/g, (c) => ENTITIES[c]);

const STYLE = `
    text { font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328; }
    .title { font-size: 18px; font-weight: 600; }
    .group { font-weight: 600; }
    .soft { fill: #59636e; }
    .page { fill: #ffffff; }
    .line { stroke: #d1d9e0; }
    .own { fill: #0969da; }
    .js { fill: #9a6700; }
    .native { fill: #8250df; }
    .scale { fill: #818b98; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .soft { fill: #9198a1; }
      .page { fill: #0d1117; }
      .line { stroke: #3d444d; }
      .own { fill: #4493f8; }
      .js { fill: #d29922; }
      .native { fill: #ab7df8; }
      .scale { fill: #656c76; }
    }`;

const number = (n) => Number(n.toFixed(1));

function text(x, y, content, { kind = '', anchor = 'start' } = {}) {
  return `<text x="${number(x)}" y="${number(y)}"${kind && ` class="${kind}"`} text-anchor="${anchor}">${escapeXml(content)}</text>`;
}

const rect = (x, y, width, height, kind) =>
  `<rect x="${number(x)}" y="${number(y)}" width="${number(Math.max(width, 0.5))}" height="${height}" class="${kind}"/>`;

/** Where the bars of panel i start, and how long the longest may be. */
function place(i, panels) {
  const each = (WIDTH - 2 * MARGIN - LABEL) / panels;
  return { x: MARGIN + LABEL + i * each, length: each - FIGURE };
}

/** A slit near the end of a bar: it would be longer. */
const slit = (x, y) => `<path d="M${number(x - 16)} ${number(y + BAR)}l5 -${BAR}h4l-5 ${BAR}z" class="page"/>`;

/** Without a limit one slow server would make dots of all the others. */
function scale(values, cut) {
  const longest = Math.max(...values, 0);
  return cut ? Math.min(longest, cut * Math.min(...values)) : longest;
}

function bars(group, top, panels) {
  const out = [];
  panels.forEach((panel, i) => {
    const { x, length } = place(i, panels.length);
    const longest = scale(group.bars.map((bar) => bar.values[i]).filter(Number.isFinite), panel.cut);
    group.bars.forEach((bar, row) => {
      const value = bar.values[i];
      const y = top + row * STEP;
      if (!Number.isFinite(value)) return;
      const width = longest > 0 ? Math.min(value / longest, 1) * length : 0;
      out.push(rect(x, y, width, BAR, bar.kind));
      if (value > longest) out.push(slit(x + width, y));
      out.push(text(x + width + 5, y + BAR - 1, panel.format(value), { kind: 'soft' }));
    });
  });
  return out;
}

function drawGroup(group, top, panels) {
  const names = group.bars.map((bar, row) =>
    text(MARGIN + LABEL - 8, top + GROUP_HEAD + row * STEP + BAR - 1, bar.label, { anchor: 'end' }),
  );
  return [
    `<line x1="${MARGIN}" y1="${top + 4}" x2="${WIDTH - MARGIN}" y2="${top + 4}" class="line"/>`,
    text(MARGIN, top + 21, group.title, { kind: 'group' }),
    ...names,
    ...bars(group, top + GROUP_HEAD, panels),
  ];
}

function drawHead({ title, subtitle, panels, legend }) {
  let x = MARGIN;
  const keys = legend.flatMap(({ kind, label }) => {
    const at = x;
    x += 26 + label.length * 6.6;
    return [rect(at, 59, 11, 11, kind), text(at + 16, 69, label)];
  });
  return [
    text(MARGIN, 28, title, { kind: 'title' }),
    text(MARGIN, 46, subtitle, { kind: 'soft' }),
    ...keys,
    ...panels.map((panel, i) => text(place(i, panels.length).x, HEAD - 6, panel.title, { kind: 'group' })),
  ];
}

/**
 * { title, subtitle, panels: [{ title, format, cut }], groups: [{ title, bars: [{ label, kind, values }] }],
 *   legend: [{ kind, label }] }, where kind is one of own, js, native, scale and values has one number for each panel.
 * cut: bars of more than so many times the shortest are cut; without it none are.
 */
export function chart(spec) {
  let top = HEAD;
  const groups = spec.groups.map((group) => {
    const drawn = drawGroup(group, top, spec.panels);
    top += GROUP_HEAD + group.bars.length * STEP + 8;
    return drawn.join('\n  ');
  });
  const height = top + MARGIN;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">
  <title>${escapeXml(spec.title)}</title>
  <style>${STYLE}
  </style>
  <rect width="${WIDTH}" height="${height}" class="page"/>
  ${[...drawHead(spec), ...groups].join('\n  ')}
</svg>
`;
}
