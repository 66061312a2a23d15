/** Names of the oddities we accept and report. The set is closed: it is also a metric's label. */
export const WARNING_CODES = [
  'metadata_missing',
  'metadata_malformed',
  'metadata_id_repeated',
  'metadata_partial_unknown',
  'label_missing',
  'label_unknown',
  'label_duplicate',
  'mapping_inferred',
  'participant_unknown',
  'multipart_unterminated',
  'sdp_line_ignored',
  'stream_withdrawn',
  'src_tag_missing',
  'require_missing',
  'namespace_draft',
  'line_ends_bare_lf',
  'content_type_garbled',
  'disposition_missing',
  'label_in_attribute',
  'format_unnamed',
  'connection_missing',
  'not_siprec',
  'crypto_unusable',
  'srtp_keys_in_clear',
  'srtp_unauthenticated',
  'no_rtp',
  'one_sided',
  'all_silence',
  'short_audio',
  'high_loss',
  'stream_unclaimed',
  'rtp_stranger',
  'recording_write_failed',
  'encoding_failed',
  'recording_incomplete',
  'media_lost',
  'utterances_dropped',
  'pause_forgotten',
  'pause_limit',
] as const;
export type WarningCode = (typeof WARNING_CODES)[number];

/**
 * The normal shape of some vendor: nothing is lost or guessed by it. These count in `siprec_peer_quirks_total{quirk}`, where an
 * operator sees what an SBC sends, and are never events or lines of a record, which every call of that SBC would carry.
 */
export const QUIET_WARNINGS: ReadonlySet<WarningCode> = new Set<WarningCode>([
  'src_tag_missing',
  'require_missing',
  'namespace_draft',
  'line_ends_bare_lf',
  'content_type_garbled',
  'disposition_missing',
  'label_in_attribute',
  'format_unnamed',
  'connection_missing',
]);

/** Something unusual that cost nothing. `detail` never holds names, numbers or words spoken. */
export interface Warning {
  readonly code: WarningCode;
  readonly detail?: string;
}
