// A listener by itself, in an ES module.
/** What happened to requests that name themselves. */
const seen = new Map();

export default async function listener(req, res) {
  const { pathname, searchParams } = new URL(req.url, 'http://a');
  const name = searchParams.get('name');
  if (pathname === '/seen') return void res.end(JSON.stringify(seen.get(name) ?? null));
  const events = [];
  seen.set(name, events);
  for (const event of ['aborted', 'error', 'end', 'close']) req.on(event, () => events.push(`req ${event}`));
  for (const event of ['prefinish', 'finish', 'close', 'error']) res.on(event, () => events.push(`res ${event}`));
  if (pathname === '/end') return void res.end('done');
  if (pathname === '/read') {
    req.on('end', () => res.end('read'));
    return void req.resume();
  }
  if (pathname === '/never') return void res.write('a beginning');
  if (pathname === '/silent') return undefined;
  if (pathname === '/destroyed') return void req.destroy();
  if (pathname === '/cut') {
    res.write('a beginning');
    return void setImmediate(() => res.destroy());
  }
  if (pathname === '/late') {
    await new Promise((done) => setImmediate(done));
    return void res.end('late');
  }
  if (pathname === '/timeout') {
    res.setTimeout(20, () => res.end('timed out'));
    return undefined;
  }
  if (pathname === '/flood') return flood(res, events);
  if (pathname === '/throws') throw new Error('at once');
  res.write('a beginning');
  await null;
  throw new Error('too late');
}

/** Writes for as long as it may, and says how much that was. */
function flood(res, events) {
  const piece = Buffer.alloc(16_384);
  let sent = 0;
  const more = () => {
    while (!res.destroyed) {
      sent += piece.length;
      events[0] = sent;
      if (!res.write(piece)) return;
    }
  };
  res.on('drain', more);
  more();
}
