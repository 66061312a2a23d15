import { afterEach, expect, it } from 'vitest';
import { eventually } from '../helpers/eventually.js';
import { offer, type Studio, stream, studio, twoPeople } from './session-fixture.js';

let room: Studio | undefined;
afterEach(() => room?.stop());

it('a session whose media worker dies asks for its BYE, and its record tells that media was lost', async () => {
  const here = await studio();
  room = here;
  const { session } = await here.recorder.open(offer([stream(0), stream(1)], { metadata: twoPeople }));
  const asked: string[] = [];
  session.onEndRequested = (reason) => {
    asked.push(reason);
    void session.end(reason);
  };
  await here.plane.workers[0]?.kill();
  await eventually('the end', () => here.types().includes('call.ended'));
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
