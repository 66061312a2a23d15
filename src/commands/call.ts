import { parseDuration } from '../../config/formats.js';
import { CALL_CODECS, type CallCodecName } from '../client/call-codec.js';
import type { CallTurn } from '../client/call-turn.js';
import { type CallReport, placeRecordingCall, type RecordingCallEvent } from '../client/recording-client.js';
import type { SipTarget } from '../client/sip-link.js';
import type { OfferParticipant } from '../client/siprec-offer.js';
import { SRTP_SUITES, type SrtpSuiteName, srtpSuiteNamed } from '../core/srtp-suite.js';
import { parseUri } from '../sip/uri.js';
import { EXIT, type Invocation, UsageError } from './invocation.js';

const CODEC_NAMES = Object.keys(CALL_CODECS).map((name) => name.toLowerCase());

/** `sipscribe call`: the test SRC. */
export async function run(invocation: Invocation): Promise<number> {
  const { terminal } = invocation;
  const target = readTarget(invocation.required('to'));
  const [caller, callee] = wavFiles(invocation);
  const group = invocation.option('group');
  const callId = invocation.option('call-id');
  const srtp = readSuite(invocation.option('srtp'));
  const codec = readCodecs(invocation.option('codec'));
  if (callId !== undefined && !/^[\x21-\x7e]{1,200}$/.test(callId)) {
    throw new UsageError(`--call-id "${callId}": expected printable characters without blanks`);
  }
  const report = await placeRecordingCall({
    target,
    codec,
    packetTimeMs: readPacketTime(codec[0], invocation.option('ptime')),
    legs: [
      { label: '1', participant: participant(invocation, 'caller', 'Caller'), audio: caller },
      {
        label: '2',
        participant: participant(invocation, 'callee', 'Callee'),
        audio: callee,
        mute: invocation.flagged('one-sided'),
      },
    ],
    turns: readTurns(invocation),
    ...(group === undefined ? {} : { group }),
    ...(callId === undefined ? {} : { callId }),
    ...(srtp === undefined ? {} : { srtp }),
    rtcpMux: invocation.flagged('rtcp-mux'),
    onEvent: (event) => terminal.note(describe(event)),
    signal: invocation.interruptible(),
  });
  if (invocation.json) terminal.printJson(report);
  else for (const line of summary(report)) terminal.print(line);
  return report.outcome === 'completed' ? EXIT.ok : EXIT.failure;
}

/** Reads `sip:user@host:port;transport=tcp`. Throws `UsageError`. */
export function readTarget(text: string): SipTarget & { readonly user?: string } {
  try {
    const uri = parseUri(/^sips?:/i.test(text) ? text : `sip:${text}`);
    const transport = uri.params.get('transport')?.toLowerCase() ?? 'udp';
    if (uri.scheme === 'sips' || transport === 'tls')
      throw new UsageError(`--to "${text}": TLS is not in this version`);
    if (transport !== 'udp' && transport !== 'tcp') {
      throw new UsageError(`--to "${text}": transport must be udp or tcp`);
    }
    const user = uri.user === undefined ? {} : { user: uri.user };
    return { host: uri.host, port: uri.port ?? 5060, transport, ...user };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`--to "${text}": expected a SIP URI such as sip:rec@127.0.0.1:5060;transport=tcp`);
  }
}

function wavFiles(invocation: Invocation): [string, string] {
  const files = [...invocation.positionals];
  const caller = invocation.option('caller') ?? files.shift();
  const callee = invocation.option('callee') ?? files.shift();
  if (caller === undefined || callee === undefined) {
    throw new UsageError('call: two WAV files are needed, as --caller A.wav --callee B.wav');
  }
  if (files.length > 0) throw new UsageError(`call: unexpected argument "${files[0]}"`);
  return [caller, callee];
}

function participant(invocation: Invocation, side: 'caller' | 'callee', name: string): OfferParticipant {
  return {
    name: invocation.option(`${side}-name`) ?? name,
    aor: invocation.option(`${side}-aor`) ?? `sip:${side}@example.com`,
    role: side,
  };
}

/** Reads `g722,pcmu`. Throws `UsageError`. */
function readCodecs(text = 'pcmu'): [CallCodecName, ...CallCodecName[]] {
  const [first, ...others] = text.split(',').map((name) => {
    const codec = Object.values(CALL_CODECS).find((known) => known.name === name.trim().toUpperCase());
    if (codec === undefined) throw new UsageError(`--codec "${text}": expected some of ${CODEC_NAMES.join(', ')}`);
    return codec.name;
  });
  if (first === undefined || new Set([first, ...others]).size <= others.length) {
    throw new UsageError(`--codec "${text}": expected each codec once`);
  }
  return [first, ...others];
}

function readSuite(text: string | undefined): SrtpSuiteName | undefined {
  if (text === undefined) return undefined;
  const suite = srtpSuiteNamed(text);
  if (suite !== undefined) return suite;
  throw new UsageError(`--srtp "${text}": expected one of ${Object.keys(SRTP_SUITES).join(', ')}`);
}

function readPacketTime(codec: CallCodecName, text = '20'): number {
  const ms = Number(text);
  const { packetTimes } = CALL_CODECS[codec];
  if (packetTimes.includes(ms)) return ms;
  throw new UsageError(`--ptime "${text}": expected one of ${packetTimes.join(', ')} for ${codec.toLowerCase()}`);
}

function readTurns(invocation: Invocation): CallTurn[] {
  const by = invocation.option('hold-by') ?? 'direction';
  if (by !== 'direction' && by !== 'address') throw new UsageError(`--hold-by "${by}": expected direction or address`);
  const turns: CallTurn[] = [];
  const hold = readSpan('hold', invocation.option('hold'));
  if (hold) turns.push({ kind: 'hold', by, ...hold });
  const pause = readSpan('pause', invocation.option('pause'));
  if (pause) turns.push({ kind: 'pause', ...pause });
  const change = invocation.option('ssrc-change');
  if (change !== undefined) turns.push({ kind: 'new_source', atMs: readTime('ssrc-change', change) });
  const transfer = invocation.option('transfer');
  if (transfer !== undefined) {
    const [, at = '', name = ''] = /^([^:]*):(.+)$/.exec(transfer) ?? [];
    if (name === '') throw new UsageError(`--transfer "${transfer}": expected a duration and a name such as 5s:Dora`);
    const to = { name, aor: `sip:${encodeURIComponent(name)}@example.com`, role: 'callee' };
    turns.push({ kind: 'transfer', atMs: readTime('transfer', at), to });
  }
  return turns;
}

function readTime(option: string, text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new UsageError(`--${option} "${text}": expected a duration such as 5s`);
  return ms;
}

/** Reads `5s:3s`: when five seconds are sent, for three seconds. */
function readSpan(option: string, text: string | undefined): { atMs: number; forMs: number } | undefined {
  if (text === undefined) return undefined;
  const [at, length, ...rest] = text.split(':').map(parseDuration);
  if (at === undefined || length === undefined || rest.length > 0 || length === 0) {
    throw new UsageError(`--${option} "${text}": expected two durations such as 5s:3s`);
  }
  return { atMs: at, forMs: length };
}

const EVENT_WORDS: Readonly<Record<Exclude<RecordingCallEvent['type'], 'response'>, string>> = {
  answered: 'answered, sending audio',
  held: 'on hold',
  resumed: 'resumed',
  transferred: 'transferred',
  audio_sent: 'audio is over, hanging up',
  ended: 'call ended',
};

function describe(event: RecordingCallEvent): string {
  const time = new Date(event.at).toISOString().slice(11, 23);
  return `${time}  ${event.type === 'response' ? `${event.status} to ${event.method}` : EVENT_WORDS[event.type]}`;
}

function summary(report: CallReport): string[] {
  const lines = [`call-id ${report.callId}`, `outcome ${report.outcome}`];
  for (const leg of report.legs) {
    const way = leg.remote === undefined ? 'refused' : `${leg.localPort} -> ${leg.remote.address}:${leg.remote.port}`;
    lines.push(
      `leg ${leg.label} ${way} ${leg.packets} packets ${(leg.samples / CALL_CODECS[report.codec].clockRate).toFixed(3)} s ${report.codec}`,
    );
  }
  return lines;
}
