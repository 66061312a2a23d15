import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';

/**
 * A load of SIPREC calls without media: INVITE, ACK, BYE, `window` of them at a time. Run as a process of its own:
 * `sip-load.js PORT SECONDS WINDOW`. Prints `{"calls":N,"failed":N,"seconds":S}`.
 */
const [port = 0, seconds = 5, window = 16] = process.argv.slice(2).map(Number);
const socket = createSocket('udp4');
const metadata = `<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>
<session session_id="czE="/>
<participant participant_id="cDE="><nameID aor="sip:a@example.com"><name>A</name></nameID></participant>
<participant participant_id="cDI="><nameID aor="sip:b@example.com"><name>B</name></nameID></participant>
<stream stream_id="dDE=" session_id="czE="><label>1</label></stream><stream stream_id="dDI=" session_id="czE="><label>2</label></stream>
<participantstreamassoc participant_id="cDE="><send>dDE=</send></participantstreamassoc>
<participantstreamassoc participant_id="cDI="><send>dDI=</send></participantstreamassoc>
</recording>`;
const sdp = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0']
  .concat(['1', '2'].flatMap((label) => ['m=audio 40000 RTP/AVP 0', 'a=sendonly', `a=label:${label}`]))
  .join('\r\n');
const body = [
  '--b',
  'Content-Type: application/sdp',
  '',
  `${sdp}\r\n`,
  '--b',
  'Content-Type: application/rs-metadata+xml',
  'Content-Disposition: recording-session',
  '',
  metadata,
  '--b--',
  '',
].join('\r\n');

interface Call {
  id: number;
  sent: Buffer;
  timer: NodeJS.Timeout;
  to: string;
}

/** Two runs against one server must not look like retransmissions of each other. */
const RUN = randomBytes(4).toString('hex');
const callIdOf = (id: number): string => `bench-${RUN}-${id}@127.0.0.1`;
const calls = new Map<string, Call>();
let next = 0;
let completed = 0;
let failed = 0;
let stopping = false;

function request(
  method: string,
  call: { id: number; to: string },
  cseq: number,
  extra: string[],
  content: string,
): Buffer {
  const local = socket.address();
  const lines = [
    `${method} sip:srs@127.0.0.1:${port} SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.1:${local.port};branch=z9hG4bK-${RUN}-${call.id}-${method}`,
    'Max-Forwards: 70',
    `From: <sip:src@127.0.0.1:${local.port}>;tag=${RUN}-${call.id}`,
    `To: ${call.to}`,
    `Call-ID: ${callIdOf(call.id)}`,
    `CSeq: ${cseq} ${method === 'ACK' ? 'ACK' : method}`,
    ...extra,
    `Content-Length: ${Buffer.byteLength(content)}`,
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${content}`);
}

function send(call: Call, message: Buffer): void {
  clearInterval(call.timer);
  call.sent = message;
  call.timer = setInterval(() => socket.send(call.sent, port, '127.0.0.1'), 500);
  socket.send(message, port, '127.0.0.1');
}

function start(): void {
  if (stopping) return;
  const id = ++next;
  const call: Call = { id, sent: Buffer.alloc(0), timer: setInterval(() => {}, 1000), to: '<sip:srs@127.0.0.1>' };
  calls.set(callIdOf(id), call);
  const local = socket.address();
  const extra = [
    `Contact: <sip:src@127.0.0.1:${local.port}>;+sip.src`,
    'Require: siprec',
    'Content-Type: multipart/mixed;boundary=b',
  ];
  send(call, request('INVITE', call, 1, extra, body));
}

function finish(callId: string, call: Call, ok: boolean): void {
  clearInterval(call.timer);
  calls.delete(callId);
  if (ok) completed++;
  else failed++;
  start();
}

socket.on('message', (bytes) => {
  const text = bytes.toString('latin1');
  const status = Number(text.slice(8, 11));
  const callId = /^Call-ID: *(.*?)\r?$/im.exec(text)?.[1] ?? '';
  const call = calls.get(callId);
  if (!call || status < 200) return;
  const method = /^CSeq: *\d+ (\w+)/im.exec(text)?.[1];
  if (method === 'BYE') return finish(callId, call, status === 200);
  if (status !== 200) return finish(callId, call, false);
  call.to = /^To: *(.*?)\r?$/im.exec(text)?.[1] ?? call.to;
  socket.send(request('ACK', call, 1, [], ''), port, '127.0.0.1');
  send(call, request('BYE', call, 2, [], ''));
});

socket.bind(0, '127.0.0.1', () => {
  const began = performance.now();
  for (let i = 0; i < window; i++) start();
  setTimeout(() => {
    stopping = true;
    const took = (performance.now() - began) / 1000;
    console.log(JSON.stringify({ calls: completed, failed, seconds: took }));
    process.exit(0);
  }, seconds * 1000);
});
