import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { CallIdentity } from '../../src/session/call-identity.js';
import { LegBook } from '../../src/session/leg-book.js';
import { mapSpeakers } from '../../src/session/speaker-mapping.js';
import { readMetadata } from '../../src/sip/metadata-xml.js';
import { PCMU } from '../rtp/media-fixture.js';
import { stream } from './session-fixture.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function heapMiB(): number {
  for (let i = 0; i < 3; i++) collect();
  return process.memoryUsage().heapUsed / 2 ** 20;
}

/** A snapshot of some 200 KB that says four things; what else is in it nobody asks for. */
function snapshot(number: number): Buffer {
  const id = `participant-${number}-of-the-memory-test`;
  return Buffer.from(
    `<recording><datamode>partial</datamode><!--${String(number).repeat(200_000).slice(0, 200_000)}-->` +
      `<session session_id="session-of-the-memory-test"/><stream stream_id="stream-of-the-memory-test"><label>1</label></stream>` +
      `<participant participant_id="${id}"><nameID aor="sip:${id}@example.org"><name>The name of ${id}</name></nameID></participant>` +
      `<participantstreamassoc participant_id="${id}"><send>stream-of-the-memory-test</send></participantstreamassoc>` +
      `<vendorextensiondata><is kept="as it was written"/></vendorextensiondata></recording>`,
  );
}

describe('what a session keeps of metadata', () => {
  it('does not hold the documents that it was read from in memory', () => {
    const identity = new CallIdentity();
    const legs = new LegBook();
    legs.add(legs.reserve(), stream(0), 10_000, [PCMU], true);
    const [leg] = legs.all;
    if (!leg) throw new Error('no leg');
    const take = (number: number): void => {
      const { metadata } = readMetadata(snapshot(number));
      identity.take({ metadata }, number);
      legs.name(leg, mapSpeakers([stream(0)], identity.metadata).speakers.get(0) ?? {}, number);
    };
    take(0);
    const before = heapMiB();
    for (let number = 1; number <= 150; number++) take(number);
    // The documents have 30 MB together.
    expect(heapMiB() - before).toBeLessThan(8);
    expect(identity.recorded(0).participants).toHaveLength(151);
    expect(legs.speaker(leg).participantId).toBe('participant-150-of-the-memory-test');
  });
});
