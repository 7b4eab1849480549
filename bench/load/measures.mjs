// What is measured beside the rounds of requests; each has measure(ctx, options) and describe(result).
import * as batch from './measure/batch.mjs';
import * as burst from './measure/burst.mjs';
import * as guide from './measure/guide.mjs';
import * as handlers from './measure/handlers.mjs';
import * as idle from './measure/idle.mjs';
import * as metrics from './measure/metrics.mjs';
import * as start from './measure/start.mjs';

export const MEASURES = { guide, metrics, idle, start, batch, burst, handlers };
