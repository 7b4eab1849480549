import testing from './testing.js';

export const { app } = testing;
