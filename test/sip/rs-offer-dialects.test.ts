import { describe, expect, it } from 'vitest';
import type { Speaker } from '../../src/core/model.js';
import { QUIET_WARNINGS } from '../../src/core/warning.js';
import { MetadataState } from '../../src/session/metadata-state.js';
import { mapSpeakers } from '../../src/session/speaker-mapping.js';
import { readFirstOffer, readRsOffer } from '../../src/sip/rs-offer.js';
import { fixture } from '../helpers/siprec-fixture.js';

interface Expected {
  /** Names, or addresses where no name is given, per m-line; `?` before an inferred one, `-` for nobody. */
  readonly speakers: readonly string[];
  readonly ports: readonly number[];
  readonly directions: readonly string[];
  readonly warnings: readonly string[];
  readonly conforming: boolean;
}

const both = (direction: string): readonly string[] => [direction, direction];
const normal = { ports: [20_000, 20_002], directions: both('sendonly'), warnings: [], conforming: true };
const rfc = { ...normal, speakers: ['Ana', 'Ben'] };

const EXPECTED: Readonly<Record<string, Expected>> = {
  'rfc7866-two-legs': rfc,
  'rfc8068-no-blank-line': { ...rfc, warnings: ['multipart_unterminated'] },
  'generic-nested-alternative': rfc,
  'oracle-malformed-metadata': {
    speakers: ['Desk One', 'Agent Two', '-', '-'],
    ports: [30_000, 30_002, 30_004, 30_006],
    directions: [...both('sendonly'), ...both('inactive')],
    warnings: ['metadata_malformed', 'label_unknown'],
    conforming: true,
  },
  'oracle-four-m-lines': {
    speakers: ['Desk One', 'Agent Two', '-', '-'],
    ports: [30_000, 30_002, 30_004, 30_006],
    directions: [...both('sendonly'), ...both('inactive')],
    warnings: ['label_unknown'],
    conforming: true,
  },
  'audiocodes-bare-lf': {
    ...normal,
    ports: [6000, 6010],
    speakers: ['+31205550101@example.org', '+31205550102@example.org'],
    conforming: false,
  },
  'cisco-cube-inactive-start': {
    speakers: ['?sip:2001@192.0.2.50', '?sip:2002@192.0.2.50'],
    ports: [16_384, 16_386],
    directions: both('inactive'),
    warnings: [],
    conforming: true,
  },
  'cisco-cube-sendonly': {
    ...normal,
    ports: [16_384, 16_386],
    speakers: ['sip:2001@192.0.2.50', 'sip:2002@192.0.2.50'],
  },
  'broadworks-metadata-first': { ...normal, speakers: ['Carla', 'sip:dino@bw.example.org'], conforming: false },
  'broadworks-mixed-garbled-type': {
    speakers: ['-'],
    ports: [12_000],
    directions: ['sendonly'],
    warnings: ['label_unknown', 'mapping_inferred'],
    conforming: false,
  },
  'metaswitch-one-mixed-stream': {
    speakers: ['-'],
    ports: [40_000],
    directions: ['sendrecv'],
    warnings: [],
    conforming: true,
  },
  'metaswitch-hold': { speakers: ['-'], ports: [40_000], directions: ['inactive'], warnings: [], conforming: true },
  'avaya-one-m-line': {
    speakers: ['?Fay'],
    ports: [35_000],
    directions: ['sendonly'],
    warnings: ['mapping_inferred'],
    conforming: true,
  },
  'ribbon-prefix': { ...normal, speakers: ['Hana', '5550112@192.0.2.90'] },
  'opensips-no-streams': {
    ...normal,
    ports: [36_000, 36_002],
    speakers: ['?sip:ivo@192.0.2.100', '?sip:@192.0.2.101'],
    warnings: ['mapping_inferred'],
    conforming: false,
  },
  'netsapiens-single-line': { ...normal, speakers: ['Jo & "Co"', 'sip:15550142@ns.example.org'] },
  'jambonz-uuid-ids': { ...normal, speakers: ['Kim', 'Lou'], conforming: false },
  'google-media-label': rfc,
  'freeswitch-no-labels': { ...normal, speakers: ['?Ana', '?Ben'], warnings: ['label_missing', 'mapping_inferred'] },
  'sems-leg-labels': rfc,
  'ng911-video-text-msrp': {
    speakers: ['Ana', 'Ben'],
    ports: [20_000, 20_002, 20_004, 20_006, 2855],
    directions: [...both('sendonly'), 'sendonly', ...both('sendrecv')],
    warnings: [],
    conforming: false,
  },
};

const show = (speaker: Speaker): string => `${speaker.inferred ? '?' : ''}${speaker.name ?? speaker.aor ?? '-'}`;

describe('the INVITE of every dialect', () => {
  it.each(Object.keys(EXPECTED))('D4: %s is read with its streams and its speakers', (name) => {
    const { offer, recognised, conforming } = readFirstOffer(fixture(name));
    const state = new MetadataState();
    if (offer.metadata) state.apply(offer.metadata);
    const streams = offer.media?.streams ?? [];
    const mapping = mapSpeakers(streams, state);
    expect(recognised).toBe(true);
    expect({
      speakers: [...mapping.speakers.values()].map(show),
      ports: streams.map((stream) => stream.port),
      directions: streams.map((stream) => stream.direction),
      warnings: [...offer.warnings, ...mapping.warnings]
        .map(({ code }) => code)
        .filter((code) => !QUIET_WARNINGS.has(code)),
      conforming,
    }).toEqual(EXPECTED[name]);
    expect(offer.metadata?.raw).toMatch(/^<\?xml/);
  });

  it('broadworks-pause has SDP on hold and no metadata', () => {
    const offer = readRsOffer(fixture('broadworks-pause'));
    expect(offer.media?.streams.map((stream) => stream.direction)).toEqual(['inactive']);
    expect(offer.metadata).toBeUndefined();
  });

  it('avaya-update-bare-metadata has metadata that names the speakers and no SDP', () => {
    const first = readFirstOffer(fixture('avaya-one-m-line')).offer;
    const update = readRsOffer(fixture('avaya-update-bare-metadata', '02-update'));
    expect(update.media).toBeUndefined();
    const state = new MetadataState();
    for (const offer of [first, update]) if (offer.metadata) state.apply(offer.metadata);
    expect(mapSpeakers(first.media?.streams ?? [], state).speakers.get(0)?.name).toBe('Fay');
  });

  it('cisco-required-unknown-part cannot be taken and cisco-cucm-delayed-offer is no SIPREC', () => {
    expect(() => readFirstOffer(fixture('cisco-required-unknown-part'))).toThrow(
      expect.objectContaining({ code: 'SRS_SIP_MEDIA_TYPE', sipStatus: 415 }),
    );
    const { offer, recognised } = readFirstOffer(fixture('cisco-cucm-delayed-offer'));
    expect([recognised, offer.media, offer.metadata]).toEqual([false, undefined, undefined]);
    expect(offer.warnings).toEqual([{ code: 'not_siprec' }]);
  });
});
