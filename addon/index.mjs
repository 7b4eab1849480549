// The same instances as `require('actix-js')` gives.
import api from './index.js';

export default api;
export const {
  Server,
  RequestWrapper,
  DetachedRequestWrapper,
  Methods,
  get,
  post,
  put,
  patch,
  del,
  getAsync,
  postAsync,
  putAsync,
  patchAsync,
  delAsync,
  newRoute,
  newRouteAsync,
  cleanupRouter,
  clearRouterCache,
  forceCleanup,
  forceExit,
  sum,
  onStart,
  onStop,
  worker,
} = api;
