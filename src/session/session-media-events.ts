import type { Logger } from '../core/logger.js';
import type { Warning } from '../core/warning.js';
import type { CutUtterance, MediaCallEvents, MediaCallResult } from '../rtp/media-plane.js';
import type { SessionAssurance } from './session-assurance.js';

/** What a session does about its media. */
export interface MediaReactions {
  utterance(cut: CutUtterance): void;
  /** The zero of the call clock. @param startedAt epoch ms */
  clockBegan(startedAt: number): void;
  pressed: NonNullable<MediaCallEvents['digit']>;
  warn(warning: Warning): void;
  readonly assurance: SessionAssurance;
  /** Nothing more will be recorded. */
  lost(): void;
}

/** What the media of a session tells, in its log and in its warnings. */
export function sessionMediaEvents(logger: Logger, reactions: MediaReactions): MediaCallEvents {
  const { assurance } = reactions;
  return {
    utterance: (cut) => {
      logger.debug({ leg: cut.leg, startMs: cut.startMs, endMs: cut.endMs, reason: cut.reason }, 'utterance cut');
      reactions.utterance(cut);
    },
    firstPacket: (leg, atMs, startedAt) => {
      logger.info({ leg, atMs }, 'first packet');
      reactions.clockBegan(startedAt);
      assurance.firstPacket(leg, atMs);
    },
    digit: (leg, press) => reactions.pressed(leg, press),
    warning: (warning) => {
      logger.warn({ ...warning }, 'unusual media');
      reactions.warn(warning);
    },
    problem: (change) => assurance.note(change),
    writeFailed: (message) => {
      logger.error({ error: message }, 'recording write failed');
      reactions.warn({ code: 'recording_write_failed' });
    },
    moved: ({ fromMs, toMs }) => {
      logger.warn({ fromMs, toMs }, 'the media worker of this call died, another one goes on');
      assurance.moved(fromMs);
      reactions.warn({ code: 'media_lost', detail: `from ${Math.round(fromMs)} ms to ${Math.round(toMs)} ms` });
    },
    lost: (message) => {
      logger.error({ error: message }, 'recording lost its media, ending the session');
      assurance.doubt('media_lost');
      reactions.warn({ code: 'recording_write_failed', detail: 'media lost' });
      reactions.lost();
    },
  };
}

/** What a recording lacks because its disk did not take it, by file. */
export function unwrittenWarnings(result: MediaCallResult): Warning[] {
  const warnings: Warning[] = [];
  const add = (file: string, ms: number | undefined): void => {
    if (ms !== undefined) warnings.push({ code: 'recording_incomplete', detail: `${file}: ${Math.ceil(ms)} ms` });
  };
  for (const { file, unwrittenMs } of result.legs) add(file, unwrittenMs);
  add('call.wav', result.unwrittenMs);
  return warnings;
}
