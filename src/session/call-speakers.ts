import type { OfferedStream, RsOffer } from '../core/model.js';
import type { Warning } from '../core/warning.js';
import type { LegBook } from './leg-book.js';
import type { MetadataState } from './metadata-state.js';
import type { SessionAssurance } from './session-assurance.js';
import { mapSpeakers } from './speaker-mapping.js';

/** Names who speaks on the legs from an offer on, as the metadata tells it. Returns what is odd about that and was not told yet. */
export function nameSpeakers(
  legs: LegBook,
  streams: readonly OfferedStream[],
  metadata: MetadataState,
  offer: Pick<RsOffer, 'receivedAt' | 'warnings'>,
  assurance: Pick<SessionAssurance, 'claims'>,
): readonly Warning[] {
  if (!metadata.known) return [];
  const { speakers, unclaimed, warnings } = mapSpeakers(streams, metadata);
  assurance.claims(legs.all, unclaimed);
  for (const leg of legs.all) {
    const speaker = leg.open ? speakers.get(leg.index) : undefined;
    if (!speaker || metadata.leavesAlone(legs.speaker(leg))) continue;
    legs.name(leg, speaker, offer.receivedAt);
  }
  const told = new Set(offer.warnings.map((warning) => warning.code));
  return warnings.filter((warning) => !told.has(warning.code));
}

/** The metadata of a BYE tells that everybody left. It may name who was unknown; it unsays nobody. */
export function nameUnknownSpeakers(
  legs: LegBook,
  streams: readonly OfferedStream[],
  metadata: MetadataState,
  at: number,
  assurance: Pick<SessionAssurance, 'claims'>,
): void {
  const { speakers, unclaimed } = mapSpeakers(streams, metadata);
  assurance.claims(legs.all, unclaimed);
  for (const leg of legs.all) {
    const speaker = leg.open && leg.spells.length === 0 ? speakers.get(leg.index) : undefined;
    if (speaker) legs.name(leg, speaker, at);
  }
}
