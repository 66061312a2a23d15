import { compiledEntry } from '../core/entry.js';
import { SrsError } from '../core/errors.js';
import { Turns } from '../core/turns.js';
import type { Warning } from '../core/warning.js';
import type { FinishedFile } from '../store/finished-file.js';
import { RequestThread } from '../store/request-thread.js';

export type AudioQuestion =
  | { readonly kind: 'finish'; readonly directory: string; readonly names: readonly string[] }
  | { readonly kind: 'adopt'; readonly directory: string; readonly temporary: string; readonly name: string }
  | {
      readonly kind: 'amend';
      readonly directory: string;
      readonly files: readonly FinishedFile[];
      readonly warnings: readonly Warning[];
    };
export type AudioAnswer = readonly FinishedFile[];

/** The thread that reads finished audio: checksums and peaks of recordings. One question is with it at a time, so that it can end soon. */
export class AudioThread {
  readonly #thread = new RequestThread<AudioQuestion, AudioAnswer>(
    compiledEntry(import.meta.url, './audio-worker.js'),
    'audio files',
    ended,
  );
  readonly #turns = new Turns();
  #closed = false;

  /** Throws the system's error, or `SRS_RECORDING_WRITE` when the thread has ended. */
  ask(question: AudioQuestion): Promise<AudioAnswer> {
    return this.#turns.take(() => {
      if (this.#closed) throw ended();
      return this.#thread.ask(question);
    });
  }

  /** Waits for what it does now; what waits is not done any more. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#thread.close();
  }
}

function ended(cause?: Error): SrsError {
  return new SrsError('SRS_RECORDING_WRITE', 'the thread that reads finished audio has ended', { cause });
}
