'use strict';
// Keeps its worker busy for 5 ms, as a template engine or a large JSON does.
const BUSY_MS = 5;

module.exports = () => {
  const end = performance.now() + BUSY_MS;
  while (performance.now() < end);
  return 'done';
};
