import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { eventually } from '../helpers/eventually.js';

/** A final response as a SRC reads it. */
export interface FinalResponse {
  readonly status: number;
  readonly text: string;
  header(name: string): string;
  readonly body: string;
}

/** T1 and T2 of RFC 3261: a datagram may be lost on a busy machine. */
const AGAIN_MS = 500;

/** A session recording client that sends messages as they are written down, with the identifiers of the live dialog put in. */
export class ScriptedSrc {
  readonly #socket: Socket = createSocket('udp4');
  readonly #target: number;
  readonly #finals = new Map<string, FinalResponse>();
  #number = 0;

  private constructor(target: number) {
    this.#target = target;
    this.#socket.on('message', (bytes) => this.#take(bytes));
  }

  static async open(target: number): Promise<ScriptedSrc> {
    const src = new ScriptedSrc(target);
    src.#socket.bind(0, '127.0.0.1');
    await once(src.#socket, 'listening');
    return src;
  }

  close(): void {
    this.#socket.close();
  }

  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  call(): ScriptedCall {
    return new ScriptedCall(this, ++this.#number);
  }

  send(message: Buffer): void {
    this.#socket.send(message, this.#target, '127.0.0.1');
  }

  async final(key: string, message: Buffer): Promise<FinalResponse> {
    this.send(message);
    const again = setInterval(() => this.send(message), AGAIN_MS);
    try {
      return await eventually(`a final response to ${key}`, () => this.#finals.get(key));
    } finally {
      clearInterval(again);
    }
  }

  #take(bytes: Buffer): void {
    const text = bytes.toString('latin1');
    const status = Number(/^SIP\/2\.0 (\d{3})/.exec(text)?.[1] ?? 0);
    if (status === 0) this.#answer(text);
    if (status < 200) return;
    const header = (name: string): string =>
      new RegExp(`^${name}[ \\t]*:[ \\t]*(.*?)\\r?$`, 'im').exec(text)?.[1] ?? '';
    const body = text.slice(text.indexOf('\r\n\r\n') + 4);
    this.#finals.set(`${header('Call-ID')} ${header('CSeq')}`, { status, text, header, body });
  }

  /** Whatever the SRS asks is answered with 200, or it would ask again. */
  #answer(text: string): void {
    if (text.startsWith('ACK ')) return;
    const copied = text.split('\r\n').filter((line) => /^(?:via|from|to|call-id|cseq)\s*:/i.test(line));
    if (copied.length >= 5)
      this.send(Buffer.from(`SIP/2.0 200 OK\r\n${copied.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`));
  }
}

/** One dialog of it. */
export class ScriptedCall {
  readonly callId: string;
  readonly #src: ScriptedSrc;
  readonly #number: number;
  #head = '';
  #to = '';
  #target = '';
  #cseq = 0;
  #branches = 0;

  constructor(src: ScriptedSrc, number: number) {
    this.#src = src;
    this.#number = number;
    this.callId = `scripted-${number}-${src.address.split(':')[1]}@127.0.0.1`;
  }

  /**
   * Sends a message and gives its final response, acknowledged if it was an INVITE.
   *
   * @param ack the written ACK that carries an answer of the SRC
   */
  async send(written: Buffer, ack?: Buffer): Promise<FinalResponse> {
    const { method, message, cseq } = this.#patched(written);
    const final = await this.#src.final(`${this.callId} ${cseq} ${method}`, message);
    if (method === 'INVITE') this.#acknowledge(message, cseq, final, ack);
    return final;
  }

  /** A BYE of our own, for calls whose script has none. */
  bye(): Promise<FinalResponse> {
    return this.send(
      Buffer.from(
        `BYE sip:x SIP/2.0\r\nVia: x\r\nMax-Forwards: 70\r\n${this.#head}\r\nTo: x\r\nCall-ID: x\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n`,
      ),
    );
  }

  #patched(written: Buffer): { method: string; message: Buffer; cseq: number } {
    const text = written.toString('latin1');
    const blank = text.indexOf('\r\n\r\n');
    const method = /^\S+/.exec(text)?.[0] ?? '';
    if (method !== 'ACK') this.#cseq += 1;
    const inDialog = this.#to !== '';
    let head = text.slice(0, blank);
    const put = (name: string, value: string): void => {
      head = head.replace(new RegExp(`^(${name}[ \\t]*:[ \\t]*)[^\\r\\n]*`, 'im'), (_, start: string) => start + value);
    };
    if (this.#head === '') this.#head = /^From[ \t]*:[^\r\n]*/im.exec(head)?.[0] ?? '';
    put('From', this.#head.replace(/^From[ \t]*:[ \t]*/i, ''));
    put('Via', `SIP/2.0/UDP ${this.#src.address};branch=z9hG4bKscript${this.#number}x${++this.#branches}`);
    put('Call-ID', this.callId);
    put('CSeq', `${this.#cseq} ${method}`);
    if (inDialog) {
      put('To', this.#to);
      head = head.replace(/^(\S+) \S+/, (_, verb: string) => `${verb} ${this.#target}`);
    }
    // The address in Contact is where requests of the SRS go; its user and parameters stay as they were written.
    head = head.replace(
      /^(Contact[ \t]*:[^\r\n]*?sip:(?:[^@>;\r\n]*@)?)[\d.]+(?::\d+)?/im,
      (_, start: string) => start + this.#src.address,
    );
    head = head.replace(/^(Contact[^\r\n]*?);transport=tcp/im, '$1');
    return { method, cseq: this.#cseq, message: Buffer.from(`${head}${text.slice(blank)}`, 'latin1') };
  }

  #acknowledge(invite: Buffer, cseq: number, final: FinalResponse, written: Buffer | undefined): void {
    const success = final.status < 300;
    if (success) {
      this.#to = final.header('To');
      this.#target = /<([^>]+)>/.exec(final.header('Contact'))?.[1] ?? '';
    }
    if (written) {
      this.#src.send(this.#patched(written).message);
      return;
    }
    const lines = invite.toString('latin1').split('\r\n');
    const start =
      success && this.#target !== '' ? `ACK ${this.#target} SIP/2.0` : (lines[0] ?? '').replace('INVITE', 'ACK');
    const via = success
      ? `Via: SIP/2.0/UDP ${this.#src.address};branch=z9hG4bKscript${this.#number}x${++this.#branches}`
      : (lines.find((line) => /^via/i.test(line)) ?? '');
    const to = `To: ${final.header('To')}`;
    const rest = [start, via, 'Max-Forwards: 70', this.#head, to, `Call-ID: ${this.callId}`, `CSeq: ${cseq} ACK`];
    this.#src.send(Buffer.from(`${rest.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`, 'latin1'));
  }
}
