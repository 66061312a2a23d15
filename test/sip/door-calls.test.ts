import { describe, expect, it } from 'vitest';
import { SrsError } from '../../src/core/errors.js';
import { altered, fixture, requestView } from '../helpers/siprec-fixture.js';
import { metricOf, openDoor } from './door-fixture.js';

const reoffer = (name: string, direction: string): Uint8Array =>
  Buffer.from(Buffer.from(fixture(name).body).toString().replaceAll('a=sendonly', `a=${direction}`));

describe('an INVITE at the door', () => {
  it('opens a session and is answered with plain SDP that echoes every label', async () => {
    const door = openDoor();
    const { reply, session } = await door.invite(fixture('rfc7866-two-legs'));
    expect(reply.status).toBe(200);
    expect(reply.body?.type).toBe('application/sdp');
    expect(reply.body?.content.match(/^a=label:.*|^a=recvonly/gm)).toEqual([
      'a=label:96',
      'a=recvonly',
      'a=label:97',
      'a=recvonly',
    ]);
    expect(session).toBeDefined();
    expect(door.recorder.opened).toHaveLength(1);
    expect(door.recorder.opened[0]?.metadata?.participants.map((p) => p.name)).toEqual(['Ana', 'Ben']);
  });

  it('that is no SIPREC is recorded as a plain call in tolerant mode', async () => {
    const door = openDoor();
    const { reply } = await door.invite(fixture('plain-call'));
    expect(reply.status).toBe(200);
    expect(door.recorder.opened[0]?.warnings).toEqual([{ code: 'not_siprec' }]);
  });

  it.each([
    ['plain-call', 421],
    ['broadworks-metadata-first', 421],
    ['rfc7866-two-legs', 200],
  ])('%s gets %i in strict mode', async (name, status) => {
    const door = openDoor({ strict: true });
    const { reply, session } = await door.invite(fixture(name));
    expect(reply.status).toBe(status);
    expect(session === undefined).toBe(status !== 200);
    if (status === 421) expect(reply.headers).toMatchObject({ Require: 'siprec' });
    expect(await metricOf(door.metrics, 'siprec_calls_total{outcome="rejected"}')).toBe(status === 421 ? 1 : 0);
  });

  it('with a body that must be understood and is not gets 415 with Accept, and opens nothing', async () => {
    const door = openDoor();
    const { reply, session } = await door.invite(fixture('cisco-required-unknown-part'));
    expect(reply.status).toBe(415);
    expect(reply.headers?.Accept).toContain('application/sdp');
    expect([session, door.recorder.opened.length]).toEqual([undefined, 0]);
    const gzip = altered(fixture('plain-call'), { headers: { 'content-encoding': ['gzip'] } });
    expect((await door.invite(gzip)).reply.headers?.['Accept-Encoding']).toBe('identity');
  });

  it.each([
    ['SRS_SIP_BUSY', 503],
    ['SRS_PORTS_EXHAUSTED', 503],
    ['SRS_SDP_NOT_ACCEPTABLE', 488],
  ] as const)('that the recorder refuses with %s gets %i', async (code, status) => {
    const door = openDoor();
    door.recorder.refusal = new SrsError(code, 'no "room"\r\nX: y');
    const { reply, session } = await door.invite(fixture('plain-call'));
    expect([reply.status, session]).toEqual([status, undefined]);
    if (status === 503) expect(Number(reply.headers?.['Retry-After'])).toBeGreaterThan(0);
    expect(JSON.stringify(reply.headers)).not.toMatch(/[\r\n]|\\r/);
  });

  it('that fails for a fault of ours gets a bare 500', async () => {
    const door = openDoor();
    door.recorder.refusal = new TypeError('secret detail');
    const { reply } = await door.invite(fixture('plain-call'));
    expect(reply.status).toBe(500);
    expect(JSON.stringify(reply)).not.toContain('secret');
  });

  it('cancelled while it opens ends its session and gets 487', async () => {
    const door = openDoor();
    let release = (): void => {};
    door.recorder.gate = new Promise((resolve) => {
      release = resolve;
    });
    const answered = door.invite(fixture('rfc7866-two-legs'));
    door.cancel();
    release();
    const { reply, session } = await answered;
    expect([reply.status, session]).toEqual([487, undefined]);
    expect(door.recorder.session?.ends).toEqual([{ reason: 'cancelled', last: undefined }]);
  });

  it('without SDP gets our offer, and the answer in the ACK tells streams and labels', async () => {
    const door = openDoor();
    const plain = fixture('rfc7866-two-legs');
    const metadata =
      Buffer.from(plain.body)
        .toString()
        .split('\r\n\r\n')
        .find((piece) => piece.startsWith('<?xml')) ?? '';
    const xml = metadata.slice(0, metadata.indexOf('</recording>') + 12);
    const { reply, session } = await door.invite(
      altered(plain, { headers: { 'content-type': ['application/rs-metadata'] }, body: xml }),
    );
    expect(reply.status).toBe(200);
    expect(reply.body?.content.match(/^m=audio \d+ RTP\/AVP 0 8 101$/gm)).toHaveLength(2);
    const answer = `v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 5004 RTP/AVP 0\r\na=sendonly\r\na=label:96\r\nm=audio 5006 RTP/AVP 0\r\na=sendonly\r\na=label:97\r\n`;
    // The ACK of an earlier 200 may come late; it is no answer.
    session?.acknowledged?.({ type: undefined, content: new Uint8Array(), receivedAt: 1 });
    session?.acknowledged?.({ type: 'application/sdp', content: Buffer.from(answer), receivedAt: 2 });
    await door.settled();
    const applied = door.recorder.session?.applied ?? [];
    expect(applied.map((offer) => offer.media?.streams.map((stream) => stream.label))).toEqual([['96', '97']]);
    expect([applied[0]?.callId, applied[0]?.receivedAt]).toEqual(['rfc-1@192.0.2.10', 2]);
    session?.acknowledged?.({ type: 'application/sdp', content: Buffer.from(answer), receivedAt: 1 });
    await door.settled();
    expect(door.recorder.session?.applied).toHaveLength(1);
  });

  it('of a plain call without SDP (CUCM) gets an offer of one stream', async () => {
    const { reply } = await openDoor().invite(fixture('cisco-cucm-delayed-offer'));
    expect(reply.body?.content.match(/^m=/gm)).toHaveLength(1);
  });

  it('gets its Session-ID back behind our half', async () => {
    const door = openDoor();
    const { reply, session } = await door.invite(fixture('cisco-cube-sendonly'));
    expect(reply.headers?.['Session-ID']).toMatch(/^[0-9a-f]{32};remote=a{32}$/);
    const again = await session?.request(altered(fixture('cisco-cube-sendonly'), {}));
    expect(again?.headers?.['Session-ID']).toBe(reply.headers?.['Session-ID']);
  });
});

describe('requests inside the dialog', () => {
  it('re-INVITE and UPDATE with SDP apply the offer and answer it; the version rises only when something changed', async () => {
    const door = openDoor();
    const invite = fixture('rfc7866-two-legs');
    const { reply, session } = await door.invite(invite);
    const version = (content: string | undefined): number => Number(/^o=- \d+ (\d+)/m.exec(content ?? '')?.[1]);
    const same = await session?.request(altered(invite, {}));
    const held = await session?.request(
      altered(invite, { method: 'UPDATE', body: reoffer('rfc7866-two-legs', 'inactive') }),
    );
    const first = version(reply.body?.content);
    expect([version(same?.body?.content), version(held?.body?.content)]).toEqual([first, first + 1]);
    expect(held?.body?.content.match(/^a=(inactive|recvonly)/gm)).toEqual(['a=inactive', 'a=inactive']);
    expect(door.recorder.session?.applied).toHaveLength(2);
  });

  it('UPDATE with bare metadata gets 200 without a body (Avaya)', async () => {
    const door = openDoor();
    const { session } = await door.invite(fixture('avaya-one-m-line'));
    const reply = await session?.request(fixture('avaya-update-bare-metadata', '02-update'));
    expect([reply?.status, reply?.body]).toEqual([200, undefined]);
    expect(door.recorder.session?.applied.map((offer) => [offer.media, offer.metadata?.participants.length])).toEqual([
      [undefined, 3],
    ]);
  });

  it('UPDATE without a body, a session refresh, disturbs nothing', async () => {
    const door = openDoor();
    const { session } = await door.invite(fixture('rfc7866-two-legs'));
    const reply = await session?.request(requestView({ method: 'UPDATE' }));
    expect([reply?.status, reply?.body, door.recorder.session?.applied]).toEqual([200, undefined, []]);
  });

  it('re-INVITE without SDP gets the same m-lines as our offer, willing to hear what is on hold', async () => {
    const door = openDoor();
    const invite = fixture('rfc7866-two-legs');
    const { session } = await door.invite(altered(invite, { body: reoffer('rfc7866-two-legs', 'inactive') }));
    const reply = await session?.request(requestView({ method: 'INVITE' }));
    expect(reply?.body?.content.match(/^m=audio \d+|^a=(inactive|recvonly)/gm)).toEqual([
      'm=audio 40000',
      'a=recvonly',
      'm=audio 40002',
      'a=recvonly',
    ]);
    session?.acknowledged?.({ type: undefined, content: new Uint8Array(), receivedAt: 1 });
    await door.settled();
    expect(door.recorder.session?.applied).toEqual([]);
  });

  it.each([
    ['SDP that is none', 'application/sdp', 'garbage', 488],
    ['a stream that cannot be taken', 'application/sdp', 'v=0\r\nm=audio 5004 RTP/AVP 96\r\n', 488],
    ['a body of an unknown type', 'application/isup', 'x', 415],
  ])('re-INVITE with %s is refused and the recording goes on', async (_what, type, body, status) => {
    const door = openDoor();
    const { session } = await door.invite(fixture('rfc7866-two-legs'));
    const reply = await session?.request(requestView({ headers: { 'content-type': [type] }, body }));
    expect(reply?.status).toBe(status);
    expect(reply?.headers?.Warning).toMatch(/^399 sipscribe "/);
    expect(door.recorder.session?.ends).toEqual([]);
    expect((await session?.request(fixture('rfc7866-two-legs')))?.status).toBe(200);
  });

  it('re-INVITE for a stream when no port is free gets 488, not 503, and the recording goes on', async () => {
    const door = openDoor();
    const { session } = await door.invite(fixture('rfc7866-two-legs'));
    if (door.recorder.session) door.recorder.session.refusal = new SrsError('SRS_PORTS_EXHAUSTED', 'no port');
    expect((await session?.request(fixture('rfc7866-two-legs')))?.status).toBe(488);
    expect(door.recorder.session?.ends).toEqual([]);
  });

  it.each([
    ['INFO', 200],
    ['OPTIONS', 200],
    ['REFER', 405],
    ['MESSAGE', 405],
  ])('%s gets %i and disturbs nothing', async (method, status) => {
    const door = openDoor();
    const { session } = await door.invite(fixture('rfc7866-two-legs'));
    expect(
      (await session?.request(requestView({ method, headers: { 'content-type': ['a/b'] }, body: 'x' })))?.status,
    ).toBe(status);
    expect([door.recorder.session?.applied, door.recorder.session?.ends]).toEqual([[], []]);
  });
});
