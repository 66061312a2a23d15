import { execFile } from 'node:child_process';
import type { FfmpegDecoderName, FfmpegDecoders } from '../core/audio-codec.js';

/** An ffmpeg that can be started. */
export interface FfmpegProgram {
  readonly path: string;
  readonly decoders: FfmpegDecoders;
}

const WANTED: readonly FfmpegDecoderName[] = ['g729', 'amrnb', 'amrwb'];
/** It only prints a list; a disk that sleeps may take some seconds. */
const PATIENCE_MS = 10_000;

/** Asks ffmpeg what it decodes. Undefined when there is none, or none that answers. */
export function findFfmpeg(path = 'ffmpeg'): Promise<FfmpegProgram | undefined> {
  return new Promise((resolve) => {
    const options = { timeout: PATIENCE_MS, killSignal: 'SIGKILL', maxBuffer: 1 << 22 } as const;
    execFile(path, ['-hide_banner', '-loglevel', 'quiet', '-decoders'], options, (error, printed) => {
      if (error) {
        resolve(undefined);
        return;
      }
      // ` A....D g729                 G.729`: flags, of which the first tells audio, and the name.
      const names = new Set([...printed.matchAll(/^ A\S* (\S+)/gm)].map((match) => match[1]));
      resolve({ path, decoders: new Set(WANTED.filter((name) => names.has(name))) });
    });
  });
}
