import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HandClock } from '../../src/core/clock.js';
import type { EmbeddedSipServerOptions } from '../../src/sip/embedded-server.js';
import { headerValue, headerValues, type SipResponse } from '../../src/sip/message.js';
import { tagOf } from '../../src/sip/name-address.js';
import { eventually } from '../helpers/eventually.js';
import { authorization, type DigestAttempt, digestResponse, nonceOf } from './digest-client.js';
import { metricOf } from './door-fixture.js';
import { type Fixture, newBranch, newCallId, type RequestParts, startServer, UdpPeer, write } from './engine-kit.js';

const DIGEST = { realm: 'recording', users: new Map([['sbc', 'open sesame']]) };
/** Five minutes and a bit: the life of a nonce. */
const LIFE_MS = 300_001;

let fixture: Fixture;
let peer: UdpPeer;
let clock: HandClock;
let cseq = 0;

async function serve(overrides: Partial<EmbeddedSipServerOptions> = {}): Promise<void> {
  clock = new HandClock(1_750_000_000_000);
  fixture = await startServer({ digest: DIGEST, clock, ...overrides });
  peer = await UdpPeer.open(fixture.udp);
}

beforeEach(() => serve());
afterEach(async () => {
  await peer.close();
  await fixture.server.stop();
});

async function ask(parts: RequestParts): Promise<SipResponse> {
  const callId = parts.callId ?? newCallId();
  const number = ++cseq;
  peer.send(write(peer, { cseq: number, ...parts, callId }));
  const answer = await peer.next(
    `a final answer to ${callId}`,
    (m) => m.kind === 'response' && m.status >= 200 && headerValue(m, 'call-id') === callId,
  );
  if (answer.kind !== 'response') throw new Error('unreachable');
  return answer;
}

/** A fresh challenge's nonce, then one request with credentials. */
async function attempt(method: string, more: Partial<DigestAttempt> = {}): Promise<SipResponse> {
  const nonce = more.nonce ?? nonceOf(await ask({ method }));
  return ask({ method, extra: [authorization({ method, nonce, ...more })] });
}

const refused = (cause: string) => metricOf(fixture.metrics, `siprec_sip_refused_total{cause="${cause}"}`);

describe("the tests' own client", () => {
  // RFC 7616 §3.9.1.
  const example = {
    user: 'Mufasa',
    password: 'Circle of Life',
    realm: 'http-auth@example.org',
    method: 'GET',
    uri: '/dir/index.html',
    nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
    cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
  };

  it('computes what the RFC computes', () => {
    expect(digestResponse({ ...example, algorithm: 'MD5' })).toBe('8ca523f5e9506fed4657c9700eebdbec');
    expect(digestResponse({ ...example, algorithm: 'SHA-256' })).toBe(
      '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1',
    );
  });
});

describe('a new INVITE or OPTIONS without credentials', () => {
  it.each(['INVITE', 'OPTIONS'])(
    'gets 401 with a challenge for each algorithm and leaves nothing: %s',
    async (method) => {
      const parts = { method, callId: newCallId(), branch: newBranch(), cseq: 1 };
      const first = await ask(parts);
      const again = await ask(parts);
      expect([first.status, again.status]).toEqual([401, 401]);
      const challenges = headerValues(first, 'www-authenticate');
      expect(challenges.map((text) => /algorithm=([\w-]+)/.exec(text)?.[1])).toEqual(['SHA-256', 'MD5']);
      for (const text of challenges)
        expect(text).toMatch(/^Digest realm="recording", nonce="[0-9a-f]{60}", .*qop="auth"$/);
      // A stateless server says the same To tag to every copy (RFC 3261 §8.2.7).
      const [tag, sameTag] = [first, again].map((answer) => tagOf(headerValue(answer, 'to') ?? ''));
      expect(tag).toBeDefined();
      expect(sameTag).toBe(tag);
      expect(fixture.server.counts.transactions).toBe(0);
      expect(fixture.calls).toEqual([]);
      expect(await refused('challenged')).toBe(2);
    },
  );

  it('is let in when its network is exempt', async () => {
    await Promise.all([peer.close(), fixture.server.stop()]);
    await serve({ digest: { ...DIGEST, exempt: ['127.0.0.0/8'] } });
    expect((await ask({ method: 'OPTIONS' })).status).toBe(200);
  });
});

describe('a request with credentials', () => {
  it.each([
    ['SHA-256', { algorithm: 'SHA-256' }],
    ['MD5', { algorithm: 'MD5' }],
    ['MD5 that is not named', { algorithm: 'MD5', forged: { algorithm: null } }],
    ['no qop, as RFC 2069 had it', { algorithm: 'MD5', qop: null }],
    ['a uri that names another user of the same host', { uri: 'sip:127.0.0.1:5060' }],
  ] as const)('is let in by %s', async (_what, more) => {
    expect((await attempt('OPTIONS', more)).status).toBe(200);
    expect((await attempt('INVITE', more)).status).toBe(200);
    expect(fixture.calls).toHaveLength(1);
  });

  it.each([
    ['a wrong password', { password: 'close sesame' }],
    ['a user that does not exist', { user: 'nobody' }],
    ['the credentials of another method', { method: 'BYE' }],
    ['a response of another length', { forged: { response: '"00"' } }],
    ['no response', { forged: { response: null } }],
    ['auth-int', { qop: 'auth-int' }],
    ['an algorithm that was not offered', { forged: { algorithm: 'SHA-512-256' } }],
    ['a session algorithm', { forged: { algorithm: 'SHA-256-sess' } }],
    ['a hashed user name', { forged: { userhash: 'true' } }],
    ['a nonce count of 0', { count: 0 }],
    ['a nonce count that is no number', { forged: { nc: 'xyz' } }],
    ['no cnonce', { forged: { cnonce: null } }],
  ] as const)('hears 401 again with %s', async (_what, more) => {
    const answer = await attempt('INVITE', more);
    expect(answer.status).toBe(401);
    expect(headerValue(answer, 'www-authenticate')).not.toContain('stale');
    expect(fixture.calls).toEqual([]);
    expect(await refused('unauthenticated')).toBe(1);
  });

  it.each([
    ['of another realm', { realm: 'elsewhere' }],
    ['with a nonce of somebody else', { nonce: 'f'.repeat(60) }],
    ['with a nonce that is no nonce', { nonce: 'x' }],
    ['with a directive twice', { forged: { username: '"sbc", username="sbc"' } }],
    ['that end in the middle', { forged: { response: '"00' } }],
  ] as const)('is challenged anew with credentials %s', async (_what, more) => {
    expect((await attempt('OPTIONS', more)).status).toBe(401);
    expect(await refused('unauthenticated')).toBe(0);
  });

  it('is challenged when its scheme is not Digest', async () => {
    for (const line of ['NoOneKnowsThisScheme opaque-data=here', 'Basic c2JjOng=', 'Digest', '']) {
      expect((await ask({ method: 'OPTIONS', extra: [`Authorization: ${line}`] })).status).toBe(401);
    }
  });

  it('hears 400 when it signed the URI of another host', async () => {
    expect((await attempt('OPTIONS', { uri: 'sip:srs@elsewhere.example' })).status).toBe(400);
    expect((await attempt('OPTIONS', { uri: 'sip:srs@127.0.0.1:5099' })).status).toBe(400);
  });

  it('is told that its nonce is stale when its time is over, and only then', async () => {
    const nonce = nonceOf(await ask({ method: 'OPTIONS' }));
    clock.advance(LIFE_MS);
    const guess = await ask({ method: 'OPTIONS', extra: [authorization({ method: 'OPTIONS', nonce, password: 'x' })] });
    expect(headerValue(guess, 'www-authenticate')).not.toContain('stale');
    const late = await attempt('OPTIONS', { nonce });
    expect(late.status).toBe(401);
    expect(headerValues(late, 'www-authenticate').every((text) => text.endsWith(', stale=true'))).toBe(true);
    expect((await attempt('OPTIONS', { nonce: nonceOf(late) })).status).toBe(200);
  });

  it('cannot be sent again, while counts that overtake each other are taken', async () => {
    const nonce = nonceOf(await ask({ method: 'OPTIONS' }));
    const statuses: number[] = [];
    for (const count of [1, 1, 5, 3, 3, 2, 40, 9, 8, 41]) {
      statuses.push((await attempt('OPTIONS', { nonce, count })).status);
    }
    //                        1    1    5    3    3    2    40   9    8    41
    expect(statuses).toEqual([200, 401, 200, 200, 401, 200, 200, 200, 401, 200]);
  });

  it('may use a nonce without qop once', async () => {
    const nonce = nonceOf(await ask({ method: 'OPTIONS' }));
    expect((await attempt('OPTIONS', { nonce, qop: null })).status).toBe(200);
    const again = await attempt('OPTIONS', { nonce, qop: null });
    expect(headerValue(again, 'www-authenticate')).toContain('stale=true');
  });

  it('cannot use the nonce of another address', async () => {
    const nonce = nonceOf(await ask({ method: 'OPTIONS' }));
    const other = await UdpPeer.open(fixture.udp, '127.0.0.9');
    other.send(write(other, { method: 'OPTIONS', extra: [authorization({ method: 'OPTIONS', nonce })] }));
    expect((await other.final()).status).toBe(401);
    await other.close();
  });
});

describe('inside a dialog and behind an INVITE', () => {
  it('nothing is challenged: ACK, re-INVITE, UPDATE, INFO, OPTIONS, CANCEL, BYE', async () => {
    const callId = newCallId();
    const nonce = nonceOf(await ask({ callId }));
    const answer = await ask({ callId, extra: [authorization({ method: 'INVITE', nonce })] });
    const toTag = tagOf(headerValue(answer, 'to') ?? '') ?? '';
    peer.send(write(peer, { method: 'ACK', callId, toTag, cseq }));
    await eventually('the ACK arrives', () => fixture.calls[0]?.acks.length === 1);
    for (const method of ['UPDATE', 'INFO', 'OPTIONS', 'INVITE']) {
      expect([method, (await ask({ method, callId, toTag })).status]).toEqual([method, 200]);
    }
    peer.send(write(peer, { method: 'ACK', callId, toTag, cseq }));
    await eventually('the second ACK arrives', () => fixture.calls[0]?.acks.length === 2);
    expect((await ask({ method: 'CANCEL', callId: newCallId() })).status).toBe(481);
    expect((await ask({ method: 'INVITE', callId: newCallId(), toTag: 'nobody' })).status).toBe(481);
    expect((await ask({ method: 'BYE', callId, toTag })).status).toBe(200);
  });
});

describe('whoever guesses passwords', () => {
  it('is heard ten times, and then only as often as a person would try; other addresses are not hurt', async () => {
    const nonce = nonceOf(await ask({ method: 'OPTIONS' }));
    for (let i = 0; i < 10; i++) expect((await attempt('OPTIONS', { nonce, password: `${i}` })).status).toBe(401);
    const barred = await attempt('OPTIONS', { nonce });
    expect(barred.status).toBe(503);
    expect(headerValue(barred, 'retry-after')).toBe('5');
    const other = await UdpPeer.open(fixture.udp, '127.0.0.9');
    other.send(write(other, { method: 'OPTIONS' }));
    expect((await other.final()).status).toBe(401);
    await other.close();
    clock.advance(5_000);
    expect((await attempt('OPTIONS', { nonce })).status).toBe(200);
    expect(await refused('unauthenticated')).toBe(11);
  });
});

describe('the log', () => {
  it('holds no user name, no password and no credentials', async () => {
    await Promise.all([peer.close(), fixture.server.stop()]);
    const lines: string[] = [];
    await serve({ logger: pino({ level: 'trace' }, { write: (line: string) => lines.push(line) }) });
    await attempt('INVITE', { user: 'carol-of-sales', password: 'guess-me' });
    await attempt('INVITE');
    expect(lines.join('')).toContain('unauthenticated');
    expect(lines.join('')).not.toMatch(/carol|guess-me|open sesame|nonce|response=|"sbc"/);
  });
});
