import { type Logger as PinoLogger, pino } from 'pino';

/**
 * The only door to pino. Log lines are events: a static message and fields.
 * Names, addresses of record and words spoken are redacted wherever they stand, so a careless field cannot leak them.
 */
export type Logger = PinoLogger;

export interface LoggerOptions {
  readonly level: string;
  /** `pretty` is for people at a terminal. */
  readonly format: 'json' | 'pretty';
  /** 1 = stdout (server), 2 = stderr (commands whose stdout is data). */
  readonly fileDescriptor?: 1 | 2;
}

const REDACTED = ['text', 'transcription', 'aor', 'name', 'password', 'secret', 'token', 'authorization', 'url'];

/** Of log lines that a slow reader has not taken yet. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

export function createLogger(options: LoggerOptions): Logger {
  const destination = options.fileDescriptor ?? 1;
  const redact = { paths: REDACTED.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: '[redacted]' };
  if (options.format === 'pretty') {
    const transport = pino.transport({
      target: 'pino-pretty',
      options: { destination, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname' },
    });
    return pino({ level: options.level, redact }, transport);
  }
  // Whoever reads the log may stop reading: lines wait for it up to a limit and are dropped beyond, a call never waits.
  return pino(
    { level: options.level, redact },
    pino.destination({ dest: destination, sync: false, maxLength: MAX_WAITING_BYTES }),
  );
}

/** A logger that says nothing, for tests and pure tools. */
export const silentLogger: Logger = pino({ level: 'silent' });
