'use strict';
const MICROSECONDS_PER_MS = 1000;
const TIMER_MAX_MS = 2 ** 31 - 1; // 24.8 days: a timer that is set for longer goes off at once

/** A time of the plan for setTimeout. */
const milliseconds = (us) => Math.min(us / MICROSECONDS_PER_MS, TIMER_MAX_MS);

module.exports = { milliseconds };
