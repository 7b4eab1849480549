// The handlers that the load runs against, and the requests for them.  Each request carries an id of its own, and each
// answer must bring it back.

const FILES = {
  'handlers/echo.js': 'module.exports = (req) => req.query.id;\n',
  'handlers/tick.js': 'module.exports = async (req) => { await null; await null; return req.query.id; };\n',
  'handlers/wait.js': `module.exports = async (req) => {
  await new Promise((resolve) => setTimeout(resolve, Number(req.query.ms)));
  return req.query.id;
};\n`,
  'handlers/late.js': 'module.exports = (req) => { setTimeout(() => req.sendText(req.query.id), 2); };\n',
  'handlers/user.js': 'module.exports = (req) => req.params.id;\n',
  'handlers/body.js': "module.exports = (req) => req.query.id + ':' + req.getBodyString();\n",
  'handlers/big.js': `const rest = Buffer.alloc(40000, 'x');
module.exports = (req) => Buffer.concat([Buffer.from(req.query.id), rest]);\n`,
};

const ROUTES = {
  '/echo': 'handlers/echo.js',
  '/tick': 'handlers/tick.js',
  '/wait': 'handlers/wait.js',
  '/late': 'handlers/late.js',
  '/users/:id': 'handlers/user.js',
  '/body': { POST: 'handlers/body.js' },
  '/big': 'handlers/big.js',
  '/fixed': { respond: 'fixed' },
};

const BIG = 'x'.repeat(40000);

function get(path) {
  return `GET ${path} HTTP/1.1\r\nHost: chaos\r\nUser-Agent: chaos\r\n\r\n`;
}

function plain(route, path = (id) => `${route}?id=${id}`, answer = (id) => id) {
  return (id) => ({ method: 'GET', bytes: get(path(id)), answer: answer(id) });
}

/** Kinds of requests; those that await are lost with the worker that they are in. */
const KINDS = [
  { weight: 8, route: '/echo', awaits: false, make: plain('/echo') },
  { weight: 4, route: '/users/:id', awaits: false, make: plain('', (id) => `/users/${id}`) },
  { weight: 3, route: '/tick', awaits: true, make: plain('/tick') },
  { weight: 2, route: '/late', awaits: true, make: plain('/late') },
  { weight: 1, route: '/big', awaits: false, make: plain('/big', undefined, (id) => id + BIG) },
  {
    weight: 2,
    route: '/fixed',
    awaits: false,
    make: plain(
      '/fixed',
      () => '/fixed',
      () => 'fixed',
    ),
  },
  {
    weight: 2,
    route: '/wait',
    awaits: true,
    make: (id, random) => ({ method: 'GET', bytes: get(`/wait?ms=${random.int(1, 20)}&id=${id}`), answer: id }),
  },
  {
    weight: 2,
    route: '/body',
    awaits: false,
    make(id, random) {
      const body = 'b'.repeat(random.int(0, 3000));
      const head = `POST /body?id=${id} HTTP/1.1\r\nHost: chaos\r\nContent-Length: ${body.length}\r\n\r\n`;
      return { method: 'POST', bytes: head + body, answer: `${id}:${body}` };
    },
  },
];

/** What the server itself may answer instead is for the script to judge. */
function checker(answer) {
  return (response) => {
    if (response.status !== 200) return '';
    const body = response.body.latin1Slice();
    return body === answer ? '' : `wanted ${JSON.stringify(answer.slice(0, 60))}, got ${JSON.stringify(body.slice(0, 60))}`;
  };
}

export const mix = {
  FILES,
  ROUTES,
  KINDS,
  request(kind, id, random) {
    const made = kind.make(id, random);
    return { ...made, id, route: kind.route, awaits: kind.awaits, check: checker(made.answer) };
  },
};
