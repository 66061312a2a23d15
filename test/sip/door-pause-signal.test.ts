import { describe, expect, it } from 'vitest';
import { HandClock } from '../../src/core/clock.js';
import { SrsError } from '../../src/core/errors.js';
import { silentLogger } from '../../src/core/logger.js';
import { Metrics } from '../../src/core/metrics.js';
import type { SipDialogHandlers, SipDialogRequest, SipDialogResponse } from '../../src/sip/sip-server.js';
import { createSiprecDoor } from '../../src/sip/siprec-door.js';
import { eventually } from '../helpers/eventually.js';
import { requestView } from '../helpers/siprec-fixture.js';
import { PlayedRecorder, type PlayedSession } from './door-fixture.js';

const SDP =
  'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\na=label:1\r\n';
const plain = { headers: { 'content-type': ['application/sdp'] }, body: Buffer.from(SDP) };
const busy = new SrsError('SRS_SIP_DIALOG_STATE', 'not now');

interface Asked {
  readonly request: SipDialogRequest;
  answer(status: number, body?: string): void;
  fail(error: Error): void;
}

interface Scene {
  readonly session: PlayedSession;
  readonly dialog: SipDialogHandlers;
  /** What the door has asked of the SRC, oldest first. */
  readonly asked: Asked[];
  readonly clock: HandClock;
}

async function scene(): Promise<Scene> {
  const recorder = new PlayedRecorder();
  const clock = new HandClock(5_000);
  const asked: Asked[] = [];
  const door = createSiprecDoor({
    recorder,
    metrics: new Metrics({ vendors: [], models: [] }),
    logger: silentLogger,
    clock,
  });
  const control = {
    localHost: '127.0.0.1',
    cancelled: new AbortController().signal,
    bye: async () => {},
    request: (request: SipDialogRequest) =>
      new Promise<SipDialogResponse>((resolve, reject) => {
        const answer = (status: number, body = ''): void => {
          const header = (name: string) => (name === 'content-type' ? 'application/sdp' : undefined);
          resolve({ status, header, body: Buffer.from(body) });
        };
        asked.push({ request, answer, fail: reject });
      }),
  };
  const { session: dialog } = await door.invite(requestView(plain), control);
  const { session } = recorder;
  if (!dialog || !session) throw new Error('no dialog');
  return { session, dialog, asked, clock };
}

const direction = ({ request }: Asked): string | undefined =>
  /^a=(inactive|recvonly)/m.exec(request.body?.content ?? '')?.[1];

/** The door's session as a pause and its end leave it, told to the door. */
function change(session: PlayedSession, paused: boolean): void {
  const streams = session.currentAnswer.streams.map((stream) => ({
    ...stream,
    direction: paused ? ('inactive' as const) : ('recvonly' as const),
  }));
  session.currentAnswer = { ...session.currentAnswer, streams };
  session.onPauseSignal?.(!paused);
}

async function nth(asked: readonly Asked[], place: number): Promise<Asked> {
  await eventually(`request ${place}`, () => asked.length >= place);
  const found = asked[place - 1];
  if (found === undefined) throw new Error('unreachable');
  return found;
}

describe('the signal of a pause', () => {
  it.each([
    ['is not the time for it', (one: Asked) => one.fail(busy)],
    ['crosses a request of the SRC too often', (one: Asked) => one.answer(491)],
  ])('is kept when it %s, and sent when the SRC is heard of again', async (_name, meet) => {
    const { session, dialog, asked } = await scene();
    change(session, false);
    meet(await nth(asked, 1));
    expect((await dialog.request(requestView({ method: 'INFO' }))).status).toBe(200);
    const second = await nth(asked, 2);
    expect(direction(second)).toBe('recvonly');
    second.answer(200);
    expect((await dialog.request(requestView({ method: 'INFO' }))).status).toBe(200);
    dialog.acknowledged?.({ type: undefined, content: new Uint8Array(0), receivedAt: 1 });
    // Two turns of the event loop later nothing more was asked: what was answered is done.
    for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(asked).toHaveLength(2);
  });

  it('waits for the request of a snapshot, and then says what is so by then', async () => {
    const { session, dialog, asked } = await scene();
    session.onSnapshotWanted?.();
    dialog.acknowledged?.({ type: undefined, content: new Uint8Array(0), receivedAt: 1 });
    const snapshot = await nth(asked, 1);
    expect(snapshot.request.method).toBe('UPDATE');
    change(session, true);
    change(session, false);
    change(session, true);
    for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(asked).toHaveLength(1);
    snapshot.answer(500);
    const signal = await nth(asked, 2);
    expect(direction(signal)).toBe('inactive');
    // One that is under way says what was so: what changes meanwhile is said after it.
    change(session, false);
    signal.answer(200);
    const last = await nth(asked, 3);
    expect(direction(last)).toBe('recvonly');
    last.answer(200);
  });

  it('is not repeated when the SRC refuses it', async () => {
    const { session, dialog, asked } = await scene();
    change(session, true);
    (await nth(asked, 1)).answer(488);
    await dialog.request(requestView({ method: 'INFO' }));
    for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(asked).toHaveLength(1);
  });

  it('has the time of its answer from the clock', async () => {
    const { session, asked, clock } = await scene();
    change(session, false);
    clock.advance(1_000);
    (await nth(asked, 1)).answer(200, SDP);
    await eventually('the answer is taken', () => session.applied.length === 1);
    expect(session.applied[0]?.receivedAt).toBe(6_000);
  });
});
