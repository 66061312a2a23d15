import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { StreamFramer } from '../../src/sip/stream-framer.js';
import type { Credentials } from '../helpers/certificates.js';
import { Peer } from './engine-kit.js';

/** A SIP peer on a real TLS connection. */
export class TlsPeer extends Peer {
  readonly transport = 'TLS';
  readonly socket: TLSSocket;
  port = 0;
  pongs = 0;
  closed = false;
  error: Error | undefined;

  private constructor(socket: TLSSocket) {
    super();
    this.socket = socket;
    const framer = new StreamFramer();
    socket.on('data', (chunk: Buffer) => {
      if (chunk.toString() === '\r\n') this.pongs++;
      for (const item of framer.push(chunk)) if (item.kind === 'message') this.take(item.bytes);
    });
    socket.on('error', (error) => {
      this.error = error;
    });
    socket.on('close', () => {
      this.closed = true;
    });
  }

  /** Resolves when the client's side of the handshake is done; rejects when that failed. With TLS 1.3 a refusal may come later. */
  static async open(server: number, options: ConnectionOptions = {}): Promise<TlsPeer> {
    const host = options.host ?? '127.0.0.1';
    const peer = new TlsPeer(connect({ port: server, host, rejectUnauthorized: false, ...options }));
    await once(peer.socket, 'secureConnect');
    peer.port = peer.socket.localPort ?? 0;
    return peer;
  }

  send(message: string | Uint8Array): void {
    if (this.socket.writable) this.socket.write(message);
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.socket.destroy();
    await once(this.socket, 'close');
  }
}

export const optionsRequest = (id: string): string =>
  [
    'OPTIONS sip:srs@127.0.0.1 SIP/2.0',
    `Via: SIP/2.0/TLS 127.0.0.1:5061;branch=z9hG4bK-${id}`,
    'Max-Forwards: 70',
    'From: <sip:src@127.0.0.1>;tag=src',
    'To: <sip:srs@127.0.0.1>',
    `Call-ID: ${id}`,
    'CSeq: 1 OPTIONS',
    'Content-Length: 0',
    '\r\n',
  ].join('\r\n');

export interface Outcome {
  /** Whether OPTIONS got its 200. */
  readonly answered: boolean;
  /** As each client names it: `TLSv1.2`, `TLSv1.3`. */
  readonly version: string | undefined;
}

let serial = 0;

/** Shakes hands with `openssl s_client`, sends OPTIONS and waits for the answer or the end. */
export async function askByOpenssl(
  port: number,
  as: Credentials | undefined,
  ...more: readonly string[]
): Promise<Outcome> {
  const shown = as === undefined ? [] : ['-cert', as.certFile, '-key', as.keyFile];
  const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-ign_eof', ...shown, ...more];
  const child = spawn('openssl', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => {
      output += bytes.toString('latin1');
      if (output.includes('SIP/2.0 200 OK')) child.kill();
    });
  }
  child.stdin.on('error', () => {});
  child.stdin.write(optionsRequest(`s-client-${process.pid}-${++serial}`));
  await once(child, 'close');
  return {
    answered: output.includes('SIP/2.0 200 OK'),
    version: /New, (TLSv1\.\d)/.exec(output)?.[1],
  };
}

/** The same with Node's client. */
export async function askByNode(
  port: number,
  as: Credentials | undefined,
  more: ConnectionOptions = {},
): Promise<Outcome> {
  const shown = as === undefined ? {} : { cert: as.cert, key: as.key };
  let version: string | undefined;
  const answered = await new Promise<boolean>((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...shown, ...more });
    socket.on('secureConnect', () => {
      version = socket.getProtocol() ?? undefined;
      socket.write(optionsRequest(`node-${process.pid}-${++serial}`));
    });
    socket.on('data', (bytes: Buffer) => {
      if (bytes.toString('latin1').startsWith('SIP/2.0 200 OK')) resolve(true);
      socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(false));
  });
  return { answered, version };
}
