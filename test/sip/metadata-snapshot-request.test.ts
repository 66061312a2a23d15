import { afterEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/core/logger.js';
import { EmbeddedSipServer } from '../../src/sip/embedded-server.js';
import { headerValue, type SipRequest } from '../../src/sip/message.js';
import { createSiprecDoor } from '../../src/sip/siprec-door.js';
import { eventually } from '../helpers/eventually.js';
import { type Studio, studio } from '../session/session-fixture.js';
import { type Call, establish, UdpPeer, write, writeResponse } from './engine-kit.js';

const SDP = [
  'v=0',
  'o=src 1 1 IN IP4 127.0.0.1',
  's=-',
  'c=IN IP4 127.0.0.1',
  't=0 0',
  'm=audio 49170 RTP/AVP 0',
  'a=label:1',
  'a=sendonly',
  '',
].join('\r\n');
const COMPLETE =
  '<recording><session session_id="s"/><participant participant_id="p"/><stream stream_id="m"><label>1</label></stream></recording>';
const HALF =
  '<recording><datamode>partial</datamode><participantstreamassoc participant_id="x"><send>y</send></participantstreamassoc></recording>';

interface Stage {
  readonly room: Studio;
  readonly server: EmbeddedSipServer;
  readonly src: UdpPeer;
}

let stage: Stage;

/** Sessions, files and media as they are, behind a real SIP server, with an SRC on a real socket. */
async function setUp(snapshotRequest: boolean, t1Ms = 150): Promise<Stage> {
  const room = await studio({ snapshotRequest });
  const server = new EmbeddedSipServer({
    host: '127.0.0.1',
    udpPorts: [0],
    tcpPorts: [0],
    logger: silentLogger,
    metrics: room.metrics,
    timers: { t1Ms, t2Ms: 8 * t1Ms, t4Ms: 4 * t1Ms },
    serverName: 'sipscribe',
    handlers: createSiprecDoor({ recorder: room.recorder, metrics: room.metrics, logger: silentLogger }),
  });
  await server.start();
  const src = await UdpPeer.open(server.addresses.find(({ transport }) => transport === 'udp')?.port ?? 0);
  stage = { room, server, src };
  return stage;
}

afterEach(async () => {
  await stage.room.stop();
  await stage.server.stop();
  await stage.src.close();
});

function multipart(xml: string, type: string): { extra: readonly string[]; body: string } {
  const parts = [`Content-Type: application/sdp\r\n\r\n${SDP}`, `Content-Type: ${type}\r\n\r\n${xml}`];
  return {
    extra: ['Require: siprec', 'Content-Type: multipart/mixed;boundary=b', 'Allow: INVITE, ACK, BYE, UPDATE'],
    body: `${parts.map((part) => `--b\r\n${part}\r\n`).join('')}--b--\r\n`,
  };
}

const call = (xml: string, type = 'application/rs-metadata+xml'): Promise<Call> =>
  establish(stage.src, multipart(xml, type));

async function tell({ callId, toTag }: Call, cseq: number, xml: string): Promise<void> {
  stage.src.send(
    write(stage.src, {
      method: 'UPDATE',
      callId,
      toTag,
      cseq,
      extra: ['Content-Type: application/rs-metadata+xml', 'Content-Disposition: recording-session'],
      body: xml,
    }),
  );
  expect((await stage.src.final('UPDATE')).status).toBe(200);
}

async function hangUp({ callId, toTag }: Call, cseq: number): Promise<void> {
  stage.src.send(write(stage.src, { method: 'BYE', callId, toTag, cseq }));
  expect((await stage.src.final('BYE')).status).toBe(200);
}

/** Requests of the server that this SRC has not looked at. */
const updates = (): SipRequest[] =>
  stage.src.received.flatMap((message) => (message.kind === 'request' && message.method === 'UPDATE' ? [message] : []));

describe('the request for a metadata snapshot', () => {
  it('is one UPDATE without SDP, of the type that the SRC used, when a partial snapshot comes first', async () => {
    const { src } = await setUp(true);
    const made = await call(HALF, 'application/rs-metadata');
    const asked = await src.request('UPDATE');
    expect(headerValue(asked, 'content-type')).toBe('application/rs-metadata');
    expect(headerValue(asked, 'content-disposition')).toBe('recording-session');
    expect(headerValue(asked, 'require')).toBe('siprec');
    expect(headerValue(asked, 'call-id')).toBe(made.callId);
    const xml = Buffer.from(asked.body).toString();
    expect(xml).toContain('<requestsnapshot xmlns="urn:ietf:params:xml:ns:recording:1">');
    expect(xml).toContain('<requestreason');
    src.send(writeResponse(asked, 200));
    await tell(made, 2, COMPLETE);
    await hangUp(made, 3);
  });

  it.each([405, 415, 420, 481, 488, 500])(
    'changes nothing when it is refused with %i, and is not repeated',
    async (status) => {
      const { src, room } = await setUp(true);
      const made = await call(COMPLETE);
      await tell(made, 2, HALF);
      const asked = await src.request('UPDATE');
      expect(headerValue(asked, 'content-type')).toBe('application/rs-metadata+xml');
      src.send(writeResponse(asked, status));
      await tell(made, 3, HALF);
      await tell(made, 4, HALF.replace('"x"', '"z"'));
      expect(room.recorder.activeSessions).toBe(1);
      await hangUp(made, 5);
      // A second one would have another CSeq; what else arrives is the first one again, sent before our answer reached it.
      const repeated = updates().filter((one) => headerValue(one, 'cseq') !== headerValue(asked, 'cseq'));
      expect(repeated).toEqual([]);
      await room.recorder.settled();
      expect(room.events.at(-1)).toMatchObject({ type: 'call.ended', reason: 'bye' });
    },
  );

  it('changes nothing when the SRC never answers it', async () => {
    const { src, room, server } = await setUp(true, 40);
    const made = await call(HALF);
    await src.request('UPDATE');
    // 64 * T1 later the transaction has given up; the dialog is still there.
    await eventually('our transaction has ended', () => server.counts.transactions === 0, 12_000);
    expect(room.recorder.activeSessions).toBe(1);
    await tell(made, 2, COMPLETE);
    await hangUp(made, 3);
    await room.recorder.settled();
    expect(room.events.at(-1)).toMatchObject({ type: 'call.ended', reason: 'bye' });
  });

  it('is not made for a complete snapshot, nor for one that was salvaged', async () => {
    const { src } = await setUp(true);
    const made = await call(COMPLETE.replace('</recording>', '<oops>'));
    await tell(made, 2, COMPLETE);
    await hangUp(made, 3);
    expect(updates()).toEqual([]);
    expect(src.received.filter((message) => message.kind === 'request')).toEqual([]);
  });

  it('is not made unless it is switched on', async () => {
    await setUp(false);
    const made = await call(HALF);
    await tell(made, 2, HALF);
    await hangUp(made, 3);
    expect(updates()).toEqual([]);
  });
});
