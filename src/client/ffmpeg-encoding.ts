import { execFile } from 'node:child_process';
import { SrsError } from '../core/errors.js';

/** It encodes an hour of speech in well under a minute. */
const PATIENCE_MS = 120_000;
/** Containers around a few packets may be longer than the samples. */
const OVERHEAD_BYTES = 65_536;

/**
 * What ffmpeg makes of mono samples, whole. It runs without a shell and without files. Throws `SRS_ENCODING` when there is no ffmpeg, when
 * it lacks the encoder, or when it fails.
 *
 * @param output options of the output: encoder and container
 */
export function encodeByFfmpeg(
  samples: Int16Array,
  sampleRate: number,
  output: readonly string[],
): Promise<Uint8Array> {
  const input = ['-f', 's16le', '-ar', String(sampleRate), '-ac', '1', '-i', 'pipe:0'];
  const args = ['-hide_banner', '-loglevel', 'error', '-threads', '1', ...input, ...output, 'pipe:1'];
  return new Promise((resolve, reject) => {
    const child = execFile(
      'ffmpeg',
      args,
      {
        encoding: 'buffer',
        // Nothing of our environment is its business, keys and passwords least of all.
        env: { PATH: process.env.PATH ?? '' },
        timeout: PATIENCE_MS,
        killSignal: 'SIGKILL',
        maxBuffer: samples.byteLength + OVERHEAD_BYTES,
      },
      (cause, encoded, complaint) => {
        if (!cause) resolve(encoded);
        else if (cause.code === 'ENOENT') reject(failure('it is not installed, or not on the PATH', cause));
        else reject(failure(complaint.toString('latin1').trim() || cause.message, cause));
      },
    );
    // One that ends early says why on stderr; the broken pipe says nothing more.
    child.stdin?.on('error', () => {});
    child.stdin?.end(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength));
  });
}

function failure(why: string, cause: unknown): SrsError {
  return new SrsError('SRS_ENCODING', `the audio of the call is to be encoded by ffmpeg: ${why}`, { cause });
}
