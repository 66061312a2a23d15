import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SipFront } from '../helpers/sip-fronts.js';
import { fixtureExpectation, fixtureNames } from '../helpers/siprec-fixture.js';
import { DialectStudio } from './dialect-studio.js';

/** Plays every written call to one front. The fronts have a file each, so that they run beside each other. */
export function playFixtures(front: SipFront | undefined): void {
  if (!front) throw new Error('there is no such front');
  describe(`the calls of vendors, played to the ${front.name} front`, () => {
    let rooms: DialectStudio;
    beforeAll(async () => {
      rooms = await DialectStudio.open(front);
    });
    afterAll(() => rooms.close());

    it('are a hundred at least', () => {
      expect(fixtureNames.length).toBeGreaterThanOrEqual(100);
    });

    it.each(fixtureNames)('%s is answered, joined and recorded as it should', async (name) => {
      const { about: _, ...expected } = Object(fixtureExpectation(name));
      expect(await rooms.play(name)).toEqual(expected);
    });

    it('E21: H8: the two dialogs of a NetSapiens transfer are two records of one group, in their sequence', async () => {
      const first = await rooms.play('netsapiens-transfer-first-session');
      const second = await rooms.play('netsapiens-transfer-second-session');
      expect(first.attributes.group_id).toEqual(['2026@ns.example.com']);
      expect(second.attributes.group_id).toEqual(first.attributes.group_id);
      expect([first, second].map(({ attributes }) => attributes.groupseq)).toEqual([['1'], ['2']]);
      expect([first, second].map(({ steps }) => steps[0]?.legs)).toEqual([
        ['1 Ana', '2 Ben'],
        ['1 Ana', '2 Cleo'],
      ]);
    });
  });
}
