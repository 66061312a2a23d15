import { execFile, spawn } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import { SrsError } from '../core/errors.js';
import type { RecordingFormat } from '../store/finished-file.js';

/** How each format is written: ffmpeg's encoder and its options, and the container. */
const ENCODERS: Readonly<Record<RecordingFormat, { encoder: string; options: readonly string[]; container: string }>> =
  {
    flac: { encoder: 'flac', options: [], container: 'flac' },
    // Speech in stereo; ffmpeg's own Opus encoder is experimental.
    opus: { encoder: 'libopus', options: ['-b:a', '32k', '-application', 'voip'], container: 'ogg' },
    mp3: { encoder: 'libmp3lame', options: ['-q:a', '5'], container: 'mp3' },
  };
/** It only prints a list; a disk that sleeps may take some seconds. */
const LIST_MS = 10_000;
/** How much of the end of its complaints is kept. */
const MAX_COMPLAINT = 2000;

/** Throws `SRS_CONFIG_INVALID` when ffmpeg is not there or lacks an encoder for one of the formats. */
export async function checkEncoders(program: string, formats: readonly RecordingFormat[]): Promise<void> {
  const printed = await new Promise<string>((resolve, reject) => {
    const options = { timeout: LIST_MS, killSignal: 'SIGKILL', maxBuffer: 1 << 22 } as const;
    execFile(program, ['-hide_banner', '-loglevel', 'quiet', '-encoders'], options, (cause, stdout) => {
      if (cause) reject(missing(`${program} cannot be run`, formats, cause));
      else resolve(stdout);
    });
  });
  // ` A....D flac                 FLAC`: flags, of which the first tells audio, and the name.
  const names = new Set([...printed.matchAll(/^ A\S* (\S+)/gm)].map((match) => match[1]));
  const lacking = formats.filter((format) => !names.has(ENCODERS[format].encoder));
  if (lacking.length === 0) return;
  const wanted = lacking.map((format) => ENCODERS[format].encoder).join(', ');
  throw missing(`${program} has no encoder ${wanted}`, lacking);
}

function missing(what: string, formats: readonly RecordingFormat[], cause?: unknown): SrsError {
  return new SrsError('SRS_CONFIG_INVALID', `RECORDING_FORMATS=${formats.join(',')} needs ffmpeg: ${what}`, { cause });
}

export interface Encoding {
  readonly program: string;
  readonly format: RecordingFormat;
  /** Absolute paths. */
  readonly input: string;
  readonly output: string;
  readonly timeoutMs: number;
}

/**
 * Encodes a WAV at the lowest priority, without a shell, in a process group of its own that is ended whole. Throws `SRS_ENCODING`; then
 * a part of the output may be there.
 */
export function encode({ program, format, input, output, timeoutMs }: Encoding, signal: AbortSignal): Promise<void> {
  const { encoder, options, container } = ENCODERS[format];
  // A WAV of more than 4 GiB cannot say its length.
  const from = ['-ignore_length', '1', '-f', 'wav', '-i', `file:${input}`];
  const to = ['-map_metadata', '-1', '-c:a', encoder, ...options, '-f', container, `file:${output}`];
  const args = ['-hide_banner', '-nostdin', '-loglevel', 'error', '-y', '-threads', '1', ...from, ...to];
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(failure('was not begun'));
      return;
    }
    // Nothing of our environment is its business, keys and passwords least of all.
    const env = { PATH: process.env.PATH ?? '' };
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true, env });
    const kill = (): void => {
      if (child.pid !== undefined && child.exitCode === null) signalGroup(child.pid);
    };
    const timer = setTimeout(kill, timeoutMs);
    signal.addEventListener('abort', kill, { once: true });
    process.once('exit', kill);
    let complaint = '';
    child.stderr.on('data', (bytes: Buffer) => {
      complaint = (complaint + bytes.toString('latin1')).slice(-MAX_COMPLAINT);
    });
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', kill);
      process.removeListener('exit', kill);
      settle();
    };
    child.once('spawn', () => lower(child.pid));
    child.once('error', (cause) => end(() => reject(failure('cannot be started', cause))));
    child.once('close', (code, by) => {
      if (code === 0) end(resolve);
      else end(() => reject(failure(by ? `was ended by ${by}` : `ended with ${code}: ${complaint.trim()}`)));
    });
  });
}

function failure(what: string, cause?: unknown): SrsError {
  return new SrsError('SRS_ENCODING', `ffmpeg ${what}`, { cause });
}

/** Calls go first: the encoder gets what they leave. */
function lower(pid: number | undefined): void {
  try {
    if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch {
    // It has ended already, or the system has no priorities.
  }
}

function signalGroup(group: number): void {
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}
