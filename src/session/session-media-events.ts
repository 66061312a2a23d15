import type { Logger } from '../core/logger.js';
import type { Warning } from '../core/warning.js';
import type { CutUtterance, MediaCallEvents } from '../rtp/media-plane.js';

/** What a session does about its media. */
export interface MediaReactions {
  utterance(cut: CutUtterance): void;
  warn(warning: Warning): void;
  /** Nothing more will be recorded. */
  lost(): void;
}

/** What the media of a session tells, in its log and in its warnings. */
export function sessionMediaEvents(logger: Logger, reactions: MediaReactions): MediaCallEvents {
  return {
    utterance: (cut) => {
      logger.debug({ leg: cut.leg, startMs: cut.startMs, endMs: cut.endMs, reason: cut.reason }, 'utterance cut');
      reactions.utterance(cut);
    },
    firstPacket: (leg, atMs) => logger.info({ leg, atMs }, 'first packet'),
    warning: (warning) => {
      logger.warn({ ...warning }, 'unusual media');
      reactions.warn(warning);
    },
    writeFailed: (message) => {
      logger.error({ error: message }, 'recording write failed');
      reactions.warn({ code: 'recording_write_failed' });
    },
    lost: (message) => {
      logger.error({ error: message }, 'recording lost its media, ending the session');
      reactions.warn({ code: 'recording_write_failed', detail: 'media lost' });
      reactions.lost();
    },
  };
}
