import { describe, expect, it } from 'vitest';
import { readDtmfInfo } from '../../src/sip/dtmf-info.js';
import { mutate, seeded } from '../helpers/mutation.js';
import { requestView } from '../helpers/siprec-fixture.js';
import { openDoor } from './door-fixture.js';

const info = (type: string | undefined, text: string | Uint8Array) => ({
  header: (name: string) => (name === 'content-type' ? type : undefined),
  body: typeof text === 'string' ? Buffer.from(text) : text,
});
const RELAY = 'application/dtmf-relay';
const BARE = 'application/dtmf';

describe('an INFO about a key', () => {
  it.each([
    ['as Cisco writes it', RELAY, 'Signal=5\r\nDuration=160\r\n', { digit: '5', durationMs: 160 }],
    ['with blanks and bare LF', RELAY, 'Signal= 5 \nDuration = 250', { digit: '5', durationMs: 250 }],
    [
      'in another case and order',
      'Application/DTMF-Relay',
      'DURATION=90\r\nSIGNAL=d\r\n',
      { digit: 'D', durationMs: 90 },
    ],
    ['without duration', RELAY, 'Signal=*\r\n', { digit: '*' }],
    ['of no duration', RELAY, 'Signal=#\r\nDuration=0\r\n', { digit: '#' }],
    ['of an endless duration', RELAY, 'Signal=#\r\nDuration=999999\r\n', { digit: '#', durationMs: 60_000 }],
    ['with the event code of the star', RELAY, 'Signal=10\r\nDuration=100\r\n', { digit: '*', durationMs: 100 }],
    ['with the event code of the hash', RELAY, 'Signal=11\r\n', { digit: '#' }],
    ['with the event code of a letter', RELAY, 'Signal=15\r\n', { digit: 'D' }],
    ['with the event code of the flash', RELAY, 'Signal=16\r\n', { digit: 'flash' }],
    ['with the sign of the flash', RELAY, 'Signal=!\r\n', { digit: 'flash' }],
    ['with the key alone', BARE, '7', { digit: '7' }],
    ['with the key alone, a line end and a parameter', `${BARE}; charset=utf-8`, ' #\r\n', { digit: '#' }],
    ['with lines under the name of the key alone', BARE, 'Signal=3\r\nDuration=120', { digit: '3', durationMs: 120 }],
  ])('is read %s', (_, type, text, told) => {
    expect(readDtmfInfo(info(type, text))).toEqual(told);
  });

  it.each([
    ['of another type', 'application/media_control+xml', '5'],
    ['without a type', undefined, '5'],
    ['of a longer name', 'application/dtmf-relays', 'Signal=5'],
    ['without a key', RELAY, 'Duration=160\r\n'],
    ['with several keys', BARE, '12345'],
    ['with a code that is no key', RELAY, 'Signal=17\r\n'],
    ['with a letter that is no key', BARE, 'E'],
    ['with nothing', BARE, ''],
    ['longer than any', RELAY, `Signal=5\r\n${'x'.repeat(300)}`],
  ])('is none when it is %s', (_, type, text) => {
    expect(readDtmfInfo(info(type, text))).toBeUndefined();
  });

  it('never throws, and tells one key or none, whatever its bytes', () => {
    const random = seeded(2976);
    for (let i = 0; i < 5000; i++) {
      const told = readDtmfInfo(
        info(i % 2 ? RELAY : BARE, mutate(Buffer.from('Signal=5\r\nDuration=160\r\n'), random)),
      );
      if (told) expect(told.digit).toMatch(/^([0-9A-D*#]|flash)$/);
    }
  });

  it('is answered 200 like any other, and only the key reaches the session', async () => {
    const door = openDoor();
    const { session } = await door.invite(requestView({}));
    const send = async (type: string, text: string): Promise<number | undefined> =>
      (
        await session?.request(
          requestView({ method: 'INFO', headers: { 'content-type': [type] }, body: Buffer.from(text) }),
        )
      )?.status;
    expect(await send(RELAY, 'Signal=5\r\nDuration=160\r\n')).toBe(200);
    expect(await send(BARE, '#')).toBe(200);
    expect(await send(RELAY, 'Signal=nonsense')).toBe(200);
    expect(await send('application/media_control+xml', '<media_control/>')).toBe(200);
    expect(door.recorder.session?.told).toEqual([{ digit: '5', durationMs: 160 }, { digit: '#' }]);
  });
});
