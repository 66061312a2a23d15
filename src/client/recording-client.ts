import { randomInt } from 'node:crypto';
import { SrsError } from '../core/errors.js';
import { token } from '../core/ids.js';
import type { OfferedCrypto, SrtpSuiteName } from '../core/srtp-suite.js';
import type { SipResponse } from '../sip/message.js';
import { readOffer } from '../sip/sdp.js';
import { DEFAULT_SIP_TIMERS, type SipTimers } from '../sip/sip-timers.js';
import { CALL_CODECS, type CallCodecName } from './call-codec.js';
import type { CallTurn } from './call-turn.js';
import { type CodedAudio, codeAudio } from './coded-audio.js';
import { padToLongest, readLegAudio } from './leg-audio.js';
import { LegProtection } from './leg-protection.js';
import { LegReports, type ReportsHeard } from './leg-reports.js';
import { RecordingDialog } from './recording-dialog.js';
import { RtpSender, type SendingLeg } from './rtp-sender.js';
import { RtpStream } from './rtp-stream.js';
import { openSipLink, type SipLink, type SipTarget } from './sip-link.js';
import {
  joinBody,
  type OfferLeg,
  type OfferParticipant,
  type SiprecBody,
  writeMetadata,
  writeSdpOffer,
} from './siprec-offer.js';
import { UdpSocket } from './udp-socket.js';

export interface RecordingCallLeg {
  /** `a=label` and metadata label. */
  readonly label: string;
  readonly participant: OfferParticipant;
  /** Mono at 8 kHz, or the path of a WAV file of any rate. */
  readonly audio: Int16Array | string;
  /** The stream is offered and taken, and nothing is sent on it. */
  readonly mute?: boolean;
}

export interface RecordingCallOptions {
  readonly target: SipTarget & { readonly user?: string };
  readonly legs: readonly RecordingCallLeg[];
  /** PCMU by default. Several are offered in this order, and the first is sent. */
  readonly codec?: CallCodecName | readonly [CallCodecName, ...CallCodecName[]];
  readonly packetTimeMs?: number;
  /** Offers one port for RTP and RTCP. */
  readonly rtcpMux?: boolean;
  /** Offers SRTP with this suite, and sends nothing in the clear. */
  readonly srtp?: SrtpSuiteName;
  /** SIP Call-ID; a random one by default. */
  readonly callId?: string;
  /** Puts the call on hold by re-INVITE when `atMs` of audio is sent, and resumes it `forMs` later. */
  readonly hold?: { readonly atMs: number; readonly forMs: number };
  readonly turns?: readonly CallTurn[];
  /** Name of the group that the recording session is in: those of one call have it in common. */
  readonly group?: string;
  readonly timers?: Partial<SipTimers>;
  readonly onEvent?: (event: RecordingCallEvent) => void;
  /** Hangs up: CANCEL before the answer, BYE after it. */
  readonly signal?: AbortSignal;
}

/** `at` is epoch ms. */
export type RecordingCallEvent =
  | { readonly type: 'response'; readonly at: number; readonly method: string; readonly status: number }
  | { readonly type: 'answered' | 'held' | 'resumed' | 'transferred' | 'audio_sent' | 'ended'; readonly at: number };

export interface LegReport {
  readonly label: string;
  readonly localPort: number;
  /** Where the SRS takes the stream; absent when it refused it. */
  readonly remote?: { readonly address: string; readonly port: number };
  readonly packets: number;
  /** Of audio, silence at the end included, as the RTP clock counts. */
  readonly samples: number;
  /** SHA-256 of the payloads in order. */
  readonly payloadSha256: string;
  /** RTCP in both directions; absent when the stream was refused. */
  readonly reports?: ReportsHeard;
}

/** What was done. Times are epoch ms. */
export interface CallReport {
  readonly callId: string;
  readonly outcome: 'completed' | 'ended_by_peer' | 'cancelled';
  /** What was sent. */
  readonly codec: CallCodecName;
  readonly startedAt: number;
  readonly answeredAt?: number;
  readonly audioStartedAt?: number;
  readonly audioEndedAt?: number;
  readonly endedAt: number;
  /** From the first packet to the end of the last on the sender's clock, holds included. */
  readonly audioMs?: number;
  /** How late the latest packet left. */
  readonly lateMs?: number;
  readonly responses: readonly { readonly method: string; readonly status: number; readonly at: number }[];
  readonly legs: readonly LegReport[];
}

/**
 * Places one SIPREC call (RFC 7866), sends the audio of every leg in real time, hangs up when it is over and tells what was sent.
 * Throws `SRS_SIP_REJECTED` (`facts.status`), `SRS_SIP_TIMEOUT`, `SRS_SDP_NOT_ACCEPTABLE`, `SRS_WAV_MALFORMED`, `SRS_ENCODING`.
 */
export async function placeRecordingCall(options: RecordingCallOptions): Promise<CallReport> {
  if (options.legs.length === 0) throw new SrsError('SRS_SDP_NOT_ACCEPTABLE', 'a call needs at least one leg');
  const codecs = codecsOf(options);
  const { sampleRate } = CALL_CODECS[codecs[0]];
  const audio = padToLongest(await Promise.all(options.legs.map(({ audio }) => readLegAudio(audio, sampleRate))));
  const coded = await Promise.all(audio.map((samples) => codeAudio(codecs[0], samples, options.packetTimeMs ?? 20)));
  const link = await openSipLink(options.target);
  const sockets: (readonly [rtp: UdpSocket, rtcp: UdpSocket])[] = [];
  try {
    for (const _ of options.legs) sockets.push(await UdpSocket.bindPair(link.localAddress));
    return await new RecordingCall(options, link, sockets, coded).run();
  } finally {
    for (const socket of sockets.flat()) socket.close();
    link.close();
  }
}

type SocketPair = readonly [rtp: UdpSocket, rtcp: UdpSocket];

class RecordingCall {
  readonly #options: RecordingCallOptions;
  readonly #link: SipLink;
  readonly #sockets: readonly SocketPair[];
  readonly #streams: readonly RtpStream[];
  readonly #codecs: readonly [CallCodecName, ...CallCodecName[]];
  readonly #packetTimeMs: number;
  readonly #callId: string;
  readonly #dialog: RecordingDialog;
  readonly #startedAt = Date.now();
  readonly #sdpSession = randomInt(1, 2 ** 31);
  readonly #responses: { method: string; status: number; at: number }[] = [];
  /** Aborts the audio: the peer or the caller ended the call. */
  readonly #over = new AbortController();
  readonly #times: { answeredAt?: number; audioStartedAt?: number; audioEndedAt?: number } = {};
  #sent: { audioMs?: number; lateMs?: number } = {};
  readonly #people: { participant: OfferParticipant; transfers: number }[];
  #sdpVersion = 0;
  #outcome: CallReport['outcome'] = 'completed';
  #remotes: (RemoteStream | undefined)[] = [];
  #reports: (LegReports | undefined)[] = [];
  readonly #protections: readonly (LegProtection | undefined)[];

  constructor(
    options: RecordingCallOptions,
    link: SipLink,
    sockets: readonly SocketPair[],
    audio: readonly CodedAudio[],
  ) {
    this.#options = options;
    this.#link = link;
    this.#sockets = sockets;
    this.#codecs = codecsOf(options);
    const { srtp } = options;
    this.#protections = options.legs.map(() => (srtp === undefined ? undefined : new LegProtection(srtp)));
    this.#packetTimeMs = options.packetTimeMs ?? 20;
    this.#callId = options.callId ?? `${token(10)}@${link.localAddress}`;
    this.#streams = audio.map((coded) => new RtpStream(coded, anySource()));
    this.#people = options.legs.map(({ participant }) => ({ participant, transfers: 0 }));
    this.#dialog = new RecordingDialog({
      link,
      target: requestUri(options.target),
      callId: this.#callId,
      timers: { ...DEFAULT_SIP_TIMERS, ...options.timers },
      onResponse: (method, response) => this.#noteResponse(method, response),
    });
    this.#dialog.onEndedByPeer = () => {
      this.#outcome = 'ended_by_peer';
      this.#over.abort();
    };
  }

  async run(): Promise<CallReport> {
    const { signal } = this.#options;
    const hangUp = (): void => {
      if (!this.#over.signal.aborted) this.#outcome = 'cancelled';
      this.#over.abort();
      void this.#dialog.cancel();
    };
    signal?.addEventListener('abort', hangUp, { once: true });
    try {
      if (signal?.aborted) hangUp();
      else await this.#talk();
    } finally {
      signal?.removeEventListener('abort', hangUp);
      // Whatever went wrong after the answer, the SRS must not be left with a call that nobody ends.
      await this.#dialog
        .bye()
        .catch((error: unknown) => {
          if (this.#outcome === 'completed') throw error;
        })
        .finally(() => this.#dialog.close());
    }
    this.#note('ended');
    return this.#report();
  }

  async #talk(): Promise<void> {
    let answer: SipResponse;
    try {
      answer = await this.#dialog.invite(this.#offer('sendonly', true));
    } catch (error) {
      if (this.#outcome === 'cancelled') return;
      throw error;
    }
    this.#times.answeredAt = this.#note('answered');
    this.#remotes = readAnswer(answer, this.#streams.length, this.#link.remote.address, this.#codecs[0]);
    for (const [index, remote] of this.#remotes.entries()) {
      if (remote) this.#protections[index]?.accept(remote.crypto);
    }
    if (this.#remotes.every((remote) => remote === undefined)) {
      throw new SrsError('SRS_SDP_NOT_ACCEPTABLE', 'the SRS took the call but none of its streams');
    }
    await this.#send();
  }

  async #send(): Promise<void> {
    const { signal } = this.#over;
    const cname = token(12);
    const legs = this.#streams.map((stream, index): SendingLeg => {
      const [sockets, target] = [this.#sockets[index], this.#remotes[index]];
      if (sockets === undefined) throw new SrsError('SRS_INTERNAL', 'a leg has no socket');
      const [socket, rtcp] = sockets;
      if (target === undefined || this.#options.legs[index]?.mute) return { stream, socket };
      const { address, port, mux } = target;
      const way = mux ? socket : rtcp;
      const protection = this.#protections[index];
      const reports = new LegReports(stream, way, { address, port: mux ? port : port + 1 }, cname, protection);
      this.#reports[index] = reports;
      return { stream, socket, target, reports, protection };
    });
    const sender = new RtpSender(legs, this.#packetTimeMs);
    this.#times.audioStartedAt = Date.now();
    for (const turn of this.#turns()) {
      if ((await sender.sendUntil(turn.atMs, signal)) !== 'reached') break;
      await this.#take(turn, sender, signal);
    }
    await sender.sendUntil(Number.POSITIVE_INFINITY, signal);
    this.#sent = { audioMs: sender.clockMs, lateMs: Math.round(sender.lateMs) };
    for (const reports of this.#reports) reports?.goodbye();
    this.#times.audioEndedAt = this.#note('audio_sent');
  }

  #turns(): readonly CallTurn[] {
    const { hold, turns = [] } = this.#options;
    const all: readonly CallTurn[] = hold === undefined ? turns : [...turns, { kind: 'hold', ...hold }];
    return all.toSorted((a, b) => a.atMs - b.atMs);
  }

  async #take(turn: CallTurn, sender: RtpSender, signal: AbortSignal): Promise<void> {
    switch (turn.kind) {
      case 'hold':
        return sender.pauseWhile(() => this.#holdFor(turn.forMs, turn.by === 'address', signal), signal);
      case 'pause':
        return sender.pauseWhile(() => sleep(turn.forMs, signal), signal);
      case 'new_source':
        for (const stream of this.#streams) stream.renew(anySource());
        return;
      case 'transfer': {
        const last = this.#people.at(-1);
        if (last) Object.assign(last, { participant: turn.to, transfers: last.transfers + 1 });
        await this.#dialog.reinvite(this.#offer('sendonly', true));
        this.#note('transferred');
      }
    }
  }

  async #holdFor(ms: number, byAddress: boolean, signal: AbortSignal): Promise<void> {
    const began = performance.now();
    await this.#dialog.reinvite(byAddress ? this.#offer('sendonly', false, true) : this.#offer('inactive', false));
    this.#note('held');
    await sleep(ms - (performance.now() - began), signal);
    if (signal.aborted) return;
    await this.#dialog.reinvite(this.#offer('sendonly', false));
    this.#note('resumed');
  }

  #offer(direction: 'sendonly' | 'inactive', withMetadata: boolean, heldByAddress = false): SiprecBody {
    const legs = this.#options.legs.map(({ label, participant }, index): OfferLeg => {
      const crypto = this.#protections[index]?.offer;
      const port = this.#sockets[index]?.[0].port ?? 0;
      return { label, participant, ...this.#people[index], port, ...(crypto === undefined ? {} : { crypto }) };
    });
    const sdp = writeSdpOffer({
      address: this.#link.localAddress,
      sessionId: this.#sdpSession,
      version: ++this.#sdpVersion,
      codecs: this.#codecs,
      packetTimeMs: this.#packetTimeMs,
      direction,
      heldByAddress,
      rtcpMux: this.#options.rtcpMux === true,
      legs,
    });
    // Holding changes nothing that the metadata tells, so the SDP stands alone (RFC 7866 §9.1 asks for changes only).
    if (!withMetadata) return { contentType: 'application/sdp', content: Buffer.from(sdp, 'utf8') };
    const { group } = this.#options;
    const ties = group === undefined ? {} : { group };
    const metadata = writeMetadata({ callId: this.#callId, startedAt: this.#startedAt, legs, ...ties });
    return joinBody(sdp, metadata, `siprec-${token(8)}`);
  }

  #noteResponse(method: string, response: SipResponse): void {
    const at = Date.now();
    this.#responses.push({ method, status: response.status, at });
    this.#options.onEvent?.({ type: 'response', at, method, status: response.status });
  }

  #note(type: Exclude<RecordingCallEvent['type'], 'response'>): number {
    const at = Date.now();
    this.#options.onEvent?.({ type, at });
    return at;
  }

  #report(): CallReport {
    return {
      callId: this.#callId,
      outcome: this.#outcome,
      codec: this.#codecs[0],
      startedAt: this.#startedAt,
      ...this.#times,
      endedAt: Date.now(),
      ...this.#sent,
      responses: this.#responses,
      legs: this.#streams.map((stream, index) => {
        const remote = this.#remotes[index];
        const reports = this.#reports[index]?.heard;
        return {
          label: this.#options.legs[index]?.label ?? '',
          localPort: this.#sockets[index]?.[0].port ?? 0,
          ...(remote === undefined ? {} : { remote: { address: remote.address, port: remote.port } }),
          packets: stream.packets,
          samples: stream.samples,
          payloadSha256: stream.sha256,
          ...(reports === undefined ? {} : { reports }),
        };
      }),
    };
  }
}

function codecsOf({ codec = 'PCMU' }: RecordingCallOptions): readonly [CallCodecName, ...CallCodecName[]] {
  return typeof codec === 'string' ? [codec] : codec;
}

function anySource(): { ssrc: number; sequence: number; timestamp: number } {
  return { ssrc: randomInt(2 ** 32), sequence: randomInt(2 ** 16), timestamp: randomInt(2 ** 32) };
}

function requestUri(target: RecordingCallOptions['target']): string {
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  const transport = target.transport === 'tcp' ? ';transport=tcp' : '';
  return `sip:${target.user ?? 'recorder'}@${host}:${target.port}${transport}`;
}

interface RemoteStream {
  readonly address: string;
  readonly port: number;
  readonly mux: boolean;
  readonly crypto: OfferedCrypto | undefined;
}

/** Where each stream goes; undefined for streams that were refused or are to wait. */
function readAnswer(
  response: SipResponse,
  count: number,
  fallback: string,
  codec: CallCodecName,
): (RemoteStream | undefined)[] {
  const { streams } = readOffer(response.body).media;
  return Array.from({ length: count }, (_, index) => {
    const stream = streams[index];
    if (stream === undefined || stream.port === 0 || !['recvonly', 'sendrecv'].includes(stream.direction))
      return undefined;
    if (!stream.formats.some(({ payloadType }) => payloadType === CALL_CODECS[codec].payloadType)) {
      throw new SrsError('SRS_SDP_NOT_ACCEPTABLE', `the SRS took a stream without ${codec}, which is what is sent`);
    }
    const open = stream.address === undefined || stream.address === '0.0.0.0' || stream.address === '::';
    const address = open ? fallback : (stream.address ?? fallback);
    return { address, port: stream.port, mux: stream.rtcp?.mux === true, crypto: stream.crypto?.[0] };
  });
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, Math.max(0, ms));
    signal.addEventListener('abort', done, { once: true });
  });
}
