import type { CommandRunner } from './invocation.js';

export interface OptionSpec {
  /** Name of the value in the help; absent = the option takes none. */
  readonly value?: string;
  readonly doc: string;
}

export interface CommandSpec {
  readonly summary: string;
  /** After `sipscribe`. */
  readonly usage: string;
  readonly examples: readonly string[];
  readonly details?: readonly string[];
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** Most positionals that it takes. */
  readonly positionals: number;
  /** Commands are loaded when they run: help and configuration checks must not wait for engines. */
  readonly load: () => Promise<{ readonly run: CommandRunner }>;
}

/** Options that every command takes. */
export const COMMON_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  json: { doc: 'data on stdout as JSON' },
  config: { value: 'FILE', doc: 'JSON or YAML configuration, the same as CONFIG_FILE' },
  set: {
    value: 'NAME=VALUE',
    doc: 'a configuration variable; --whisper-model small is the same as --set WHISPER_MODEL=small',
  },
  help: { doc: 'this text' },
  version: { doc: 'the version' },
};

export const COMMANDS: Readonly<Record<string, CommandSpec>> = {
  serve: {
    summary: 'record SIPREC calls and write down what is said (the default command)',
    usage: 'serve [options]',
    examples: ['sipscribe serve', 'sipscribe serve --whisper-model small --udp-ports 5070'],
    options: {},
    positionals: 0,
    load: () => import('./serve.js'),
  },
  call: {
    summary: 'place a SIPREC call with two WAV files to any recording server',
    usage: 'call --to sip:USER@HOST:PORT[;transport=tcp] --caller A.wav --callee B.wav [options]',
    examples: [
      'sipscribe call --to sip:rec@127.0.0.1:5060 --caller a.wav --callee b.wav',
      "sipscribe call --to 'sip:rec@127.0.0.1:5060;transport=tcp' --hold 5s:3s --json a.wav b.wav",
    ],
    details: [
      'WAV files of any rate are sent in real time; stereo is mixed. SIGINT hangs up. G.722 and Opus are encoded by',
      'ffmpeg before the call.',
    ],
    options: {
      to: { value: 'URI', doc: 'where to call; UDP unless the URI says transport=tcp' },
      caller: { value: 'WAV', doc: 'what the caller says (or the first file)' },
      callee: { value: 'WAV', doc: 'what the callee says (or the second file)' },
      'caller-name': { value: 'NAME', doc: 'name in the metadata (Caller)' },
      'callee-name': { value: 'NAME', doc: 'name in the metadata (Callee)' },
      'caller-aor': { value: 'URI', doc: 'address of record in the metadata (sip:caller@example.com)' },
      'callee-aor': { value: 'URI', doc: 'address of record in the metadata (sip:callee@example.com)' },
      codec: { value: 'LIST', doc: 'pcmu, pcma, g722, opus, l16: offered in this order, the first is sent (pcmu)' },
      ptime: { value: 'MS', doc: 'milliseconds per packet (20)' },
      hold: { value: 'AT:FOR', doc: 'hold the call by re-INVITE, such as 5s:3s' },
      'hold-by': { value: 'direction|address', doc: 'how a hold is written: a=inactive, or 0.0.0.0 in c= (direction)' },
      pause: { value: 'AT:FOR', doc: 'send nothing for a while, and say nothing' },
      'ssrc-change': { value: 'AT', doc: 'go on with other sources, such as 5s' },
      transfer: { value: 'AT:NAME', doc: 'the callee passes the call on, such as 5s:Dora' },
      'one-sided': { doc: 'send nothing of the callee' },
      group: { value: 'NAME', doc: 'a group that recording sessions of one call have in common' },
      srtp: { value: 'SUITE', doc: 'protect the audio, such as AES_CM_128_HMAC_SHA1_80 or AEAD_AES_256_GCM' },
      'rtcp-mux': { doc: 'offer one port for RTP and RTCP' },
      'call-id': { value: 'ID', doc: 'SIP Call-ID (random)' },
    },
    positionals: 2,
    load: () => import('./call.js'),
  },
  transcribe: {
    summary: 'transcribe a WAV file with the configured vendor, without any call',
    usage: 'transcribe FILE [options]',
    examples: ['sipscribe transcribe a.wav', 'sipscribe transcribe a.wav --whisper-model small --json'],
    details: ['Long files are cut at pauses as calls are; channels are mixed.'],
    options: { whole: { doc: 'give the engine the whole file in one piece' } },
    positionals: 1,
    load: () => import('./transcribe.js'),
  },
  'check-config': {
    summary: 'read the configuration, list every problem, start nothing',
    usage: 'check-config [options]',
    examples: ['sipscribe check-config --config /etc/sipscribe.yaml'],
    options: {},
    positionals: 0,
    load: () => import('./check-config.js'),
  },
  'print-config': {
    summary: 'show the configuration in force, secrets masked',
    usage: 'print-config [options]',
    examples: ['sipscribe print-config', 'sipscribe print-config --changed --json'],
    options: { changed: { doc: 'only what is not a default' } },
    positionals: 0,
    load: () => import('./print-config.js'),
  },
  models: {
    summary: 'list whisper models, or download one',
    usage: 'models [list | download NAME] [options]',
    examples: [
      'sipscribe models',
      'sipscribe models download small --whisper-models-url https://mirror.example/whisper',
    ],
    details: [
      'download takes BASE/ggml-NAME.bin, where BASE is WHISPER_MODELS_URL, into WHISPER_MODELS_DIR. The checksum is',
      '--sha256, or else what stands at BASE/ggml-NAME.bin.sha256.',
    ],
    options: {
      sha256: { value: 'HEX', doc: 'checksum that the file must have' },
      force: { doc: 'download even when the model is there' },
    },
    positionals: 2,
    load: () => import('./models.js'),
  },
  demo: {
    summary: 'start a server, place a call between two speakers and show their words',
    usage: 'demo [options]',
    examples: ['sipscribe demo'],
    options: { dir: { value: 'DIR', doc: 'folder with script.json and the two WAV files (the demo in the box)' } },
    positionals: 0,
    load: () => import('./demo.js'),
  },
};
