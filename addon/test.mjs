// The same function as `require('actix-js/test')` gives.
import testing from './test.js';

export const { app } = testing;
