import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { silentLogger } from '../../src/core/logger.js';
import { Metrics } from '../../src/core/metrics.js';
import { DrachtioSipServer, type DrachtioSipServerOptions } from '../../src/sip/drachtio/drachtio-server.js';
import { headerValue } from '../../src/sip/message.js';
import { DrachtioEmulator } from '../helpers/drachtio-emulator/drachtio-emulator.js';
import { eventually } from '../helpers/eventually.js';
import { newBranch, newCallId, type Peer, TcpPeer, UdpPeer, write } from '../sip/engine-kit.js';
import { ANSWER, bodyParts, finalTo, QUICK, SDP, TestCall, textOf } from './contract-kit.js';

const OFFER = { type: 'application/sdp', text: SDP.replace('recvonly', 'sendonly') };

describe('the front that has a drachtio-server beside it', () => {
  const ends: string[] = [];
  const bodies: string[] = [];
  let emulator: DrachtioEmulator;
  let server: DrachtioSipServer | undefined;
  let peer: Peer | undefined;
  let reply = ANSWER;
  /** An INVITE waits for it. */
  let gate: Promise<void> = Promise.resolve();

  beforeEach(async () => {
    ends.length = 0;
    bodies.length = 0;
    reply = ANSWER;
    gate = Promise.resolve();
    emulator = await DrachtioEmulator.start({ timers: QUICK });
  });
  afterEach(async () => {
    // The peers of calls that are left answer no BYE, so the server's death comes first.
    await emulator.die();
    await server?.stop();
    await peer?.close();
    server = undefined;
    peer = undefined;
  });

  const make = (options: Partial<DrachtioSipServerOptions> = {}): DrachtioSipServer => {
    server = new DrachtioSipServer({
      host: '127.0.0.1',
      port: emulator.adminPort,
      secret: emulator.secret,
      logger: silentLogger,
      metrics: new Metrics({ vendors: [], models: [] }),
      serverName: 'sipscribe',
      handlers: {
        options: () => ({ status: 200 }),
        invite: async (request) => {
          bodies.push(textOf(request.body));
          await gate;
          return { reply, session: { request: async () => reply, ended: (reason) => ends.push(reason) } };
        },
      },
      ...options,
    });
    return server;
  };
  const call = async (): Promise<TestCall> => {
    peer ??= await UdpPeer.open(emulator.udp);
    return TestCall.place(peer, OFFER);
  };

  it('ends every session when drachtio-server dies, and takes calls again when it is back', async () => {
    const front = make();
    await front.start();
    await call();
    await call();
    await emulator.die();
    await eventually('both sessions hear it', () => ends.length === 2);
    expect(ends).toEqual(['transport', 'transport']);
    expect(front.addresses).toEqual([]);
    expect(front.dialogs).toBe(0);
    await emulator.rise();
    await eventually('the front is connected again', () => front.addresses.length === 2);
    expect(front.addresses[0]).toEqual({ transport: 'udp', host: '127.0.0.1', port: emulator.udp });
    const again = await call();
    expect((await again.send('BYE')).status).toBe(200);
    expect(ends).toEqual(['transport', 'transport', 'bye']);
  });

  it('refuses to start when the secret is wrong, and says so', async () => {
    await expect(make({ secret: 'other' }).start()).rejects.toMatchObject({
      code: 'SRS_CONFIG_INVALID',
      message: expect.stringContaining('DRACHTIO_SECRET'),
    });
    expect(emulator.control.received.some((line) => line.includes('|route|'))).toBe(false);
    await eventually('the connection is closed', () => emulator.control.clients.length === 0);
  });

  it('refuses a secret that would break out of its field, before anything is sent', async () => {
    await expect(make({ secret: 'a|b' }).start()).rejects.toMatchObject({ code: 'SRS_CONFIG_INVALID' });
    expect(emulator.control.received).toEqual([]);
  });

  it('refuses to start when nobody answers, after the time that it was given', async () => {
    await emulator.die();
    await expect(make({ connectMs: 300 }).start()).rejects.toMatchObject({
      code: 'SRS_CONFIG_INVALID',
      message: expect.stringContaining('DRACHTIO_HOST'),
    });
    await emulator.rise();
    // An attempt that was still planned would come within a second.
    await expect(eventually('a late attempt', () => emulator.control.clients.length > 0, 1_000)).rejects.toThrow(
      'timed out',
    );
  });

  it('ends a start that waits for a drachtio-server when it is stopped', async () => {
    await emulator.die();
    const front = make();
    const started = front.start().then(
      () => 'started',
      (error: unknown) => Object(error).code,
    );
    await front.stop();
    expect(await started).toBe('SRS_SIP_BUSY');
  });

  it('connects anew when drachtio-server says nothing any more, and ends the calls of that connection', async () => {
    const front = make({ silenceMs: 1_500 });
    await front.start();
    await call();
    await eventually('the session hears it', () => ends.length === 1);
    expect(ends).toEqual(['transport']);
    expect(front.dialogs).toBe(0);
    await eventually('it is connected again', () => front.addresses.length > 0);
  });

  it('waits for a drachtio-server that starts later', async () => {
    await emulator.die();
    const front = make();
    const started = front.start();
    await emulator.rise();
    await started;
    expect(front.addresses).toHaveLength(2);
  });

  it('never sends a message that would wedge drachtio-server, and answers 500 in its place', async () => {
    const front = make();
    await front.start();
    reply = { status: 200, body: { type: 'application/sdp', content: `${SDP}${'a=x:y\r\n'.repeat(2_000)}` } };
    peer = await UdpPeer.open(emulator.udp);
    const refused = await finalTo(peer, write(peer, { callId: newCallId(), ...bodyParts(OFFER) }));
    expect(refused.status).toBe(500);
    await eventually('the session is told', () => ends.length === 1);
    expect(ends).toEqual(['transport']);
    reply = { status: 200, body: { type: 'application/sdp', content: `${SDP}${'a=x:y\r\n'.repeat(1_300)}` } };
    expect((await call()).answer.body.length).toBeGreaterThan(9_000);
    expect(emulator.control.longest).toBeLessThan(12_000);
    expect(front.dialogs).toBe(1);
  });

  it('answers an INVITE in time when the application does not', async () => {
    const front = make({ patienceMs: 200 });
    await front.start();
    let open: () => void = () => {};
    gate = new Promise((resolve) => {
      open = resolve;
    });
    peer = await UdpPeer.open(emulator.udp);
    const refused = await finalTo(peer, write(peer, { callId: newCallId(), ...bodyParts(OFFER) }));
    expect(refused.status).toBe(503);
    open();
    await eventually('the session that came too late is told', () => ends.length === 1);
    expect(ends).toEqual(['cancelled']);
    expect(front.dialogs).toBe(0);
  });

  it('takes whole bodies with blank lines, long lines broken, and letters of many bytes', async () => {
    await make().start();
    peer = await TcpPeer.open(emulator.tcp);
    const text = `--b\r\nContent-Type: text/plain\r\n\r\nä€𝄞\r\n\r\n${`${'x'.repeat(8_000)}\r\n`.repeat(5)}\r\n--b--\r\n`;
    await TestCall.place(peer, { type: 'multipart/mixed;boundary=b;charset=utf-8', text });
    expect(bodies).toEqual([text]);
  });

  it('keeps all of a body whose bytes are no UTF-8', async () => {
    await make().start();
    peer = await UdpPeer.open(emulator.udp);
    const bytes = Buffer.from(`${OFFER.text}s=caf\xe9 end`, 'latin1');
    const message = write(peer, { callId: newCallId(), extra: ['Content-Type: application/sdp'] });
    const head = message.replace(/Content-Length: 0/, `Content-Length: ${bytes.length}`);
    peer.send(Buffer.concat([Buffer.from(head), bytes]));
    await peer.final('INVITE');
    expect(bodies).toEqual([`${OFFER.text}s=caf\ufffd end`]);
  });

  it('prints nothing of a message that drachtio-srf cannot read, and answers it', async () => {
    await make().start();
    const printed = vi.spyOn(console, 'error').mockImplementation(() => {});
    try {
      peer = await UdpPeer.open(emulator.udp);
      const extra = ['This line is no header', 'X-After: it'];
      const answer = await finalTo(peer, write(peer, { callId: newCallId(), ...bodyParts(OFFER, extra) }));
      expect(answer.status).toBe(200);
      emulator.control.sendRaw('5#a|bad');
      emulator.control.sendRaw('27#x|sip|network|0||||||||\r\nno');
      const probe = await finalTo(peer, write(peer, { method: 'OPTIONS', callId: newCallId() }));
      expect(probe.status).toBe(200);
      expect(printed).not.toHaveBeenCalled();
    } finally {
      printed.mockRestore();
    }
  });

  it('connects anew when what comes is no frame at all', async () => {
    const front = make();
    await front.start();
    await call();
    emulator.control.sendRaw('not a frame # at all');
    await eventually('the session hears it', () => ends.length === 1);
    expect(ends).toEqual(['transport']);
    await eventually('the front is connected again', () => front.addresses.length === 2);
    expect(headerValue((await call()).answer, 'contact')).toContain('+sip.srs');
  });

  it('says BYE to calls that are left when it stops', async () => {
    const front = make();
    await front.start();
    const left = await call();
    const stopped = front.stop();
    const bye = await left.receive('BYE');
    expect(headerValue(bye, 'reason')).toContain('shutdown');
    await stopped;
    expect(ends).toEqual(['local']);
    await eventually('the connection is closed', () => emulator.control.clients.length === 0);
  });

  it('ends a session that nobody refreshes, told by drachtio-server', async () => {
    await emulator.die();
    emulator = await DrachtioEmulator.start({ timers: QUICK, secondMs: 2 });
    await make().start();
    peer = await UdpPeer.open(emulator.udp);
    await TestCall.place(peer, OFFER, ['Supported: timer', 'Session-Expires: 100']);
    await eventually('the session hears it', () => ends.length === 1);
    expect(ends).toEqual(['session_expired']);
  });

  it('ends the session of a dialog whose name another INVITE takes', async () => {
    const front = make();
    await front.start();
    const src = await UdpPeer.open(emulator.udp);
    peer = src;
    const callId = newCallId();
    const place = async (cseq: number): Promise<TestCall> => {
      const invite = write(src, { callId, cseq, branch: newBranch(), ...bodyParts(OFFER) });
      const placed = new TestCall(src, callId, await finalTo(src, invite));
      placed.acknowledge(cseq);
      return placed;
    };
    await place(0);
    const second = await place(1);
    await eventually('the first session hears it', () => ends.length === 1);
    expect(ends).toEqual(['transport']);
    expect(front.dialogs).toBe(1);
    expect((await second.send('INFO')).status).toBe(200);
    expect((await second.send('BYE')).status).toBe(200);
    expect(ends).toEqual(['transport', 'bye']);
    expect(front.dialogs).toBe(0);
  });
});
