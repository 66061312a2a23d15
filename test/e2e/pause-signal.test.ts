import { afterEach, describe, expect, it } from 'vitest';
import { reply, TestCall } from '../contract/contract-kit.js';
import { eventually } from '../helpers/eventually.js';
import { startTestServer, type TestServer } from '../helpers/test-server.js';
import { UdpPeer } from '../sip/engine-kit.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Two streams, as an SRC offers and answers them. */
function sdp(direction: 'sendonly' | 'inactive', version = 1): { readonly type: string; readonly text: string } {
  const streams = [1, 2].flatMap((n) => [`m=audio ${40_000 + 2 * n} RTP/AVP 0`, `a=label:${n}`, `a=${direction}`]);
  const text = ['v=0', `o=- 1 ${version} IN IP4 127.0.0.1`, 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', ...streams, ''];
  return { type: 'application/sdp', text: text.join('\r\n') };
}

interface Scene {
  readonly server: TestServer;
  readonly peer: UdpPeer;
  readonly call: TestCall;
  readonly id: string;
  state(): unknown;
}

async function scene(): Promise<Scene> {
  const server = await startTestServer({ SIP_SIGNAL_PAUSE: 'true', WHISPER_ENABLED: 'false' });
  closers.push(() => server.stop());
  const peer = await UdpPeer.open(server.sip.udp);
  closers.push(() => peer.close());
  const call = await TestCall.place(peer, sdp('sendonly'), ['Require: siprec']);
  const [live] = server.app.recorder.list();
  const id = live?.sessionId ?? '';
  return { server, peer, call, id, state: () => server.app.recorder.find(id).state };
}

const command = async (server: TestServer, id: string, verb: string): Promise<number> =>
  (await fetch(`${server.http}/api/calls/${id}/${verb}`, { method: 'POST' })).status;

const lines = (body: Uint8Array, start: string): string[] =>
  Buffer.from(body)
    .toString()
    .split('\r\n')
    .filter((line) => line.startsWith(start));

describe('a pause that the SRC is told of', () => {
  it('offers the same m-lines as inactive, and wants them all again at its end, also from an SRC that took inactive over', async () => {
    const { server, peer, call, id, state } = await scene();
    const before = lines(call.answer.body, 'm=');
    expect(before).toHaveLength(2);
    expect(await command(server, id, 'pause')).toBe(200);
    const pause = await call.receive('INVITE');
    expect(lines(pause.body, 'm=')).toEqual(before);
    expect(lines(pause.body, 'a=inactive')).toHaveLength(2);
    reply(peer, pause, 200, sdp('inactive', 2));
    await call.receive('ACK');
    // A refresh of the SRC repeats what it now believes; that is not a hold of its own for ever.
    expect(lines((await call.send('INVITE', sdp('inactive', 2))).body, 'a=inactive')).toHaveLength(2);
    expect(await command(server, id, 'resume')).toBe(200);
    const resume = await call.receive('INVITE');
    expect(lines(resume.body, 'm=')).toEqual(before);
    expect(lines(resume.body, 'a=recvonly')).toHaveLength(2);
    reply(peer, resume, 200, sdp('sendonly', 3));
    await call.receive('ACK');
    await eventually('it is recorded again', () => state() === 'recording');
  });

  it('holds whether the SRC takes the signal, refuses it or never answers, and the call goes on', async () => {
    const { server, peer, call, id, state } = await scene();
    expect(await command(server, id, 'pause')).toBe(200);
    reply(peer, await call.receive('INVITE'), 488);
    expect((await call.send('INFO')).status).toBe(200);
    expect(state()).toBe('paused');
    expect(await command(server, id, 'resume')).toBe(200);
    // Answered before the SRC is: nothing waits for it.
    expect(state()).toBe('recording');
    await call.receive('INVITE');
    expect(await command(server, id, 'pause')).toBe(200);
    expect(state()).toBe('paused');
  });

  it('is ended with the recording session alone when that is stopped', async () => {
    const { server, peer, call, id } = await scene();
    expect(await command(server, id, 'stop')).toBe(202);
    reply(peer, await call.receive('BYE'), 200);
    const ended = await server.ended(call.callId);
    expect(ended.reason).toBe('stopped');
    expect(server.record(ended).reason).toBe('stopped');
  });
});
