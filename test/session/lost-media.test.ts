import { createSocket } from 'node:dgram';
import { afterEach, expect, it } from 'vitest';
import { eventually } from '../helpers/eventually.js';
import { offer, type Studio, stream, studio, twoPeople } from './session-fixture.js';

let room: Studio | undefined;
afterEach(() => room?.stop());

it('a session whose media worker dies goes on in the one that replaces it, and its record tells what was lost', async () => {
  const here = await studio();
  room = here;
  const { session, answer } = await here.recorder.open(offer([stream(0), stream(1)], { metadata: twoPeople }));
  const asked: string[] = [];
  session.onEndRequested = (reason) => asked.push(reason);
  await here.plane.workers[0]?.kill();
  const told = () => here.events.flatMap((event) => (event.type === 'recording.warning' ? [event.warning.code] : []));
  await eventually('the news', () => told().includes('media_lost'));
  expect(asked).toEqual([]);
  // What comes later finds the call as it was: the second stream is withdrawn, and a third has a port of its own.
  const later = await session.apply(offer([stream(0), stream(1, { port: 0 }), stream(2)]));
  expect(later.answer?.streams[0]?.port).toBe(answer.streams[0]?.port);
  expect(later.answer?.streams[2]?.port).toBeGreaterThan(0);
  await session.end('bye');
  await eventually('the end', () => here.types().includes('call.ended'));
  const record = here.record(session.id);
  expect([record.state, record.reason]).toEqual(['ended', 'bye']);
  expect(record.warnings.find(({ code }) => code === 'media_lost')?.detail).toMatch(/^from \d+ ms to \d+ ms$/);
  expect(record.assurance).toMatchObject({ complete: false, doubts: [{ doubt: 'media_lost' }] });
  expect(record.legs.map(({ file }) => file)).toEqual(['leg-1.wav', 'leg-2.wav', 'leg-3.wav']);
  expect(here.plane.load).toEqual({ calls: 0, ports: 0 });
});

it('a session that no worker can go on with asks for its BYE, and its record tells that media was lost', async () => {
  const here = await studio();
  room = here;
  const { session, answer } = await here.recorder.open(offer([stream(0), stream(1)], { metadata: twoPeople }));
  const asked: string[] = [];
  session.onEndRequested = (reason) => {
    asked.push(reason);
    void session.end(reason);
  };
  await here.plane.workers[0]?.kill();
  // Somebody else takes a port before the replacement is there.
  const thief = createSocket('udp4');
  await new Promise<void>((done) => thief.bind(answer.streams[1]?.port, '127.0.0.1', done));
  await eventually('the end', () => here.types().includes('call.ended'));
  await new Promise<void>((done) => thief.close(() => done()));
  expect(asked).toEqual(['failed']);
  const record = here.record(session.id);
  expect([record.state, record.reason]).toEqual(['ended', 'failed']);
  expect(record.warnings).toContainEqual({ code: 'recording_write_failed', detail: 'media lost' });
  // Nobody knows what the dead worker had heard.
  expect(record.warnings.map(({ code }) => code)).not.toContain('no_rtp');
  expect(here.recorder.activeSessions).toBe(0);
  // The next call is taken by the worker that replaced the dead one.
  const next = await here.recorder.open(offer([stream(0)]));
  expect(next.answer.streams[0]?.port).toBeGreaterThan(0);
  await next.session.end('bye');
});
