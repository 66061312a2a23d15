import { join, resolve } from 'node:path';
import { App } from '../app.js';
import { EventWatcher, type WatchedEvent } from '../client/event-watcher.js';
import { placeRecordingCall } from '../client/recording-client.js';
import { createLogger } from '../core/logger.js';
import { packageRoot } from '../core/package-version.js';
import { type DemoScore, type HeardUtterance, scoreDemo } from './demo-score.js';
import { type DemoScript, readDemoScript } from './demo-script.js';
import { EXIT, type Invocation } from './invocation.js';

/** Loopback, any free port, the model in the box: the demo needs nothing and disturbs nothing. */
const DEMO_CONFIG: Readonly<Record<string, string>> = {
  SIP_HOST: '127.0.0.1',
  UDP_PORTS: '0',
  TCP_PORTS: 'none',
  HTTP_PORT: '0',
  RTP_PORT_MIN: '30000',
  RTP_PORT_MAX: '30999',
  DATA_DIR: 'data/demo',
  WHISPER_MODEL: 'micro-telephony',
  WHISPER_LANGUAGE: 'en',
  LOG_LEVEL: 'warn',
};

/** How long the last words may take after the call. */
const LAST_WORDS_MS = 60_000;

/**
 * Starts a server, places a real SIPREC call over SIP and RTP with two speakers, prints their words as a WebSocket subscriber hears
 * them, and compares them with the script. Exit code 0 only if the words are right.
 */
export async function run(invocation: Invocation): Promise<number> {
  const { terminal } = invocation;
  const signal = invocation.interruptible();
  const directory = resolve(invocation.option('dir') ?? join(packageRoot(), 'demo'));
  const script = await readDemoScript(directory);
  const config = invocation.loadConfig(DEMO_CONFIG);
  const logger = createLogger({ level: config.log.level, format: config.log.format ?? 'pretty', fileDescriptor: 2 });
  const app = new App(config, logger);
  await app.start();
  try {
    const sip = app.sipAddresses[0];
    if (!sip) throw new Error('the demo server has no SIP address');
    const { host, port } = app.httpAddress;
    const watcher = await EventWatcher.connect({ url: `ws://${host}:${port}/ws/transcriptions`, signal });
    terminal.note(
      `${script.title}: two speakers, one SIPREC call to sip:${sip.host}:${sip.port}, words from ws://${host}:${port}`,
    );
    const heard = hear(watcher, (line) => (invocation.json ? terminal.note(line) : terminal.print(line)));
    const call = await placeRecordingCall({
      target: { host: sip.host, port: sip.port, transport: 'udp', user: 'srs' },
      legs: script.speakers.map(({ label, name, aor, role, file }) => ({
        label,
        participant: { name, aor, role },
        audio: file,
      })),
      signal,
    });
    setTimeout(() => watcher.close(), LAST_WORDS_MS).unref();
    const { utterances, recording } = await heard;
    const score = scoreDemo(script, utterances);
    const ended = recording !== undefined;
    const recordings = join(config.dataDir, recording ?? 'recordings');
    report(invocation, script, score, { recordings, callId: call.callId, ended, utterances });
    return score.passed && ended && call.outcome === 'completed' ? EXIT.ok : EXIT.failure;
  } finally {
    await app.stop(0);
  }
}

interface Heard {
  readonly utterances: readonly HeardUtterance[];
  /** Where the recording lies; absent when `call.ended` never came. */
  readonly recording?: string;
}

async function hear(watcher: EventWatcher, print: (line: string) => void): Promise<Heard> {
  const utterances: HeardUtterance[] = [];
  for await (const event of watcher) {
    if (event.type === 'call.ended') {
      watcher.close();
      return { utterances, recording: text(event, 'recording') };
    }
    if (event.type === 'transcript.failed') print(`  ${clock(event)}  (no transcript: ${text(event, 'error')})`);
    if (event.type !== 'transcript.final') continue;
    const name = text(event, 'participant_name');
    const said = text(event, 'transcription');
    utterances.push({ name, text: said, delayMs: Number(event.delay_ms ?? 0) });
    print(`  ${clock(event)}  ${(name || '?').padEnd(12)}${said}`);
  }
  return { utterances };
}

interface Outcome {
  readonly recordings: string;
  readonly callId: string;
  readonly ended: boolean;
  readonly utterances: readonly HeardUtterance[];
}

function report(invocation: Invocation, script: DemoScript, score: DemoScore, outcome: Outcome): void {
  const { terminal, json } = invocation;
  if (json) {
    terminal.print(JSON.stringify({ ...score, ...outcome, title: script.title }));
    return;
  }
  const seconds = (ms: number): string => (ms / 1000).toFixed(1);
  const right = Math.max(0, score.words - score.errors);
  terminal.print('');
  terminal.print(
    `  words        ${right} of ${score.words} right (word error rate ${(100 * score.wordErrorRate).toFixed(1)} %)`,
  );
  terminal.print(
    `  delay        ${seconds(score.medianDelayMs)} s median, ${seconds(score.worstDelayMs)} s at most, from the end of an utterance to its words`,
  );
  terminal.print(`  recordings   ${outcome.recordings}`);
  if (!outcome.ended) terminal.print('  failed       the call did not come to its end');
  if (!score.passed) terminal.print('  failed       more than one word in ten is wrong');
}

function text(event: WatchedEvent, key: string): string {
  const value = event[key];
  return typeof value === 'string' ? value : '';
}

/** `mm:ss.t` on the call clock. */
function clock(event: WatchedEvent): string {
  const ms = Number(event.start_ms ?? 0);
  const minutes = Math.floor(ms / 60_000);
  return `${String(minutes).padStart(2, '0')}:${((ms % 60_000) / 1000).toFixed(1).padStart(4, '0')}`;
}
