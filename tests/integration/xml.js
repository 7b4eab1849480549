'use strict';
// Whether a text is well-formed XML, as far as charts need it: tags nest, attributes are quoted once, `&` starts an entity.

const TOKEN = /<!--[^]*?-->|<(\/?)([A-Za-z][\w.-]*)((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|[^<]+/y;

function checkText(text) {
  const bad = /&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[0-9a-fA-F]+);)|[\u0000-\u0008\u000b\u000c\u000e-\u001f]/.exec(text);
  if (bad) throw new Error(`a bare ${JSON.stringify(bad[0])} in ${JSON.stringify(text.slice(0, 80))}`);
}

function checkAttributes(text) {
  const names = [...text.matchAll(/([\w:.-]+)\s*=/g)].map((m) => m[1]);
  if (new Set(names).size !== names.length) throw new Error(`an attribute twice: ${text}`);
  checkText(text);
}

/** Throws at the first mistake; returns how often each element comes. */
function elements(xml) {
  const open = [];
  const seen = {};
  let roots = 0;
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < xml.length; ) {
    const at = TOKEN.lastIndex;
    const token = TOKEN.exec(xml);
    if (!token) throw new Error(`no token at ${at}: ${xml.slice(at, at + 60)}`);
    const [text, closing, name, attributes, empty] = token;
    if (text.startsWith('<!--')) continue;
    if (!name) {
      checkText(text);
      if (!open.length && text.trim()) throw new Error(`text outside: ${text}`);
      continue;
    }
    checkAttributes(attributes);
    if (closing) {
      if (open.pop() !== name) throw new Error(`</${name}> closes something else`);
      continue;
    }
    seen[name] = (seen[name] ?? 0) + 1;
    if (!open.length && ++roots > 1) throw new Error(`a second root: ${name}`);
    if (!empty) open.push(name);
  }
  if (open.length) throw new Error(`not closed: ${open}`);
  return seen;
}

module.exports = { elements };
