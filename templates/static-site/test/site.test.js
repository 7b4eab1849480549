const test = require('node:test');
const assert = require('node:assert');
const { app } = require('actix-js/test');

let a; // the site as actix.yaml says, in this process
test.before(async () => (a = await app('actix.yaml')));
test.after(() => a.close());

test('pages', async () => {
  for (const page of ['/', '/about/']) {
    const res = await a.fetch(page);
    assert.strictEqual(res.status, 200);
    assert.match(res.headers.get('content-type'), /^text\/html/);
    assert.match(await res.text(), /<h1>/);
  }
  assert.strictEqual((await a.fetch('/nowhere')).status, 404);
});

test('every link of the pages leads somewhere', async () => {
  for (const page of ['/', '/about/']) {
    const links = [...(await (await a.fetch(page)).text()).matchAll(/href="(\/[^"]*)"/g)];
    assert.ok(links.length > 0);
    for (const [, link] of links) assert.strictEqual((await a.fetch(link)).status, 200, link);
  }
});

test('what has not changed is not sent again', async () => {
  const { headers } = await a.fetch('/assets/style.css');
  assert.strictEqual(headers.get('cache-control'), 'public, max-age=86400');
  assert.strictEqual((await a.fetch('/assets/style.css', { headers: { 'if-none-match': headers.get('etag') } })).status, 304);
});

test('a redirect', async () => {
  const res = await a.fetch('/home', { redirect: 'manual' });
  assert.deepStrictEqual([res.status, res.headers.get('location')], [308, '/']);
});
