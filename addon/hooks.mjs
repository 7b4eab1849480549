// Module resolution for `import` on Nodes without module.registerHooks: runs on Node's own loader thread.
let target;
let port; // `actix dev` wants to know what was imported

export function initialize(data) {
  ({ target, port } = data);
}

export async function resolve(specifier, context, next) {
  if (specifier === 'actix-js' || specifier === '@qunto/actix-js')
    return { url: target, format: 'module', shortCircuit: true };
  const resolved = await next(specifier, context);
  if (port !== undefined && resolved.url.startsWith('file:')) port.postMessage(resolved.url);
  return resolved;
}
