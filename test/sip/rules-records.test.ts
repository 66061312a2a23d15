import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { readWav } from '../../src/audio/wav-reader.js';
import type { RecordingMetadata } from '../../src/core/model.js';
import { offer, type Studio, stream, studio, twoPeople } from '../session/session-fixture.js';

let room: Studio | undefined;
afterEach(async () => {
  await room?.stop();
  room = undefined;
});

/** The folder of a call that has come and gone. */
async function recorded(streams: number, metadata: RecordingMetadata): Promise<string> {
  room = await studio();
  const { session } = await room.recorder.open(
    offer(
      Array.from({ length: streams }, (_, index) => stream(index)),
      { metadata, invite: Buffer.from('INVITE sip:srs SIP/2.0\r\n\r\n') },
    ),
  );
  await session.end('bye');
  await room.recorder.settled();
  return room.folder(session.id);
}

describe('the folder of a recording', () => {
  it('G8: keeps metadata, record and INVITE as close as the audio', async () => {
    const folder = await recorded(2, twoPeople);
    const files = readdirSync(folder).sort();
    expect(files).toEqual(
      expect.arrayContaining(['call.json', 'call.wav', 'invite.sip', 'leg-1.wav', 'metadata-1.xml']),
    );
    // Nobody beside the owner and its group may read any of them, nor the folder.
    for (const file of [...files, '.']) expect([file, statSync(join(folder, file)).mode & 0o007]).toEqual([file, 0]);
  });

  it('H6: has a mono file of a mixed stream on which two people send, and names neither', async () => {
    const mixed = {
      ...twoPeople,
      streams: [{ id: 'ma', label: '1' }],
      associations: ['pa', 'pb'].map((participantId) => ({ participantId, send: ['ma'], receive: [] })),
    };
    const folder = await recorded(1, mixed);
    expect(readWav(readFileSync(join(folder, 'leg-1.wav'))).channels).toBe(1);
    expect(readdirSync(folder)).not.toContain('leg-2.wav');
    const { legs, participants } = JSON.parse(readFileSync(join(folder, 'call.json'), 'utf8'));
    expect([legs[0].speaker, participants.length]).toEqual([{}, 2]);
  });

  it('H6: has a file of each of two separate streams, and both in stereo', async () => {
    const folder = await recorded(2, twoPeople);
    const channels = ['leg-1.wav', 'leg-2.wav', 'call.wav'].map(
      (file) => readWav(readFileSync(join(folder, file))).channels,
    );
    expect(channels).toEqual([1, 1, 2]);
  });
});
