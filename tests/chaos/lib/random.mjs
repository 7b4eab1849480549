// Random numbers that come again with the same seed (mulberry32): a failing run is repeated with SEED=.

export function random(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const int = (from, to) => from + Math.floor(next() * (to - from + 1));
  return {
    next,
    /** A whole number; both ends belong to it. */
    int,
    chance: (p) => next() < p,
    /** One of a list whose elements have a `weight`. */
    weighted(list) {
      let at = next() * list.reduce((sum, one) => sum + one.weight, 0);
      return list.find((one) => (at -= one.weight) < 0) ?? list[list.length - 1];
    },
  };
}
