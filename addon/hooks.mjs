// Module resolution for `import` on Nodes without module.registerHooks: runs on Node's own loader thread.
let target;

export function initialize(url) {
  target = url;
}

export function resolve(specifier, context, next) {
  if (specifier === 'actix-js' || specifier === '@qunto/actix-js')
    return { url: target, format: 'module', shortCircuit: true };
  return next(specifier, context);
}
