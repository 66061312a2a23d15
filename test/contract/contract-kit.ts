import { SrsError } from '../../src/core/errors.js';
import { headerValue, type SipRequest, type SipResponse } from '../../src/sip/message.js';
import { tagOf } from '../../src/sip/name-address.js';
import type { SipDialogControl, SipReply, SipRequestView } from '../../src/sip/sip-server.js';
import { eventually } from '../helpers/eventually.js';
import type { FrontOptions, RunningFront, SipFront } from '../helpers/sip-fronts.js';
import { answerTo, newBranch, newCallId, type Peer, TcpPeer, UdpPeer, write } from '../sip/engine-kit.js';

/** What the application above a front saw of one call. */
export interface SeenCall {
  readonly invite: SipRequestView;
  readonly control: SipDialogControl;
  /** Body and headers are read while the handler runs, as the port allows. */
  readonly requests: { readonly method: string; readonly type: string | undefined; readonly body: string }[];
  readonly acks: { readonly type: string | undefined; readonly body: string }[];
  readonly ends: { readonly reason: string; readonly bye: string | undefined }[];
}

export interface ContractCase {
  readonly running: RunningFront;
  readonly calls: SeenCall[];
  /** Every `SeenCall` by its Call-ID. */
  call(callId: string): SeenCall;
  onInvite: (request: SipRequestView, control: SipDialogControl) => Promise<SipReply> | SipReply;
  onRequest: (request: SipRequestView) => Promise<SipReply> | SipReply;
  onOptions: () => SipReply;
  peer(transport: Transport): Promise<Peer>;
  stop(): Promise<void>;
}

export type Transport = 'UDP' | 'TCP';
export const TRANSPORTS: readonly Transport[] = ['UDP', 'TCP'];
/** 64*T1 is about a second. */
export const QUICK = { t1Ms: 16, t2Ms: 128, t4Ms: 50 };

export const SDP = [
  'v=0',
  'o=- 1 1 IN IP4 127.0.0.1',
  's=-',
  'c=IN IP4 127.0.0.1',
  't=0 0',
  'm=audio 40000 RTP/AVP 0',
  'a=recvonly',
  'a=label:1',
  '',
].join('\r\n');
export const ANSWER: SipReply = { status: 200, body: { type: 'application/sdp', content: SDP } };

/** An application on a front that keeps what it sees. */
export async function openCase(front: SipFront, options: FrontOptions = {}): Promise<ContractCase> {
  const calls: SeenCall[] = [];
  const peers: Peer[] = [];
  const hooks: Pick<ContractCase, 'onInvite' | 'onRequest' | 'onOptions'> = {
    onInvite: () => ANSWER,
    onRequest: () => ANSWER,
    onOptions: () => ({ status: 200, headers: { Accept: 'application/sdp' } }),
  };
  const running = await front.start(
    {
      options: () => hooks.onOptions(),
      invite: async (invite, control) => {
        const call: SeenCall = { invite, control, requests: [], acks: [], ends: [] };
        calls.push(call);
        const reply = await hooks.onInvite(invite, control);
        return {
          reply,
          session: {
            request: async (request) => {
              const { method, body } = request;
              call.requests.push({ method, type: request.header('content-type'), body: textOf(body) });
              return hooks.onRequest(request);
            },
            acknowledged: ({ type, content }) => call.acks.push({ type, body: textOf(content) }),
            ended: (reason, bye) => call.ends.push({ reason, bye: bye && textOf(bye.body) }),
          },
        };
      },
    },
    options,
  );
  return Object.assign(hooks, {
    running,
    calls,
    call: (callId: string) => {
      const found = calls.find(({ invite }) => invite.callId === callId);
      if (found === undefined) throw new SrsError('SRS_INTERNAL', `the application saw no call ${callId}`);
      return found;
    },
    peer: async (transport: Transport) => {
      const peer = transport === 'UDP' ? await UdpPeer.open(running.udp) : await TcpPeer.open(running.tcp);
      peers.push(peer);
      return peer;
    },
    stop: async () => {
      let stopped = false;
      const end = running.stop().finally(() => {
        stopped = true;
      });
      await eventually('the front stops', () => {
        for (const peer of peers) answerByes(peer);
        return stopped;
      });
      await end;
      await Promise.all(peers.map((peer) => peer.close()));
    },
  });
}

/** A call that a test left open ends as a SRC would have it. */
function answerByes(peer: Peer): void {
  for (const message of peer.received.splice(0)) {
    if (message.kind === 'request' && message.method === 'BYE') reply(peer, message, 200);
  }
}

export interface Body {
  readonly type: string;
  readonly text: string;
}

/** A call that was answered and acknowledged. */
export class TestCall {
  readonly peer: Peer;
  readonly callId: string;
  readonly toTag: string;
  readonly answer: SipResponse;
  #cseq = 1;

  constructor(peer: Peer, callId: string, answer: SipResponse) {
    this.peer = peer;
    this.callId = callId;
    this.answer = answer;
    this.toTag = tagOf(headerValue(answer, 'to') ?? '') ?? '';
  }

  static async place(peer: Peer, body?: Body, extra: readonly string[] = [], ack?: Body): Promise<TestCall> {
    const callId = newCallId();
    peer.send(write(peer, { callId, ...bodyParts(body, extra) }));
    const call = new TestCall(peer, callId, await answerTo(peer, callId));
    call.acknowledge(1, ack);
    return call;
  }

  acknowledge(cseq: number, body?: Body): void {
    const { peer, callId, toTag } = this;
    peer.send(write(peer, { method: 'ACK', callId, toTag, cseq, ...bodyParts(body) }));
  }

  /** Sends a request in the dialog and resolves with its final response; one to an INVITE is acknowledged. */
  async send(method: string, body?: Body, extra: readonly string[] = []): Promise<SipResponse> {
    const cseq = this.transmit(method, body, extra);
    const response = await this.final(method, cseq);
    if (method === 'INVITE' && response.status < 300) this.acknowledge(cseq);
    return response;
  }

  /** Sends without waiting; returns the CSeq. */
  transmit(method: string, body?: Body, extra: readonly string[] = []): number {
    const { peer, callId, toTag } = this;
    const cseq = ++this.#cseq;
    peer.send(write(peer, { method, callId, toTag, cseq, branch: newBranch(), ...bodyParts(body, extra) }));
    return cseq;
  }

  async final(method: string, cseq: number): Promise<SipResponse> {
    const message = await this.peer.next(
      `a final response to ${method} ${cseq}`,
      (m) =>
        m.kind === 'response' &&
        m.status >= 200 &&
        headerValue(m, 'call-id') === this.callId &&
        headerValue(m, 'cseq') === `${cseq} ${method}`,
    );
    if (message.kind !== 'response') throw new SrsError('SRS_INTERNAL', 'unreachable');
    return message;
  }

  /** A request of the recorder's in this dialog. */
  async receive(method: string): Promise<SipRequest> {
    const message = await this.peer.next(
      `a ${method}`,
      (m) => m.kind === 'request' && m.method === method && headerValue(m, 'call-id') === this.callId,
    );
    if (message.kind !== 'request') throw new SrsError('SRS_INTERNAL', 'unreachable');
    return message;
  }
}

/** The final response to a request outside any dialog. */
export async function finalTo(peer: Peer, message: string): Promise<SipResponse> {
  const callId = /^Call-ID: *(.*?)\r$/m.exec(message)?.[1];
  peer.send(message);
  const response = await peer.next(
    'a final response',
    (m) => m.kind === 'response' && m.status >= 200 && headerValue(m, 'call-id') === callId,
  );
  if (response.kind !== 'response') throw new SrsError('SRS_INTERNAL', 'unreachable');
  return response;
}

export function bodyParts(body: Body | undefined, extra: readonly string[] = []) {
  return body === undefined ? { extra } : { body: body.text, extra: [...extra, `Content-Type: ${body.type}`] };
}

/** Answers a request of the recorder's. */
export function reply(peer: Peer, request: SipRequest, status: number, body?: Body): void {
  const copied = request.headers.filter(({ name }) => ['via', 'from', 'to', 'call-id', 'cseq'].includes(name));
  const contact = `<sip:src@127.0.0.1:${peer.port}${peer.transport === 'TCP' ? ';transport=tcp' : ''}>`;
  const lines = [
    ...copied.map(({ name, value }) => `${name}: ${value}`),
    ...(status < 300 ? [`Contact: ${contact}`] : []),
    ...(body === undefined ? [] : [`Content-Type: ${body.type}`]),
    `Content-Length: ${Buffer.byteLength(body?.text ?? '')}`,
  ];
  peer.send(`SIP/2.0 ${status} Because\r\n${lines.join('\r\n')}\r\n\r\n${body?.text ?? ''}`);
}

export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}
