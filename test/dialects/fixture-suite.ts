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

    it('are sixty-six at least', () => {
      expect(fixtureNames.length).toBeGreaterThanOrEqual(66);
    });

    it.each(fixtureNames)('%s is answered, joined and recorded as it should', async (name) => {
      const { about: _, ...expected } = Object(fixtureExpectation(name));
      expect(await rooms.play(name)).toEqual(expected);
    });
  });
}
