// The requests that every server is asked, the right answers to them, and the check before anything is measured.
import http from 'node:http';
import net from 'node:net';

const NEAR_MS = 60_000;
const TIMEOUT_MS = 5000;

const isNow = (value) => Number.isInteger(value) && Math.abs(value - Date.now()) < NEAR_MS;
const isText = (answer, body) => answer.status === 200 && /^text\/plain/.test(answer.type) && answer.body === body;

/** An answer of exactly one more field than the time. */
function isJson(answer, name, want) {
  if (answer.status !== 200 || !/^application\/json/.test(answer.type)) return false;
  const { timestamp, [name]: value, ...rest } = JSON.parse(answer.body);
  const inOrder = (v) => JSON.stringify(v && typeof v === 'object' ? Object.entries(v).sort() : v);
  return isNow(timestamp) && Object.keys(rest).length === 0 && inOrder(value) === inOrder(want);
}

/** With Host, which whoever sends it adds, 14 fields; about 700 bytes with the request line. */
const BROWSER_FIELDS = {
  connection: 'keep-alive',
  'cache-control': 'max-age=0',
  'sec-ch-ua': '"Chromium";v="128", "Not;A=Brand";v="24", "Google Chrome";v="128"',
  'sec-ch-ua-mobile': '?0',
  'sec-ch-ua-platform': '"Linux"',
  'upgrade-insecure-requests': '1',
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36',
  accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8',
  'sec-fetch-site': 'same-origin',
  'sec-fetch-mode': 'navigate',
  'accept-encoding': 'gzip, deflate, br',
  'accept-language': 'en-GB,en;q=0.9,de;q=0.8',
  cookie: 'session=5b1e7c0f9a3d48e2b6c4d1f0; theme=dark; visitor=1732295045.8f21c9',
};

/** against: the request of the same server that it is compared with, instead of the yardstick's. */
export const CASES = {
  get: { title: 'GET /', method: 'GET', path: '/', right: (a) => isText(a, 'Hello World') },
  json: { title: 'GET /json', method: 'GET', path: '/json', right: (a) => isJson(a, 'message', 'Hello JSON') },
  echo: {
    title: 'POST /echo',
    method: 'POST',
    path: '/echo',
    headers: { 'content-type': 'text/plain' },
    body: 'hello world',
    right: (a) => isJson(a, 'echo', 'hello world'),
  },
  post: {
    title: 'POST /json',
    method: 'POST',
    path: '/json',
    headers: { 'content-type': 'application/json' },
    body: '{"test":"data","n":42}',
    right: (a) => isJson(a, 'received', { test: 'data', n: 42 }),
  },
  param: { title: 'GET /users/:id', method: 'GET', path: '/users/12345', right: (a) => isText(a, '12345') },
  pipeline: { title: 'GET /, 16 pipelined', method: 'GET', path: '/', pipeline: 16, right: (a) => isText(a, 'Hello World') },
  browser: {
    title: 'GET /browser, 14 headers',
    against: 'get',
    method: 'GET',
    path: '/browser?tab=billing',
    headers: BROWSER_FIELDS,
    right: (a) => isText(a, 'billing en-GB,en;q=0.9,de;q=0.8 same-origin "Linux"'),
  },
};

/** One request on a connection of its own. */
export function ask(port, { method, path, headers, body }) {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const options = { host: '127.0.0.1', port, method, path, headers: { ...headers, ...length }, agent: false, timeout: TIMEOUT_MS };
    const req = http.request(options, (res) => {
      let text = '';
      res.setEncoding('utf8');
      res.on('data', (part) => (text += part));
      res.on('error', reject);
      res.on('end', () => resolve({ status: res.statusCode, type: res.headers['content-type'] ?? '', body: text }));
    });
    req.on('timeout', () => req.destroy(new Error('no answer in time')));
    req.on('error', reject);
    req.end(body);
  });
}

/** As many requests in one write must be answered one by one. */
function askPipelined(port, { method, path, pipeline }) {
  const wanted = 'Hello World';
  return new Promise((resolve) => {
    let answers = '';
    const socket = net.connect(port, '127.0.0.1');
    const count = () => answers.split(wanted).length - 1;
    const end = () => {
      socket.destroy();
      resolve(count() === pipeline);
    };
    socket.setTimeout(TIMEOUT_MS, end);
    socket.on('connect', () => socket.write(`${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`.repeat(pipeline)));
    socket.on('data', (part) => {
      answers += part.toString('latin1');
      if (count() >= pipeline) end();
    });
    socket.on('error', end);
    socket.on('close', end);
  });
}

/** Whether the server on the port answers the case, one of the above or one of its own, as it must. */
export async function answers(port, name) {
  const it = CASES[name] ?? name;
  try {
    return it.pipeline ? await askPipelined(port, it) : it.right(await ask(port, it));
  } catch {
    return false; // an answer that is no answer: not offered
  }
}
