// What judges the server under load must itself see what is wrong: a server that answers as each case says.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import test from 'node:test';
import { Load } from '../chaos/lib/load.mjs';
import { Reader } from '../chaos/lib/reader.mjs';
import { Wire, ask } from '../chaos/lib/wire.mjs';

const DATE = 'Date: Sun, 22 Nov 2026 20:00:00 GMT\r\n';
const OK = `HTTP/1.1 200 OK\r\n${DATE}Content-Length: 2\r\n\r\nhi`;

/** Listens, and calls talk(socket, bytes) with what comes. */
async function server(t, talk) {
  const s = net.createServer((socket) => {
    socket.on('data', (bytes) => talk(socket, bytes.toString('latin1')));
    socket.on('error', () => undefined);
  });
  s.listen(0, '127.0.0.1');
  await once(s, 'listening');
  t.after(() => s.close());
  return { host: '127.0.0.1', port: s.address().port };
}

const request = (more = {}) => ({ method: 'GET', bytes: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', check: () => '', ...more });

async function outcome(target, more) {
  const wire = new Wire(target);
  const one = request(more);
  await wire.exchange([one]);
  wire.close();
  return [one.how, one.when].filter(Boolean).join(' ');
}

test('each end of a request has its name', async (t) => {
  for (const [answer, end, wanted] of [
    [OK, undefined, 'answered'],
    [`HTTP/1.1 100 Continue\r\n\r\n${OK}`, undefined, 'answered'],
    [`HTTP/1.1 200 OK\r\n${DATE}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`, undefined, 'answered'],
    [`${OK}x`, undefined, 'answered'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi', undefined, 'wrong after'],
    [`HTTP/1.1 200 OK\r\n${DATE}Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi`, undefined, 'wrong after'],
    [`HTTP/1.1 200 OK\r\n${DATE}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi`, undefined, 'wrong after'],
    [`HTTP/1.1 200 OK\r\n${DATE}\r\nhi`, undefined, 'wrong after'],
    [`HTTP/1.1 200 OK\n${DATE}Content-Length: 2\r\n\r\nhi`, undefined, 'wrong after'],
    [`HTTP/1.1 200 OK\r\n${DATE}Transfer-Encoding: chunked\r\n\r\n2\r\nhix\r\n`, undefined, 'wrong after'],
    ['', 'end', 'closed after'],
    ['', 'resetAndDestroy', 'reset after'],
    [OK.slice(0, -1), 'end', 'closed within'],
  ]) {
    const target = await server(t, (socket) => {
      if (answer) socket.write(answer, 'latin1', () => end && setImmediate(() => socket[end]()));
      else socket[end]();
    });
    const got = await outcome(target);
    // A wrong answer is told by its first bytes or by its end: when does not matter.
    assert.equal(got.replace('wrong within', 'wrong after'), wanted, JSON.stringify(answer) + (end ?? ''));
  }
});

test("another request's answer is wrong, and a closed door refused", async (t) => {
  const target = await server(t, (socket) => socket.write(OK));
  assert.equal(await outcome(target, { check: (response) => (response.body.toString() === 'me' ? '' : 'not mine') }), 'wrong');
  const closed = net.createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address();
  closed.close();
  await once(closed, 'close');
  assert.equal((await ask({ host: '127.0.0.1', port }, '/')).how, 'refused');
});

test('bytes that nobody asked for are no idle close', async (t) => {
  const target = await server(t, (socket) => socket.end(`${OK}HTTP/1.1 200 OK`));
  const ends = [];
  const wire = new Wire(target, { idle: (how) => ends.push(how) });
  await wire.exchange([request()]);
  await wire.closed;
  assert.deepEqual(ends, ['wrong']);
});

test('a response is read however it is cut', () => {
  const bytes = Buffer.from(`HTTP/1.1 200 OK\r\n${DATE}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3\r\nyou\r\n0\r\n\r\n${OK}`);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const reader = new Reader();
    const got = [];
    for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
      reader.push(part);
      for (let one; (one = reader.next('GET'));) got.push(one.body.toString());
    }
    assert.deepEqual(got, ['hiyou', 'hi']);
    assert.equal(reader.started, 0);
  }
});

/** Answers the n-th request on with talk(socket, id, n). */
async function underLoad(t, talk, options = {}) {
  let n = 0;
  const target = await server(t, (socket, text) => {
    for (const [, id] of text.matchAll(/GET \/echo\?id=(\S+)/g)) talk(socket, id, ++n);
  });
  const make = (id) => ({ method: 'GET', bytes: `GET /echo?id=${id} HTTP/1.1\r\nHost: a\r\n\r\n`, answer: id });
  const load = new Load(target, {
    clients: 1,
    seed: 7,
    pauseMs: 0,
    pipeline: 1,
    requests: 20,
    kinds: [{ weight: 1, route: '/echo', make }],
    ...options,
  });
  return load.start().finished();
}

const answer = (body, more = '') => `HTTP/1.1 200 OK\r\n${DATE}${more}Content-Length: ${body.length}\r\n\r\n${body}`;

test('the load counts what is lost, closed and announced', async (t) => {
  const load = await underLoad(t, (socket, id, n) => {
    if (n === 3) socket.destroy();
    else if (n === 5) socket.write(answer('another'));
    else if (n === 7) socket.end(answer(id, 'Connection: close\r\n'));
    else socket.write(answer(id));
  });
  assert.equal(load.sent, 20);
  assert.equal(load.status(200), 18);
  assert.deepEqual(
    [...load.lost.keys()].sort().map((key) => key.split(' ')[0]),
    ['closed', 'wrong'],
  );
  assert.equal(load.failed, 2);
  assert.equal(load.closed(true), 1);
  assert.equal(load.closed(false), 0);
});

test('a connection that is closed while nothing is asked of it is told apart', async (t) => {
  for (const [end, more, wanted] of [
    ['end', '', ['closed', false]],
    ['end', 'Connection: close\r\n', ['closed', true]],
    ['resetAndDestroy', '', ['reset', false]],
  ]) {
    const target = await server(t, (socket) => socket.write(answer('x', more), () => setTimeout(() => socket[end](), 20)));
    const ends = [];
    const wire = new Wire(target, { idle: (...how) => ends.push(how) });
    const one = request();
    await wire.exchange([one]);
    await wire.closed;
    assert.equal(one.how, 'answered');
    assert.deepEqual(ends, [wanted]);
  }
});
