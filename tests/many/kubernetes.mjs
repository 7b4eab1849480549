// packaging/kubernetes: is it YAML, does each name in it lead somewhere, and do the probes, ports and times fit the manifest
// in its ConfigMap?  Then the container is played: read-only root, its user, its command, its volumes, in a network
// namespace, with the probes asked as the kubelet asks them.  It needs neither kubectl nor kubeconform, and asks neither:
// whether the API server takes each field is not looked at.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { BIN, until } from '../chaos/lib/app.mjs';
import { tree } from '../chaos/lib/proc.mjs';
import { Skip, script } from '../chaos/lib/script.mjs';
import { Lan, lacking } from './lan.mjs';
import { environment, run } from './machine.mjs';

const FOLDER = new URL('../../packaging/kubernetes/', import.meta.url).pathname;
const PARSE = `import json, sys, yaml
class Strict(yaml.SafeLoader):
    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(k) for k, _ in node.value]
        twice = {k for k in keys if keys.count(k) > 1}
        if twice: raise ValueError(f"{node.start_mark}: twice: {twice}")
        return super().construct_mapping(node, deep)
print(json.dumps(list(yaml.load_all(open(sys.argv[1]), Strict))))`;
const KINDS = 'ConfigMap Deployment HorizontalPodAutoscaler Kustomization PodDisruptionBudget Service';
const TREE = resolve(dirname(BIN), '..');
const POD = '10.30.0.2';
const KUBELET = '10.30.0.1';

function parsed(file) {
  return JSON.parse(execFileSync('python3', ['-c', PARSE, file], { encoding: 'utf8' }));
}

/** "500m" -> 0.5, "768Mi" and "320MiB" -> bytes, "7s" and "5m" -> seconds. */
function amount(text) {
  const [, number, unit] = /^([\d.]+)([A-Za-z]*)$/.exec(String(text));
  const times = { '': 1, m: 0.001, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
  return Number(number) * times[unit];
}

const seconds = (text) => Number(/^(\d+)s$/.exec(text)[1]);
const port = (listen) => Number(/:(\d+)$/.exec(listen)[1]);
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** The probes of a container, and how long each waits at most, in seconds. */
const PROBES = ['startupProbe', 'livenessProbe', 'readinessProbe'];
const patience = (probe) => probe.periodSeconds * probe.failureThreshold;

/** What is wrong with the names: each leads to something that is there. */
function* names({ Deployment, Service, HorizontalPodAutoscaler, PodDisruptionBudget, ConfigMap }) {
  const { template, selector } = Deployment.spec;
  const { labels } = template.metadata;
  const [container] = template.spec.containers;
  const found = (match) => Object.entries(match).every(([key, value]) => labels[key] === value);
  if (!found(selector.matchLabels)) yield 'the Deployment does not select its own pods';
  if (!found(Service.spec.selector)) yield 'the Service selects no pod';
  if (!found(PodDisruptionBudget.spec.selector.matchLabels)) yield 'the PodDisruptionBudget selects no pod';
  for (const spread of template.spec.topologySpreadConstraints)
    if (!found(spread.labelSelector.matchLabels)) yield 'what is spread is no pod of it';
  const { kind, name, apiVersion } = HorizontalPodAutoscaler.spec.scaleTargetRef;
  const scaled = same([kind, name, apiVersion], ['Deployment', Deployment.metadata.name, Deployment.apiVersion]);
  if (!scaled) yield 'what is scaled is not there';
  if ('replicas' in Deployment.spec) yield 'replicas are the autoscaler\'s';
  const ports = container.ports.map((p) => p.name);
  for (const p of Service.spec.ports)
    if (!ports.includes(p.targetPort)) yield `the Service sends to ${p.targetPort}, which no container names`;
  for (const probe of PROBES)
    if (!ports.includes(container[probe].httpGet.port)) yield `${probe} asks a port without a name`;
  const volumes = template.spec.volumes.map((v) => v.name);
  for (const mount of container.volumeMounts) {
    if (!volumes.includes(mount.name)) yield `there is no volume ${mount.name}`;
    if (mount.subPath) yield `${mount.mountPath} would never be updated`;
  }
  const config = template.spec.volumes.find((v) => v.configMap);
  if (config.configMap.name !== ConfigMap.metadata.name) yield 'the ConfigMap that is mounted is not there';
}

/** What does not fit the manifest of the ConfigMap. */
function* fits({ Deployment, HorizontalPodAutoscaler }, manifest) {
  const pod = Deployment.spec.template;
  const [container] = pod.spec.containers;
  const number = Object.fromEntries(container.ports.map((p) => [p.name, p.containerPort]));
  if (number.http !== port(manifest.server.listen)) yield 'the app listens on another port';
  if (number.admin !== port(manifest.admin.listen)) yield 'the admin listener has another port';
  const { 'prometheus.io/port': asked, 'prometheus.io/path': at } = pod.metadata.annotations;
  if (Number(asked) !== number.admin || at !== '/metrics') yield 'Prometheus asks elsewhere';
  const { lame_duck: lame, shutdown, startup } = manifest.timeouts;
  const hook = Number(container.lifecycle.preStop.exec.command.at(-1));
  const stop = hook + seconds(lame) + seconds(shutdown);
  if (pod.spec.terminationGracePeriodSeconds <= stop) yield 'it is killed before it has stopped';
  if (patience(container.startupProbe) <= seconds(startup)) yield 'the startup probe gives up before timeouts.startup';
  const seen = patience(container.readinessProbe);
  if (seen >= hook + seconds(lame)) yield 'the lame duck ends before a readiness probe has seen it';
  const room = amount(container.resources.limits.memory) / amount(manifest.limits.memory);
  if (room < 2) yield 'no room for an engine beside another at a rolling restart';
  for (const { resource } of HorizontalPodAutoscaler.spec.metrics)
    if (!container.resources.requests[resource.name]) yield `it scales by a share of ${resource.name}, which is not asked for`;
}

/** What an admission policy of the level "restricted" wants. */
function* hardened({ Deployment }) {
  const { spec } = Deployment.spec.template;
  const [{ securityContext: own }] = spec.containers;
  if (!spec.securityContext.runAsNonRoot || !spec.securityContext.runAsUser) yield 'may run as root';
  if (spec.securityContext.seccompProfile.type !== 'RuntimeDefault') yield 'no seccomp profile';
  if (own.allowPrivilegeEscalation !== false || !same(own.capabilities.drop, ['ALL'])) yield 'keeps privileges';
  if (own.readOnlyRootFilesystem !== true) yield 'its root may be written';
}

// A root like the container's: nothing may be written but the volumes.  Arguments: the folder with app, config, state and
// tmp; the tree of actix; the user; the command.
const CONTAINER = `set -e
dir=$1; tree=$2; user=$3; shift 3
mount -t tmpfs tmpfs /mnt
mkdir /mnt/up /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/up,workdir=/mnt/work /mnt/root
cd /mnt/root
mkdir -p app etc/actix var/lib/actix "./$tree"
for at in proc dev sys; do mount --rbind "/$at" "$at"; done
mount --bind "$tree" "./$tree"
mount --bind "$dir/app" app
mount --bind "$dir/config" etc/actix
mount --bind "$dir/state" var/lib/actix
mount --bind "$dir/tmp" tmp
for at in app etc/actix "./$tree"; do mount -o remount,bind,ro "$at"; done
mount -o remount,ro /mnt/root
exec chroot . setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all -- "$@"
`;

const APP = {
  'actix.yaml': 'routes: { /: home.js, /slow: slow.js }\n',
  'home.js': "module.exports = () => 'home';\n",
  'slow.js': "module.exports = (req) => void setTimeout(() => req.sendText('slow'), 1000);\n",
};

/** The container of the Deployment, played: its command in its root, as its user, on a machine of its own. */
class Container {
  constructor(lan, { Deployment }, manifest) {
    const { spec } = Deployment.spec.template;
    [this.spec] = spec.containers;
    this.user = spec.securityContext.runAsUser;
    this.lan = lan;
    this.dir = mkdtempSync(join(tmpdir(), 'actix-pod-'));
    this.err = '';
    chmodSync(this.dir, 0o755);
    process.on('exit', () => this.clean());
    for (const name of ['app', 'config', 'state', 'tmp']) mkdirSync(join(this.dir, name));
    for (const name of ['state', 'tmp']) execFileSync('chown', [`${this.user}:${this.user}`, join(this.dir, name)]);
    for (const [name, content] of Object.entries(APP)) writeFileSync(join(this.dir, 'app', name), content);
    this.configure(manifest, 1);
    lan.plug('pod', POD);
    lan.plug('kubelet', KUBELET);
  }

  /** As the kubelet writes a ConfigMap: a folder that a link is switched to. */
  configure(manifest, n) {
    const at = (...names) => join(this.dir, 'config', ...names);
    mkdirSync(at(`..${n}`));
    writeFileSync(at(`..${n}`, 'actix.yaml'), manifest);
    symlinkSync(`..${n}`, at('..new'));
    renameSync(at('..new'), at('..data'));
    if (n === 1) symlinkSync('..data/actix.yaml', at('actix.yaml'));
  }

  command(...words) {
    return this.lan.on('pod', 'sh', '-c', CONTAINER, 'container', this.dir, TREE, String(this.user), ...words);
  }

  get where() {
    return { env: environment(Object.fromEntries(this.spec.env.map(({ name, value }) => [name, value]))) };
  }

  async start() {
    const [program, args] = this.command(BIN, ...this.spec.args);
    this.child = spawn(program, args, { ...this.where, stdio: ['ignore', 'ignore', 'pipe'] });
    this.child.stderr.on('data', (text) => (this.err += text));
    this.ended = new Promise((done) => this.child.on('close', (code, signal) => done((this.exit = code ?? signal))));
    const settled = async () => this.exit !== undefined || (await this.probe('startupProbe')) === 200;
    await until(settled, 40_000, 'the startup probe succeeds');
    if (this.exit !== undefined) throw new Error(`serve ended with ${this.exit}: ${this.err}`);
  }

  /** A command of `actix` in the container, as by kubectl exec. */
  actix(...args) {
    return run(this.command(BIN, ...args), this.where);
  }

  async get(at, number) {
    const curl = ['-s', '-m', '5', '-o', '/dev/null', '-w', '%{http_code} %header{connection}', `http://${POD}:${number}${at}`];
    return (await run(this.lan.on('kubelet', 'curl', ...curl))).stdout.trim();
  }

  async probe(name) {
    const { path, port: named } = this.spec[name].httpGet;
    return parseInt(await this.get(path, this.spec.ports.find((p) => p.name === named).containerPort), 10);
  }

  clean() {
    if (this.child && this.exit === undefined) for (const pid of tree(this.child.pid)) spawnSync('kill', ['-9', String(pid)]);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

async function played(it, all, text) {
  it.heading('the container, played');
  const pod = new Container(new Lan(), all, text);
  const written = await run(pod.command('touch', '/app/x', '/etc/x', '/x', '/var/lib/x'));
  it.equal('writing outside the volumes', written.stderr.match(/Read-only file system/g)?.length, 4);
  const check = await pod.actix('check', '--no-load', ...pod.spec.args.slice(1));
  it.equal('actix check --no-load', check.code === 0 ? 0 : check.stderr, 0);
  await pod.start();
  for (const name of PROBES) it.equal(`${name} at the start`, await pod.probe(name), 200);
  it.equal('GET /', await pod.get('/', 3001), '200');
  it.equal('GET /metrics', await pod.get('/metrics', 3002), '200');
  const status = await pod.actix('status', '--json');
  it.equal('status, by ACTIX_STATE alone', status.code, 0);
  it.figure('resident memory', `${Math.round(JSON.parse(status.stdout).memory / 2 ** 20)} MiB`);

  pod.configure(`${text}routes:\n  /more: { respond: more }\n`, 2);
  const reload = await pod.actix('reload');
  it.equal('reload, when the ConfigMap has changed', reload.code === 0 ? 0 : reload.stderr, 0);
  it.equal('its new route', await pod.get('/more', 3001), '200');
  pod.configure('server: { listen: nowhere }\n', 3);
  it.equal('reload of what is not valid', (await pod.actix('reload')).code, 3);
  it.equal('the route is still there', await pod.get('/more', 3001), '200');

  const slow = pod.get('/slow', 3001);
  process.kill(pod.child.pid, 'SIGTERM');
  await until(async () => (await pod.probe('readinessProbe')) === 503, 5_000, 'the readiness probe fails');
  it.equal('readinessProbe after TERM', await pod.probe('readinessProbe'), 503);
  it.equal('livenessProbe after TERM', await pod.probe('livenessProbe'), 200);
  it.equal('GET / after TERM', await pod.get('/', 3001), '200 close');
  it.equal('a request that was in progress', (await slow).slice(0, 3), '200');
  it.equal('exit code', await pod.ended, 0);
}

await script('kubernetes', async (it) => {
  if (spawnSync('python3', ['-c', 'import yaml']).status !== 0) throw new Skip('needs python3-yaml, to read the files');
  const files = readdirSync(FOLDER).filter((file) => file.endsWith('.yaml')).sort();
  const objects = files.flatMap((file) => parsed(join(FOLDER, file)));
  const all = Object.fromEntries(objects.map((object) => [object.kind, object]));
  it.equal('kinds', Object.keys(all).sort().join(' '), KINDS);
  const listed = [...all.Kustomization.resources, 'kustomization.yaml'].sort();
  it.equal('files of the kustomization', listed.join(' '), files.join(' '));
  const text = all.ConfigMap.data['actix.yaml'];
  const file = join(mkdtempSync(join(tmpdir(), 'actix-pod-')), 'actix.yaml');
  writeFileSync(file, text);
  const [manifest] = parsed(file);
  rmSync(join(file, '..'), { recursive: true });
  const judged = { names: names(all), 'times and ports': fits(all, manifest), hardening: hardened(all) };
  for (const [what, wrong] of Object.entries(judged)) it.equal(what, [...wrong].join('; ') || 'right', 'right');
  const why = lacking();
  if (why) it.figure('the container, played', `left out: ${why}`);
  else await played(it, all, text);
});
