// Tables for a terminal and for Markdown.

/** The first column to the left, the others to the right. */
export function plainTable(head, rows) {
  const all = [head, ...rows].map((row) => row.map(String));
  const width = head.map((_, i) => Math.max(...all.map((row) => row[i].length)));
  const line = (row) => row.map((cell, i) => (i ? cell.padStart(width[i]) : cell.padEnd(width[i]))).join('  ');
  return all.map((row) => line(row).trimEnd()).join('\n');
}

const escape = (cell) =>
  String(cell)
    .replace(/\\/g, '\\\\')
    .replace(/\|/g, '\\|')
    .replace(/\s*\n\s*/g, ' ');

export function markdownTable(head, rows) {
  const line = (row) => `| ${row.map(escape).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}
