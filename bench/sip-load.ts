import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { INVITE_CONTENT_TYPE, inviteBody } from './sip-invite.js';

/**
 * An open-loop load of SIPREC calls without media: a call begins every 1/RATE s whatever became of those before, is acknowledged, held,
 * and ended. A process of its own: `sip-load.js PORT RATE SECONDS HOLD_MS`. For the first ten seconds the rate grows from nothing, because a
 * process that has compiled nothing yet is not what is measured; those calls do not count.
 * Prints one line of JSON, a `SipLoadResult`.
 */
export interface SipLoadResult {
  /** Calls after the warm-up, and how many of them did not get a 200 to INVITE and to BYE within 4 s. */
  readonly calls: number;
  readonly failed: number;
  /** Requests that had to be sent again. */
  readonly repeated: number;
  /** From the first INVITE of a call to its 200, in ms. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** The longest that the load itself was late: figures of a run in which it is long tell of the load, not of the server. */
  readonly lateMs: number;
  /** Bytes of an INVITE. */
  readonly inviteBytes: number;
}

const RAMP_SECONDS = 10;
const T1_MS = 500;
const GIVE_UP_MS = 4_000;

const [port = 0, rate = 400, seconds = 10, holdMs = 1_000] = process.argv.slice(2).map(Number);
/** Two runs against one server must not look like retransmissions of each other. */
const RUN = randomBytes(4).toString('hex');
const socket = createSocket({ type: 'udp4', lookup: (host, _options, callback) => callback(null, host, 4) });

interface Call {
  readonly id: string;
  readonly measured: boolean;
  to: string;
  waitsFor: 'INVITE' | 'BYE' | 'nothing';
  sentAt: number;
  timer: NodeJS.Timeout | undefined;
}

const calls = new Map<string, Call>();
const latencies: number[] = [];
let [begun, measured, failed, repeated, lateMs, inviteBytes] = [0, 0, 0, 0, 0, 0];

function request(method: string, call: Call, cseq: number, extra: readonly string[], content = ''): Buffer {
  const local = `127.0.0.1:${socket.address().port}`;
  const lines = [
    `${method} sip:srs@127.0.0.1:${port} SIP/2.0`,
    `Via: SIP/2.0/UDP ${local};branch=z9hG4bK-${call.id}-${method};rport`,
    'Max-Forwards: 70',
    `From: <sip:src@${local}>;tag=from-${call.id}`,
    `To: ${call.to}`,
    `Call-ID: ${call.id}`,
    `CSeq: ${cseq} ${method}`,
    'User-Agent: bench-src/1.0',
    ...extra,
    `Content-Length: ${Buffer.byteLength(content)}`,
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${content}`);
}

const put = (bytes: Buffer): void => socket.send(bytes, port, '127.0.0.1');

/** Sends, and sends again after T1, 2 T1 … (RFC 3261 §17.1) until an answer comes or the call is given up. */
function sendUntilAnswered(call: Call, bytes: Buffer): void {
  put(bytes);
  const startedAt = performance.now();
  const again = (waitMs: number): void => {
    call.timer = setTimeout(() => {
      if (performance.now() - startedAt > GIVE_UP_MS) return over(call, false);
      repeated++;
      put(bytes);
      again(waitMs * 2);
    }, waitMs);
  };
  again(T1_MS);
}

function begin(isMeasured: boolean): void {
  const id = `${RUN}-${++begun}`;
  const call: Call = {
    id,
    measured: isMeasured,
    to: '<sip:srs@127.0.0.1>',
    waitsFor: 'INVITE',
    sentAt: 0,
    timer: undefined,
  };
  calls.set(id, call);
  if (isMeasured) measured++;
  const extra = [
    `Contact: <sip:src@127.0.0.1:${socket.address().port}>;+sip.src`,
    'Require: siprec',
    'Accept: application/sdp, application/rs-metadata',
    `Content-Type: ${INVITE_CONTENT_TYPE}`,
  ];
  const invite = request('INVITE', call, 1, extra, inviteBody(id));
  inviteBytes = invite.length;
  call.sentAt = performance.now();
  sendUntilAnswered(call, invite);
}

function over(call: Call, well: boolean): void {
  clearTimeout(call.timer);
  if (!calls.delete(call.id)) return;
  if (call.measured && !well) failed++;
}

socket.on('message', (bytes) => {
  const at = performance.now();
  const text = bytes.toString('latin1', 0, 2_000);
  const status = Number(text.slice(8, 11));
  const call = calls.get(/^Call-ID: *(.*?)\r?$/im.exec(text)?.[1] ?? '');
  const method = /^CSeq: *\d+ (\w+)/im.exec(text)?.[1];
  if (call === undefined || status < 200 || method !== call.waitsFor) return;
  clearTimeout(call.timer);
  if (status !== 200 || method === 'BYE') return over(call, status === 200);
  if (call.measured) latencies.push(at - call.sentAt);
  call.waitsFor = 'nothing';
  call.to = /^To: *(.*?)\r?$/im.exec(text)?.[1] ?? call.to;
  put(request('ACK', call, 1, []));
  call.timer = setTimeout(() => {
    call.waitsFor = 'BYE';
    sendUntilAnswered(call, request('BYE', call, 2, []));
  }, holdMs);
});

function report(): void {
  latencies.sort((a, b) => a - b);
  const quantile = (part: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))] ?? Number.NaN;
  const result: SipLoadResult = {
    calls: measured,
    failed: failed + [...calls.values()].filter((call) => call.measured).length,
    repeated,
    p50: quantile(0.5),
    p95: quantile(0.95),
    p99: quantile(0.99),
    lateMs,
    inviteBytes,
  };
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
}

socket.bind(0, '127.0.0.1', () => {
  socket.setRecvBufferSize(4 * 1024 * 1024);
  const began = performance.now();
  const pace = setInterval(() => {
    const now = (performance.now() - began) / 1000;
    const steady = Math.min(now, RAMP_SECONDS + seconds) - RAMP_SECONDS;
    const due = Math.floor(steady < 0 ? (rate * now * now) / (2 * RAMP_SECONDS) : rate * (RAMP_SECONDS / 2 + steady));
    if (steady > 0 && due > begun) lateMs = Math.max(lateMs, ((due - begun - 1) / rate) * 1000);
    while (begun < due) begin(steady >= 0);
    if (now < RAMP_SECONDS + seconds) return;
    clearInterval(pace);
    // The last calls are held as long as the others, and may be given up as late as they.
    const ended = performance.now();
    const wait = setInterval(() => {
      if (calls.size > 0 && performance.now() - ended < holdMs + 2 * GIVE_UP_MS) return;
      clearInterval(wait);
      report();
    }, 50);
  }, 1);
});
