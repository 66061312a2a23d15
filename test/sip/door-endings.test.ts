import { describe, expect, it } from 'vitest';
import { altered, fixture, requestView } from '../helpers/siprec-fixture.js';
import { openDoor } from './door-fixture.js';

describe('the end of a dialog', () => {
  it('by BYE ends the session with the metadata that came with it', async () => {
    const door = openDoor();
    const { session } = await door.invite(fixture('rfc7866-two-legs'));
    session?.ended('bye', altered(fixture('rfc7866-two-legs'), { method: 'BYE' }));
    await door.settled();
    const [end] = door.recorder.session?.ends ?? [];
    expect(end?.reason).toBe('bye');
    expect(end?.last?.metadata?.participants).toHaveLength(2);
  });

  it('by a BYE with a body that nobody can read ends it all the same', async () => {
    const door = openDoor();
    const { session } = await door.invite(fixture('rfc7866-two-legs'));
    session?.ended('bye', requestView({ method: 'BYE', headers: { 'content-type': ['application/isup'] }, body: 'x' }));
    await door.settled();
    expect(door.recorder.session?.ends).toEqual([{ reason: 'bye', last: undefined }]);
  });

  it('hands what is odd about the BYE to the session, which counts it with the rest', async () => {
    const door = openDoor();
    const { session } = await door.invite(fixture('rfc7866-two-legs'));
    session?.ended(
      'bye',
      requestView({ method: 'BYE', headers: { 'content-type': ['application/rs-metadata'] }, body: '<recording>' }),
    );
    await door.settled();
    expect(door.recorder.session?.ends[0]?.last?.warnings.map(({ code }) => code)).toEqual([
      'disposition_missing',
      'metadata_malformed',
    ]);
  });

  it.each([
    ['ack_timeout', 'ack_timeout'],
    ['session_expired', 'session_expired'],
    ['cancelled', 'cancelled'],
    ['transport', 'failed'],
    ['local', 'stopped'],
  ] as const)('by %s ends the session as %s', async (reason, expected) => {
    const door = openDoor();
    const { session } = await door.invite(fixture('rfc7866-two-legs'));
    session?.ended(reason);
    await door.settled();
    expect(door.recorder.session?.ends).toEqual([{ reason: expected, last: undefined }]);
  });

  it('asked for by the session sends BYE and keeps the reason', async () => {
    const door = openDoor();
    const { session } = await door.invite(fixture('rfc7866-two-legs'));
    door.recorder.session?.onEndRequested?.('shutdown');
    expect(door.byes).toEqual(['shutdown']);
    session?.ended('local');
    await door.settled();
    expect(door.recorder.session?.ends).toEqual([{ reason: 'shutdown', last: undefined }]);
  });
});

describe('OPTIONS', () => {
  it('tells the truth: 200 with Accept while sessions are taken, else 503 with Retry-After', () => {
    const door = openDoor();
    const probe = requestView({
      method: 'OPTIONS',
      headers: { 'session-id': [`${'ab'.repeat(16)};remote=${'0'.repeat(32)}`] },
    });
    const ready = door.handlers.options(probe);
    expect(ready.status).toBe(200);
    expect(ready.headers?.Accept).toContain('application/rs-metadata+xml');
    expect(ready.headers?.['Session-ID']).toBe(`${'0'.repeat(32)};remote=${'ab'.repeat(16)}`);
    door.recorder.accepting = false;
    const full = door.handlers.options(probe);
    expect(full.status).toBe(503);
    expect(Number(full.headers?.['Retry-After'])).toBeGreaterThan(0);
  });
});
