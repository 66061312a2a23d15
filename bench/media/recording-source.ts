import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { INVITE_CONTENT_TYPE, inviteBody } from '../sip-invite.js';

const T1_MS = 500;
const GIVE_UP_MS = 8_000;

/** A call that was answered. */
export interface Answered {
  readonly id: string;
  /** The To header with the server's tag. */
  readonly to: string;
  /** Of the server, one for each leg. */
  readonly rtpPorts: readonly number[];
  /** From the first INVITE to its 200, in ms. */
  readonly ms: number;
}

/** An SRC that places many SIPREC calls from one socket and sends no media itself: the server's ports go to the load. */
export class RecordingSource {
  readonly #socket: Socket;
  readonly #server: number;
  readonly #crypto: string | undefined;
  readonly #run = randomBytes(4).toString('hex');
  readonly #waiting = new Map<string, (text: string) => void>();
  #number = 0;

  private constructor(socket: Socket, server: number, crypto: string | undefined) {
    this.#socket = socket;
    this.#server = server;
    this.#crypto = crypto;
    socket.setRecvBufferSize(4 * 1024 * 1024);
    socket.on('message', (bytes) => {
      const text = bytes.toString('latin1');
      if (Number(text.slice(8, 11)) >= 200) this.#waiting.get(transaction(text))?.(text);
    });
  }

  /**
   * @param server its SIP port on loopback
   * @param crypto the `a=crypto` line of its streams, when they are protected
   */
  static async open(server: number, crypto?: string): Promise<RecordingSource> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new RecordingSource(socket, server, crypto);
  }

  /** Sets calls up, `rate` a second, and keeps them. */
  hold(calls: number, rate: number): Promise<Answered[]> {
    return this.#paced(calls, rate, () => this.#invite());
  }

  async end(calls: readonly Answered[]): Promise<void> {
    await Promise.all(calls.map((call) => this.#bye(call)));
  }

  /** Places short calls, `rate` a second, and returns how long each INVITE waited for its 200, in ms. */
  async places(calls: number, rate: number): Promise<number[]> {
    const answers = await this.#paced(calls, rate, async () => {
      const call = await this.#invite();
      await sleep(1_000);
      await this.#bye(call);
      return call;
    });
    return answers.map(({ ms }) => ms);
  }

  close(): void {
    this.#socket.close();
  }

  async #paced(calls: number, rate: number, place: () => Promise<Answered>): Promise<Answered[]> {
    const began = performance.now();
    const placed: Promise<Answered>[] = [];
    while (placed.length < calls) {
      const due = Math.min(calls, 1 + Math.floor(((performance.now() - began) * rate) / 1000));
      while (placed.length < due) placed.push(place());
      await sleep(2);
    }
    return Promise.all(placed);
  }

  async #bye({ id, to }: Answered): Promise<void> {
    await this.#transact(this.#request('BYE', id, 2, to, []), id, 'BYE');
  }

  async #invite(): Promise<Answered> {
    const id = `${this.#run}-${++this.#number}`;
    const headers = [
      `Contact: <sip:src@127.0.0.1:${this.#socket.address().port}>;+sip.src`,
      'Require: siprec',
      'Accept: application/sdp, application/rs-metadata',
      `Content-Type: ${INVITE_CONTENT_TYPE}`,
    ];
    const invite = this.#request('INVITE', id, 1, '<sip:srs@127.0.0.1>', headers, inviteBody(id, this.#crypto));
    const began = performance.now();
    const answer = await this.#transact(invite, id, 'INVITE');
    const ms = performance.now() - began;
    const to = /^To: *(.*?)\r?$/im.exec(answer)?.[1] ?? '';
    this.#send(this.#request('ACK', id, 1, to, []));
    return { id, to, ms, rtpPorts: [...answer.matchAll(/^m=audio (\d+)/gm)].map(([, port]) => Number(port)) };
  }

  /** Sends a request again after T1, 2 T1 … (RFC 3261 §17.1) until its final answer is there; anything but a 200 ends the bench. */
  async #transact(request: Buffer, id: string, method: string): Promise<string> {
    const key = `${method} ${id}`;
    const over = new AbortController();
    const answered = new Promise<string>((resolve) => this.#waiting.set(key, resolve));
    const repeating = (async () => {
      for (let waitMs = T1_MS; waitMs < GIVE_UP_MS; waitMs *= 2) {
        this.#send(request);
        await sleep(waitMs, undefined, { signal: over.signal });
      }
      throw new Error(`${method} was not answered`);
    })();
    try {
      const answer = await Promise.race([answered, repeating.then(() => '')]);
      if (!answer.startsWith('SIP/2.0 200 ')) throw new Error(`${method} was refused: ${answer.split('\r\n')[0]}`);
      return answer;
    } finally {
      this.#waiting.delete(key);
      repeating.catch(() => {});
      over.abort();
    }
  }

  #request(method: string, id: string, cseq: number, to: string, extra: readonly string[], content = ''): Buffer {
    const local = `127.0.0.1:${this.#socket.address().port}`;
    const lines = [
      `${method} sip:srs@127.0.0.1:${this.#server} SIP/2.0`,
      `Via: SIP/2.0/UDP ${local};branch=z9hG4bK-${id}-${method};rport`,
      'Max-Forwards: 70',
      `From: <sip:src@${local}>;tag=from-${id}`,
      `To: ${to}`,
      `Call-ID: ${id}`,
      `CSeq: ${cseq} ${method}`,
      'User-Agent: bench-src/1.0',
      ...extra,
      `Content-Length: ${Buffer.byteLength(content)}`,
    ];
    return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${content}`);
  }

  #send(bytes: Buffer): void {
    this.#socket.send(bytes, this.#server, '127.0.0.1');
  }
}

function transaction(text: string): string {
  const method = /^CSeq: *\d+ (\w+)/im.exec(text)?.[1] ?? '';
  return `${method} ${/^Call-ID: *(.*?)\r?$/im.exec(text)?.[1] ?? ''}`;
}
