import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../helpers/eventually.js';
import { openDoor } from './door-fixture.js';
import { atRest, type Fixture, newCallId, startServer, UdpPeer, write } from './engine-kit.js';
import { APPLICATION, BACKWARD } from './torture/rfc4475-application.js';
import { INVALID, TRANSACTION } from './torture/rfc4475-invalid.js';
import { VALID } from './torture/rfc4475-valid.js';
import { IPV6 } from './torture/rfc5118.js';
import type { TortureMessage } from './torture/torture-message.js';
import { endure } from './torture/torture-run.js';

const sections = (messages: readonly TortureMessage[]): Set<string> =>
  new Set(messages.map(({ id }) => id.split(' ')[0] ?? ''));
const row = (message: TortureMessage) =>
  [
    message.id,
    message.answers.length === 0 ? 'dropped' : message.answers.join(' and '),
    message.what,
    message,
  ] as const;

describe.each([
  ['RFC 4475, valid messages', VALID],
  ['RFC 4475, invalid messages', INVALID],
  ['RFC 4475, transactions', TRANSACTION],
  ['RFC 4475, applications', APPLICATION],
  ['RFC 4475, peers of RFC 2543', BACKWARD],
  ['RFC 5118', IPV6],
])('torture messages of %s', (_group, messages) => {
  let fixture: Fixture;
  beforeAll(async () => {
    // The SIPREC floor stands above the engine, because types of bodies are judged there.
    fixture = await startServer({ handlers: openDoor().handlers });
  });
  afterAll(() => fixture.server.stop());

  it.each(messages.map(row))('%s gets %s: %s', async (_id, _outcome, _what, message) => {
    await endure(fixture, message);
  });

  it('leave nothing behind', async () => {
    await atRest(fixture);
    await eventually('no connection is left', () => fixture.server.counts.connections === 0);
  });
});

describe('the table of torture messages', () => {
  it('has an entry for every message of RFC 4475', () => {
    const numbered = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}.${i + 1}`);
    expect([...sections(VALID)]).toEqual(numbered('3.1.1', 13));
    expect([...sections(INVALID)]).toEqual(numbered('3.1.2', 19));
    expect([...sections(TRANSACTION)]).toEqual(['3.2.1']);
    expect([...sections(APPLICATION)]).toEqual(numbered('3.3', 15));
    expect([...sections(BACKWARD)]).toEqual(['3.4.1']);
  });

  it('has an entry for every message of RFC 5118, two for its sections 4.5 and 4.10', () => {
    expect([...sections(IPV6)]).toEqual(Array.from({ length: 10 }, (_, i) => `4.${i + 1}`));
    for (const double of ['4.5', '4.10']) expect(IPV6.filter(({ id }) => id.startsWith(`${double} `))).toHaveLength(2);
  });
});

describe('requests without a branch of their own', () => {
  it('are told apart by everything else that they say', async () => {
    const fixture = await startServer();
    const peer = await UdpPeer.open(fixture.udp);
    const calls = [newCallId(), newCallId()];
    for (const callId of calls) peer.send(write(peer, { method: 'OPTIONS', callId, branch: 'z9hG4bK' }));
    for (const callId of calls) {
      await peer.next(`an answer to ${callId}`, (m) => m.headers.some(({ value }) => value === callId));
    }
    expect(fixture.server.counts.transactions).toBe(2);
    await peer.close();
    await fixture.server.stop();
  });
});
