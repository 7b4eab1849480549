// Figures: medians, ratios, and how they are written.

/** The middle of what there is; NaN of nothing. */
export function median(list) {
  const sorted = list.filter(Number.isFinite).sort((a, b) => a - b);
  const half = sorted.length >> 1;
  if (!sorted.length) return NaN;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** { median, min, max } of one field of many runs. */
export function spread(runs, field) {
  const list = runs.map((run) => run[field]).filter(Number.isFinite);
  if (!list.length) return { median: NaN, min: NaN, max: NaN };
  return { median: median(list), min: Math.min(...list), max: Math.max(...list) };
}

/** NaN where there is nothing to divide by. */
export const ratio = (a, b) => (Number.isFinite(a) && b > 0 ? a / b : NaN);

/** Of ratios: the one that twice and half cancel out in. */
export const geometricMean = (list) => Math.exp(sum(list.map(Math.log)) / list.length);

export const sum = (list) => list.reduce((a, b) => a + b, 0);

/** 12345.6 → "12,346"; "–" for what was not measured. */
export function figure(value, digits = 0) {
  if (!Number.isFinite(value)) return '–';
  const [whole, part] = value.toFixed(digits).split('.');
  return whole.replace(/\B(?=(\d{3})+$)/g, ',') + (part ? `.${part}` : '');
}

/** 1 round, 5 rounds */
export const counted = (n, word) => `${n} ${word}${n === 1 ? '' : 's'}`;

/** 141,234 → "141k": for tables where three digits tell enough. */
export const thousands = (value) => (value >= 1e4 ? `${figure(value / 1000)}k` : figure(value));

/** Rounds for a file: the digits behind are noise.  JSON knows no NaN. */
export const rounded = (value, digits = 3) => (Number.isFinite(value) ? Number(value.toFixed(digits)) : null);

/** A distribution as [value, count] pairs in ascending order: the value at or below which the share lies. */
export function percentile(pairs, share) {
  const total = sum(pairs.map(([, count]) => count));
  let seen = 0;
  for (const [value, count] of pairs) {
    seen += count;
    if (seen >= share * total) return value;
  }
  return NaN;
}
