// The parts of the benchmark that need no server: figures, tables, the chart, wrk's histogram, options, filling in.
import assert from 'node:assert/strict';
import test from 'node:test';
import { CASES } from '../../bench/load/cases.mjs';
import { divide } from '../../bench/load/context.mjs';
import { argumentsOf } from '../../bench/load/loader.mjs';
import { describe as describeHandlers } from '../../bench/load/measure/handlers.mjs';
import { parseHistogram, parseWrk, uncorrected } from '../../bench/load/measure/guide.mjs';
import { chosen, parseOptions } from '../../bench/load/options.mjs';
import { alive, cpuList, cpuSeconds, memory, tree } from '../../bench/load/proc.mjs';
import { launch, run, stop, temporary, cleanUp, wrapped } from '../../bench/load/process.mjs';
import { fillIn, partsOf } from '../../bench/load/report.mjs';
import { announced } from '../../bench/load/server.mjs';
import { figure, median, percentile, ratio, rounded, spread, thousands } from '../../bench/load/stats.mjs';
import { chart, escapeXml } from '../../bench/load/svg.mjs';
import { markdownTable, plainTable } from '../../bench/load/table.mjs';
import { TARGETS, judge, renewed, targetTable } from '../../bench/load/targets.mjs';
import { paired, rotated } from '../../bench/load/rounds.mjs';
import xml from '../integration/xml.js';

test('medians, ratios and how they are written', () => {
  const medians = [[[], NaN], [[3], 3], [[9, 1], 5], [[2, 9, 1], 2], [[1, NaN, 3, undefined], 2], [[10, 9, 100], 10]];
  for (const [list, want] of medians) assert.equal(median(list), want, JSON.stringify(list));
  const ratios = [[1, 2, 0.5], [1, 0, NaN], [NaN, 1, NaN], [undefined, 1, NaN], [1, undefined, NaN]];
  for (const [a, b, want] of ratios) assert.equal(ratio(a, b), want);
  const figures = [[0, 0, '0'], [999, 0, '999'], [1000, 0, '1,000'], [1234567.891, 2, '1,234,567.89'], [0.0449, 2, '0.04'], [NaN, 1, '–'], [undefined, 0, '–']];
  for (const [value, digits, want] of figures) assert.equal(figure(value, digits), want);
  assert.deepEqual(spread([{ a: 3 }, { a: 1 }, {}, { a: 2 }], 'a'), { median: 2, min: 1, max: 3 });
  assert.ok(Number.isNaN(spread([], 'a').min));
  assert.deepEqual([9999, 10_000, 141_499].map(thousands), ['9,999', '10k', '141k']);
  assert.deepEqual([rounded(1.23456), rounded(1.5, 0), rounded(NaN)], [1.235, 2, null]);
  assert.deepEqual([0.5, 0.99, 1].map((p) => percentile([[1, 50], [7, 49], [900, 1]], p)), [1, 7, 900]);
  assert.ok(Number.isNaN(percentile([], 0.5)));
});

test('tables line up, and cells cannot break them', () => {
  assert.equal(plainTable(['a', 'bb'], [['long', 1], ['x', 22]]), 'a     bb\nlong   1\nx     22');
  assert.equal(markdownTable(['a', 'b'], [['x|y', 'two\nlines']]), '| a | b |\n|---|---|\n| x\\|y | two lines |');
});

const panels = [{ title: 'µs <less>', format: String }, { title: 'more & better', format: String }];
const evil = `"</text><script>'&\u0001`;

test('the chart is well-formed whatever the texts are', () => {
  const groups = [{ title: evil, bars: [{ label: evil, kind: 'own', values: [1, NaN] }, { label: 'b', kind: 'js', values: [0, 1e6] }] }, { title: 'none', bars: [] }];
  const svg = chart({ title: evil, subtitle: evil, panels, groups, legend: [{ kind: 'own', label: evil }] });
  const seen = xml.elements(svg);
  assert.equal(seen.script, undefined);
  assert.equal(seen.svg, 1);
  assert.equal(seen.rect, 1 + 1 + 3); // the page, the legend, a bar for each figure there is
  for (const part of ['prefers-color-scheme: dark', 'µs &lt;less&gt;', 'more &amp; better', '<title>']) assert.ok(svg.includes(part), part);
  assert.equal(escapeXml(`<a b="c">&'`), '&lt;a b=&quot;c&quot;&gt;&amp;&#39;');
  xml.elements(chart({ title: '', subtitle: '', panels, groups: [], legend: [] }));
});

test('bars are to scale within a group', () => {
  const bars = [10, 5, 2.5].map((value) => ({ label: `v${value}`, kind: 'own', values: [value] }));
  const svg = chart({ title: 't', subtitle: '', panels: [panels[0]], groups: [{ title: 'g', bars }], legend: [] });
  const widths = [...svg.matchAll(/width="([\d.]+)" height="11" class="own"/g)].map((m) => Number(m[1]));
  assert.equal(widths.length, 3);
  assert.ok(Math.abs(widths[1] / widths[0] - 0.5) < 0.01 && Math.abs(widths[2] / widths[0] - 0.25) < 0.01, String(widths));
});

test('a bar of many times the shortest is cut, and shows it', () => {
  const bars = [1, 2, 50].map((value) => ({ label: `v${value}`, kind: 'own', values: [value] }));
  const svg = chart({ title: 't', subtitle: '', panels: [{ ...panels[0], cut: 5 }], groups: [{ title: 'g', bars }], legend: [] });
  const widths = [...svg.matchAll(/width="([\d.]+)" height="11" class="own"/g)].map((m) => Number(m[1]));
  assert.ok(Math.abs(widths[1] / widths[2] - 2 / 5) < 0.01, String(widths));
  assert.equal(xml.elements(svg).path, 1);
});

test('the check of XML finds what is wrong', () => {
  const bad = ['<a>', '<a></b>', '<a/><b/>', '<a x=1/>', '<a x="1" x="2"/>', '<a>&</a>', '<a>&nbsp;</a>', '<a><</a>', 'x<a/>', '<a>\u0001</a>'];
  for (const text of bad) assert.throws(() => xml.elements(text), text);
  assert.deepEqual(xml.elements('<a x="1"><b/>&amp;<b>t</b></a>'), { a: 1, b: 2 });
});

/** stats_correct of wrk 4.1, on the same pairs. */
function corrected(pairs, expected) {
  const counts = new Map(pairs);
  for (const [n, count] of pairs)
    if (n >= 2 * expected) for (let m = n - expected; m > expected; m -= expected) counts.set(m, (counts.get(m) ?? 0) + count);
  return [...counts].sort((a, b) => a[0] - b[0]);
}

test("wrk's correction is taken back exactly", () => {
  const tables = [
    [[[3, 10], [5, 7], [40, 1]], 7],
    [[[1, 1], [2, 1], [3, 1], [100, 5], [101, 2], [250, 1]], 10],
    [Array.from({ length: 300 }, (_, i) => [i + 1, 1 + (i % 4)]), 20],
    [[[5, 4], [9, 1]], 0],
  ];
  for (const [pairs, interval] of tables)
    assert.deepEqual(uncorrected(interval ? corrected(pairs, interval) : pairs, interval), pairs, JSON.stringify(pairs).slice(0, 60));
  assert.deepEqual(parseHistogram('interval 12\n1 5\n7 2\n'), { interval: 12, pairs: [[1, 5], [7, 2]] });
});

test('what wrk prints is read', () => {
  const text = `Running 4s test
  Latency Distribution
     50%    4.78ms
     75%    5.57ms
     99%    1.02s
  318664 requests in 4.10s, 48.62MB read
  Socket errors: connect 1, read 2, write 0, timeout 3
  Non-2xx or 3xx responses: 4
Requests/sec:  77750.96
`;
  assert.deepEqual(parseWrk(text), { rps: 77750.96, p50: 4780, p99: 1_020_000, errors: 10 });
  assert.equal(parseWrk(text.replace(/ +(Socket|Non).*\n/g, '')).errors, 0);
  assert.equal(parseWrk('  99%  850.00us\n').p99, 850);
});

test('options have the types of their defaults, and an empty one is the default', () => {
  const defaults = { peers: ['a', 'b'], rounds: 5, out: 'x' };
  assert.deepEqual(parseOptions(['--peers', 'b, c', '--rounds', '2', '--out', 'y'], defaults), { peers: ['b', 'c'], rounds: 2, out: 'y' });
  assert.deepEqual(parseOptions(['--peers', '', '--rounds', ''], defaults), defaults);
  for (const argv of [['--no', '1'], ['x'], ['--rounds'], ['--rounds', 'two'], ['--rounds', '0'], ['--rounds', '-1']])
    assert.throws(() => parseOptions(argv, defaults), { usage: true }, argv.join(' '));
  assert.deepEqual(chosen(['a'], { a: 1 }, 'peer'), ['a']);
  assert.throws(() => chosen(['z', 'a'], { a: 1 }, 'peer'), /no peer "z".*a/);
});

test('a case becomes arguments of the load generator', () => {
  const argv = argumentsOf('post', { port: 1, seconds: 2, connections: 3 });
  const after = (name) => argv[argv.indexOf(name) + 1];
  assert.deepEqual([after('--path'), after('--method'), after('--body'), after('--port'), after('--pipeline')], ['/json', 'POST', CASES.post.body, '1', '1']);
  assert.ok(argv.includes('content-type: application/json') && argv.includes('--json'));
  const pipelined = argumentsOf('pipeline', { port: 1, seconds: 1, connections: 1 });
  assert.equal(pipelined[pipelined.indexOf('--pipeline') + 1], '16');
});

test("the browser's request has 14 fields and 700 bytes", () => {
  const { path, headers } = CASES.browser;
  const fields = Object.entries({ host: '127.0.0.1:40000', ...headers });
  const bytes = `GET ${path} HTTP/1.1\r\n${fields.map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n`.length;
  assert.equal(fields.length, 14);
  assert.ok(Math.abs(bytes - 700) <= 5, String(bytes));
});

test('right answers are told from wrong ones', () => {
  const json = (value, more = {}) => ({ status: 200, type: 'application/json; charset=utf-8', body: JSON.stringify(value), ...more });
  const timestamp = Date.now();
  const { post, get, json: read } = CASES;
  assert.ok(post.right(json({ received: { n: 42, test: 'data' }, timestamp })));
  assert.ok(!post.right(json({ received: { n: 42 }, timestamp })));
  assert.ok(!read.right(json({ message: 'Hello JSON', timestamp: 1 })));
  assert.ok(!read.right(json({ message: 'Hello JSON', timestamp, more: 1 })));
  assert.ok(!read.right(json({ message: 'Hello JSON', timestamp }, { status: 500 })));
  assert.ok(!get.right({ status: 200, type: 'text/html', body: 'Hello World' }));
});

test('addresses, CPUs and turns', () => {
  assert.deepEqual([0, 1, 3].map((round) => rotated(['a', 'b', 'c'], round).join('')), ['abc', 'bca', 'abc']);
  const lines = [['listening on http://127.0.0.1:3001\n', 3001], ['42331\n', 42331], ['listening on 8080\n', 8080], ['nothing yet', 0], ['', 0]];
  for (const [text, port] of lines) assert.equal(announced(text), port, text);
  assert.deepEqual(cpuList('0-2,5'), [0, 1, 2, 5]);
  assert.deepEqual(divide([3]), { all: [3], serverCpus: [], clientCpus: [] });
  assert.deepEqual(divide([0, 1, 2]).clientCpus, [1]);
  assert.deepEqual(wrapped(['x'], { cpus: [0, 1] }), ['taskset', '-c', '0,1', 'x']);
  assert.deepEqual(wrapped(['x'], { cpus: [] }), ['x']);
});

test('a page keeps its prose around what is filled in', () => {
  const page = 'a\n<!-- bench:cpu -->\nold\n<!-- /bench:cpu -->\nb <!-- bench:half -->\n';
  const filled = fillIn(page, { cpu: '$& new', none: 'x', half: 'y' });
  assert.equal(filled, 'a\n<!-- bench:cpu -->\n$& new\n<!-- /bench:cpu -->\nb <!-- bench:half -->\n');
  assert.equal(fillIn(filled, { cpu: '$& new' }), filled);
});

const made = (peer, name, cpu, rps) => ({ peer, case: name, round: 1, cpu_us: cpu, rps, p50: 1, p99: rps, requests: 1, errors: 0, non2xx: 0 });

test('targets say yes, no, or that nothing was measured', () => {
  const runs = [made('actix', 'get', 7, 100), made('yardstick', 'get', 7, 90), made('uws', 'get', 7, 90), made('node-http', 'get', 20, 20)];
  const judged = judge({ runs, further: { burst: { first: { median: 7.4 }, replaced: 0 } } });
  const met = Object.fromEntries(judged.map((t) => [t.what, t.met]));
  assert.equal(judged.length, TARGETS.length);
  assert.equal(met['CPU per request to the yardstick'], true);
  assert.equal(met['CPU per request to uWebSockets.js'], false);
  assert.equal(met['requests/s to node:http'], true);
  assert.equal(met['requests/s to Express'], undefined);
  assert.equal(met['burst on a handler of 5 ms: first answer'], false);
  assert.equal(met['the same: workers replaced'], true);
  assert.equal(targetTable(judged).split('\n').length, TARGETS.length + 2);
});

test('ratios round by round do not feel a drift', () => {
  const drift = [1, 10, 3].flatMap((cpu, i) => [{ ...made('a', 'get', cpu, 1), round: i }, { ...made('b', 'get', cpu * 1.5, 1), round: i }]);
  assert.equal(paired(drift, 'b', 'a', 'cpu_us'), 1.5);
  assert.ok(Number.isNaN(paired([], 'b', 'a', 'cpu_us')));
});

test('a request is compared with the one of the same server that was measured beside it', () => {
  const run = (cpu, plain, round) => ({ ...made('actix', 'browser', cpu, 1), round, beside: { cpu_us: plain } });
  const runs = [run(12, 10, 1), run(26, 20, 2), run(7, 5, 3)];
  const browser = judge({ runs, further: {} }).find((t) => t.what === 'CPU of a browser-like request to GET /');
  assert.deepEqual([browser.got, browser.met], ['1.30×', false]);
});

test('one target misses when one of its requests does', () => {
  const both = (peer, a, b) => [made(peer, 'get', a, 1), made(peer, 'json', b, 1)];
  const judged = judge({ runs: [...both('actix', 10, 12), ...both('yardstick', 10, 10)], further: {} });
  assert.deepEqual(judged[0], { what: 'CPU per request to the yardstick', want: '≤ 1.10×', got: 'get 1.00×, json 1.20×', met: false });
});

test('the geometric mean of requests per second is shown, and each is judged', () => {
  const both = (peer, a, b) => [made(peer, 'get', 1, a), made(peer, 'json', 1, b)];
  const judged = judge({ runs: [...both('actix', 40, 25), ...both('node-http', 10, 10)], further: {} });
  const { got, met } = judged.find((t) => t.what === 'requests/s to node:http');
  assert.deepEqual([got, met], ['mean 3.16×, get 4.00×, json 2.50×', false]);
});

test('what is started is ended with all below it', async (t) => {
  t.after(cleanUp);
  const dir = temporary('test');
  const it = launch(['sh', '-c', 'sleep 600 & sleep 600 & echo up; wait'], { cwd: dir });
  while (!it.stdout.includes('up')) await new Promise((resolve) => setImmediate(resolve));
  const all = tree(it.pid);
  assert.equal(all.length, 3);
  assert.ok(memory(it.pid).rss > 0 && cpuSeconds(it.pid) >= 0);
  await stop(it);
  assert.deepEqual(all.filter(alive), []);
});

test('a command that fails says what it said', async () => {
  assert.equal(await run(['echo', 'x']), 'x\n');
  await assert.rejects(run(['sh', '-c', 'echo no such luck >&2; exit 3']), /3: no such luck/);
  await assert.rejects(run(['/no/such/program']), /ENOENT/);
  await assert.rejects(run(['sleep', '60'], { limit: 0.05 }), /SIGKILL/);
});

test('rows of targets are renewed where something was measured, and new ones come last', () => {
  const table = targetTable([{ what: 'a', want: '≤ 1', got: '2', met: false }, { what: 'ab', want: '≤ 1', got: '1', met: true }]);
  const fresh = [{ what: 'a', want: '≤ 1', got: '$&', met: true }, { what: 'ab', want: '≤ 1', got: '', met: undefined }, { what: 'c', want: '≥ 2', got: '3', met: true }];
  assert.deepEqual(renewed(table, fresh).split('\n').slice(2), ['| a | ≤ 1 | $& | yes |', '| ab | ≤ 1 | 1 | yes |', '| c | ≥ 2 | 3 | yes |']);
});

const compared = (peer, name, ratio) => {
  const one = { median: 1000, min: 1000, max: 1000 };
  return { peer, case: name, rps: one, p50: one, p99: one, cpu_us: one, rps_ratio: ratio, cpu_ratio: 1 / ratio, errors: 0, non2xx: 0, client_bound: ratio > 1 };
};

test('handlers of other kinds are judged by what they are held against', () => {
  const hono = [compared('Hono, actix', 'get', 4), compared('Hono, actix', 'json', 1.9)];
  const handlers = { rows: [compared('nginx, sendfile on', 'file', 1), ...hono], hono, static: [compared('actix, `static`', 'file', 0.85)] };
  const judged = judge({ runs: [], further: { handlers } });
  const row = (what) => judged.find((t) => t.what.startsWith(what));
  const { got, met } = row('Hono');
  assert.deepEqual([got, met], ['mean 2.76×, get 4.00×, json 1.90×', false]);
  assert.deepEqual([row('a static file').got, row('a static file').want, row('a static file').met], ['file 0.85×', '≥ 0.80×', true]);
  assert.equal(row('Express by').met, undefined);
  const text = describeHandlers(handlers);
  assert.match(text, /\| Hono, actix \| GET \/json \| 1,000† \| 1.90 \|/);
  assert.match(text, /\| nginx, sendfile on \| GET, 10 KB \| 1,000 \| 1.00 \|/);
  assert.match(text, /out of CPU/);
});

test('the place of one measure has its own machine and day', () => {
  const spread3 = { median: 5, min: 5, max: 5 };
  const machine = { cpu: 'C', cpus: 2, kernel: 'K', node: 'v1', date: '2020-01-02T', revision: 'abc', build: {}, server_cpus: [0], client_cpus: [1] };
  const results = { machine, options: { rounds: 1, seconds: 1, connections: 64 }, runs: [], further: { burst: { clients: 1, bursts: 1, replaced: 0, first: spread3, last: spread3 } } };
  results.targets = judge(results);
  const page = '<!-- bench:burst -->\n<!-- /bench:burst -->\n<!-- bench:targets -->\n| old | row |\n<!-- /bench:targets -->\n';
  const text = fillIn(page, partsOf(results, ['burst'], page));
  for (const part of ['2020-01-02, revision abc.', '1 connections ask', '| old | row |\n| burst on a handler of 5 ms: first answer | ≤ 7 ms | 5.0 ms | yes |']) assert.ok(text.includes(part), text);
  assert.deepEqual(Object.keys(partsOf(results, ['burst'], 'no places')), ['burst']);
});
