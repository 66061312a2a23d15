import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { eventually } from './eventually.js';
import { portRange } from './port-range.js';

/** `sipscribe serve` as a process of its own, as a supervisor runs it. */
export class ServerProcess {
  readonly root = mkdtempSync(join(tmpdir(), 'sipscribe-process-'));
  readonly dataDir = join(this.root, 'data');
  readonly #child: ChildProcess;
  /** The exit code; null after a signal. */
  readonly exited: Promise<number | null>;
  /** Everything on stdout and stderr. */
  output = '';
  sipPort = 0;
  httpPort = 0;

  constructor(env: Readonly<Record<string, string>>) {
    const ports = portRange(400);
    this.#child = spawn(process.execPath, [resolve('dist/src/cli.js'), 'serve'], {
      env: {
        PATH: process.env.PATH ?? '',
        HOME: process.env.HOME ?? '',
        SIP_HOST: '127.0.0.1',
        UDP_PORTS: '0',
        TCP_PORTS: '0',
        HTTP_PORT: '0',
        RTP_PORT_MIN: String(ports),
        RTP_PORT_MAX: String(ports + 399),
        DATA_DIR: this.dataDir,
        TMPDIR: join(this.root, 'tmp'),
        WHISPER_MAX_CONCURRENT: '1',
        WHISPER_LANGUAGE: 'en',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (bytes: Buffer) => {
        this.output += bytes.toString();
      });
    }
    this.exited = new Promise((done) => this.#child.once('close', done));
  }

  /** Started, with its ports read from the line that says so. */
  static async ready(env: Readonly<Record<string, string>>): Promise<ServerProcess> {
    const server = new ServerProcess(env);
    try {
      const line = await server.logged('sipscribe is ready', 60_000);
      server.sipPort =
        (line.sip as { transport: string; port: number }[]).find((a) => a.transport === 'udp')?.port ?? 0;
      server.httpPort = (line.http as { port: number }).port;
      return server;
    } catch (error) {
      await server.dispose();
      throw new Error(`the server did not start: ${server.output}`, { cause: error });
    }
  }

  /** The first log line with this message, when it has come. */
  logged(message: string, timeoutMs = 20_000): Promise<Record<string, unknown>> {
    return eventually(`the log line "${message}"`, () => this.lines().find((line) => line.msg === message), timeoutMs);
  }

  lines(): Record<string, unknown>[] {
    return this.output.split('\n').flatMap((line) => {
      try {
        return [JSON.parse(line)];
      } catch {
        return [];
      }
    });
  }

  /** Whoever read its log is gone. */
  closeOutput(): void {
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async get(path: string, key?: string): Promise<{ readonly status: number; readonly body: string }> {
    const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
    const response = await fetch(`http://127.0.0.1:${this.httpPort}${path}`, { headers });
    return { status: response.status, body: await response.text() };
  }

  /** Sends one SIP request without a body over UDP and resolves with the final response as text. */
  async request(method: 'OPTIONS' | 'INVITE'): Promise<string> {
    const socket = createSocket('udp4');
    try {
      await new Promise<void>((done) => socket.bind(0, '127.0.0.1', done));
      const local = `127.0.0.1:${socket.address().port}`;
      const answer = new Promise<string>((done) => {
        socket.on('message', (bytes) => {
          if (!/^SIP\/2\.0 1/.test(bytes.toString('latin1', 0, 9))) done(bytes.toString('latin1'));
        });
      });
      const lines = [
        `${method} sip:srs@127.0.0.1:${this.sipPort} SIP/2.0`,
        `Via: SIP/2.0/UDP ${local};branch=z9hG4bK${method}${socket.address().port}`,
        'Max-Forwards: 70',
        `From: <sip:src@${local}>;tag=1`,
        `To: <sip:srs@127.0.0.1:${this.sipPort}>`,
        `Call-ID: probe-${method}-${socket.address().port}`,
        `CSeq: 1 ${method}`,
        `Contact: <sip:src@${local}>`,
        'Content-Length: 0',
      ];
      socket.send(`${lines.join('\r\n')}\r\n\r\n`, this.sipPort, '127.0.0.1');
      return await answer;
    } finally {
      socket.close();
    }
  }

  /** The folders of all recordings, absolute. */
  recordings(): string[] {
    const base = join(this.dataDir, 'recordings');
    return readdirSync(base).flatMap((day) => readdirSync(join(base, day)).map((name) => join(base, day, name)));
  }

  /** Nothing of it is left. */
  async dispose(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
    rmSync(this.root, { recursive: true, force: true });
  }
}
