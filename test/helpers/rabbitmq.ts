import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'amqplib';
import { eventually } from './eventually.js';

/** A real RabbitMQ of this machine's package, as a private node: own name, ports, data, cookie and port mapper. */
export interface RabbitMq {
  readonly url: string;
  readonly port: number;
  /** Ends the broker as an operator would; durable queues and persistent messages stay. */
  stop(): Promise<void>;
  /** Ends the broker as a power cut would. */
  kill9(): Promise<void>;
  /** Starts it again on the same port with the same data. */
  start(): Promise<void>;
  restart(): Promise<void>;
  /** The broker's sockets stay open and nobody answers (SIGSTOP). */
  freeze(): void;
  thaw(): void;
  /** Stops everything and removes the data. Idempotent. */
  dispose(): Promise<void>;
}

const LIBRARY = '/usr/lib/rabbitmq/lib';

export async function startRabbitMq(): Promise<RabbitMq> {
  const node = new PrivateNode(findServer(), await freePorts(3));
  // The broker has a process group of its own; it must not outlive a test run that breaks off.
  process.once('exit', () => node.abandon());
  try {
    await node.start();
  } catch (error) {
    await node.dispose();
    throw error;
  }
  return node;
}

function findServer(): string {
  const release = existsSync(LIBRARY)
    ? readdirSync(LIBRARY).find((name) => name.startsWith('rabbitmq_server-'))
    : undefined;
  const script = release === undefined ? undefined : join(LIBRARY, release, 'sbin', 'rabbitmq-server');
  if (script === undefined || !existsSync(script)) {
    throw new Error('RabbitMQ is not installed; these tests need it: apt-get install -y rabbitmq-server');
  }
  return script;
}

class PrivateNode implements RabbitMq {
  readonly port: number;
  readonly url: string;
  readonly #script: string;
  readonly #folder: string;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #mapperPort: number;
  #mapper: ChildProcess | undefined;
  #broker: ChildProcess | undefined;

  constructor(script: string, [port, distributionPort, mapperPort]: readonly [number, number, number]) {
    this.#script = script;
    this.port = port;
    this.url = `amqp://guest:guest@127.0.0.1:${port}`;
    this.#mapperPort = mapperPort;
    this.#folder = mkdtempSync(join(tmpdir(), 'sipscribe-rabbitmq-'));
    for (const name of ['data', 'log', 'home']) mkdirSync(join(this.#folder, name));
    writeFileSync(join(this.#folder, 'plugins'), '[].\n');
    writeFileSync(join(this.#folder, 'rabbitmq.conf'), CONFIGURATION);
    this.#environment = {
      PATH: process.env.PATH,
      LANG: 'C.UTF-8',
      HOME: join(this.#folder, 'home'),
      RABBITMQ_NODENAME: `rabbit-${port}@localhost`,
      RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
      RABBITMQ_NODE_PORT: String(port),
      RABBITMQ_DIST_PORT: String(distributionPort),
      RABBITMQ_MNESIA_BASE: join(this.#folder, 'data'),
      RABBITMQ_LOG_BASE: join(this.#folder, 'log'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(this.#folder, 'plugins'),
      RABBITMQ_CONFIG_FILE: join(this.#folder, 'rabbitmq.conf'),
      RABBITMQ_CONF_ENV_FILE: '/dev/null',
      // The script then becomes the broker itself instead of a shell that waits for it, so signals meet the right process.
      RUNNING_UNDER_SYSTEMD: 'true',
      ERL_EPMD_PORT: String(mapperPort),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      // One scheduler is enough for a test, and two cores are shared with everything else.
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none',
    };
  }

  async start(): Promise<void> {
    this.#mapper ??= spawn('epmd', ['-port', String(this.#mapperPort), '-address', '127.0.0.1'], {
      env: this.#environment,
      stdio: 'ignore',
    });
    const broker = spawn(this.#script, [], {
      env: this.#environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#broker = broker;
    let said = '';
    const listen = (chunk: Buffer): void => {
      said = (said + chunk.toString()).slice(-4000);
    };
    broker.stdout?.on('data', listen);
    broker.stderr?.on('data', listen);
    await eventually(
      'the broker answers',
      async () => {
        if (broker.exitCode !== null) throw new Error(`rabbitmq-server ended at once: ${said}${this.#log()}`);
        return answers(this.url);
      },
      90_000,
      200,
    );
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async kill9(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  freeze(): void {
    this.signal('SIGSTOP');
  }

  thaw(): void {
    this.signal('SIGCONT');
  }

  async dispose(): Promise<void> {
    this.thaw();
    await this.kill9();
    const mapper = this.#mapper;
    this.#mapper = undefined;
    if (mapper && mapper.exitCode === null) {
      const gone = new Promise((resolve) => mapper.once('exit', resolve));
      mapper.kill('SIGKILL');
      await gone;
    }
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** What can still be done while the process ends: nothing of the node may outlive it. */
  abandon(): void {
    this.signal('SIGKILL');
    this.#mapper?.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const broker = this.#broker;
    this.#broker = undefined;
    if (!broker || broker.exitCode !== null || broker.signalCode !== null) return;
    const gone = new Promise((resolve) => broker.once('exit', resolve));
    this.signal(signal, broker);
    await gone;
  }

  /** To the whole group: the broker has helpers of its own. */
  signal(signal: NodeJS.Signals, broker = this.#broker): void {
    if (broker?.pid === undefined) return;
    try {
      process.kill(-broker.pid, signal);
    } catch {
      // It has ended already.
    }
  }

  #log(): string {
    const folder = join(this.#folder, 'log');
    return readdirSync(folder)
      .map((name) => readFileSync(join(folder, name), 'utf8').slice(-2000))
      .join('\n');
  }
}

/** The disk alarm would block publishers on a nearly full machine, which is not what these tests are about. */
const CONFIGURATION = `
disk_free_limit.absolute = 1MB
loopback_users = none
log.console = true
`;

async function answers(url: string): Promise<boolean> {
  try {
    const connection = await connect(url, { timeout: 2000 });
    connection.on('error', () => {});
    await connection.close();
    return true;
  } catch {
    return false;
  }
}

/** Ports that were free a moment ago. */
async function freePorts(count: 3): Promise<[number, number, number]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => {
            const address = server.address();
            resolve(typeof address === 'object' && address ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  const [first = 0, second = 0, third = 0] = ports;
  return [first, second, third];
}
