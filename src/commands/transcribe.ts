import { basename } from 'node:path';
import type { Config } from '../../config/config.js';
import { resample } from '../audio/resampler.js';
import { type Cut, UtteranceCutter } from '../audio/utterance-cutter.js';
import { VoiceActivityEngine } from '../audio/voice-activity.js';
import { mixToMono, readWavFile } from '../client/leg-audio.js';
import { SrsError } from '../core/errors.js';
import { uuid } from '../core/ids.js';
import { createLogger } from '../core/logger.js';
import { Metrics } from '../core/metrics.js';
import { Speech } from '../speech.js';
import type { SttOutcome } from '../stt/dispatcher.js';
import { EXIT, type Invocation, UsageError } from './invocation.js';

/** Both the voice detector and whisper know this rate. */
const SAMPLE_RATE = 16_000;

interface Piece {
  readonly startMs: number;
  readonly endMs: number;
  readonly samples: Int16Array;
}

/** `sipscribe transcribe FILE`: proves vendor, engine and model without a call. */
export async function run(invocation: Invocation): Promise<number> {
  const { terminal } = invocation;
  const [file] = invocation.positionals;
  if (file === undefined) throw new UsageError('transcribe: a WAV file is needed');
  const config = invocation.loadConfig({ LOG_LEVEL: 'warn' });
  if (config.stt.defaultVendor === undefined)
    throw new UsageError('transcribe: no speech-to-text vendor is configured');
  const audio = await readWavFile(file);
  const samples = resample(mixToMono(audio.samples, audio.channels), audio.sampleRate, SAMPLE_RATE);
  const durationMs = toMs(samples.length);
  const whole = invocation.flagged('whole') || durationMs <= config.stt.utterance.maxMs;
  const pieces = whole ? [{ startMs: 0, endMs: durationMs, samples }] : await cut(samples, config);
  const logger = createLogger({ level: config.log.level, format: config.log.format ?? 'pretty', fileDescriptor: 2 });
  const metrics = new Metrics({ vendors: config.stt.vendors, models: [config.whisper.model] });
  const speech = new Speech(config, metrics, logger);
  const signal = invocation.interruptible();
  signal.addEventListener('abort', () => void speech.close(), { once: true });
  try {
    await speech.start(signal);
    terminal.note(
      `${basename(file)}: ${(durationMs / 1000).toFixed(1)} s in ${pieces.length} piece${pieces.length === 1 ? '' : 's'}`,
    );
    return await transcribe(invocation, speech, pieces, { file, durationMs });
  } finally {
    await speech.close();
  }
}

async function cut(samples: Int16Array, config: Config): Promise<Piece[]> {
  const detector = (await VoiceActivityEngine.load()).detector(SAMPLE_RATE);
  const cuts: Cut[] = [];
  const { endSilenceMs, maxMs, minMs } = config.stt.utterance;
  const cutter = new UtteranceCutter(
    { sampleRate: SAMPLE_RATE, endSilenceMs, maxUtteranceMs: maxMs, minSpeechMs: minMs },
    (frame) => detector.isSpeech(frame),
    (piece) => cuts.push(piece),
  );
  cutter.push(samples);
  cutter.flush('end');
  detector.close();
  return cuts.map(({ start, end, samples }) => ({ startMs: toMs(start), endMs: toMs(end), samples }));
}

async function transcribe(
  invocation: Invocation,
  speech: Speech,
  pieces: readonly Piece[],
  about: { readonly file: string; readonly durationMs: number },
): Promise<number> {
  const { terminal, json } = invocation;
  const jobs = pieces.map(({ samples }) =>
    speech.submit({ id: uuid(), callId: 'transcribe', samples, sampleRate: SAMPLE_RATE }),
  );
  const heard: { piece: Piece; outcome: Extract<SttOutcome, { ok: true }> }[] = [];
  for (const [index, piece] of pieces.entries()) {
    terminal.progress(`${index} of ${pieces.length} transcribed`);
    const outcome = await jobs[index];
    if (outcome === undefined) throw new SrsError('SRS_INTERNAL', 'a job is missing');
    if (!outcome.ok) throw outcome.error;
    heard.push({ piece, outcome });
    if (!json && outcome.result.text !== '') terminal.print(outcome.result.text);
  }
  if (!json) return EXIT.ok;
  terminal.printJson({
    file: about.file,
    durationMs: Math.round(about.durationMs),
    vendor: heard[0]?.outcome.vendor ?? null,
    model: heard[0]?.outcome.model ?? null,
    language: heard.find(({ outcome }) => outcome.result.language !== undefined)?.outcome.result.language ?? null,
    text: heard
      .map(({ outcome }) => outcome.result.text)
      .filter(Boolean)
      .join(' '),
    segments: heard.flatMap(({ piece, outcome }) => segmentsOf(piece, outcome)),
    words: heard.flatMap(({ piece, outcome }) => outcome.result.words.map((word) => onFileClock(word, piece.startMs))),
  });
  return EXIT.ok;
}

/** An engine without segments has heard one: the piece itself. */
function segmentsOf(piece: Piece, { result }: Extract<SttOutcome, { ok: true }>): object[] {
  if (result.segments.length > 0) return result.segments.map((segment) => onFileClock(segment, piece.startMs));
  return result.text === ''
    ? []
    : [onFileClock({ text: result.text, startMs: 0, endMs: piece.endMs - piece.startMs }, piece.startMs)];
}

function onFileClock<T extends { readonly startMs: number; readonly endMs: number }>(part: T, offsetMs: number): T {
  return { ...part, startMs: Math.round(part.startMs + offsetMs), endMs: Math.round(part.endMs + offsetMs) };
}

function toMs(samples: number): number {
  return (samples * 1000) / SAMPLE_RATE;
}
