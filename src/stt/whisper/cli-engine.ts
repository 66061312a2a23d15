import { access, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { SrsError } from '../../core/errors.js';
import type { Logger } from '../../core/logger.js';
import type { Metrics } from '../../core/metrics.js';
import type { SttResult, TranscribeRequest } from '../provider.js';
import { makeTempDirectory } from '../temp-directory.js';
import { type CliFlavour, cliArguments, cliFormat, flavourOf } from './cli-arguments.js';
import type { Heard } from './cli-output.js';
import type { WhisperEngine, WhisperOptions } from './engine.js';
import { findProgram } from './find-program.js';
import { findResult } from './result-file.js';
import { errorLine, RunFailure } from './run-failure.js';
import { type ProcessResult, runProcess } from './subprocess.js';

export interface CliEngineParts {
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** TMPDIR. */
  readonly tempRoot?: string;
  /** PATH. */
  readonly searchPath?: string;
  /** Variables of the server's environment that are none of the program's business: its secrets. */
  readonly hiddenVariables?: readonly string[];
  /** From SIGTERM to SIGKILL; 5 s unless told. */
  readonly killGraceMs?: number;
  /** Limit of the question `--help` at start; 10 s unless told. */
  readonly helpTimeoutMs?: number;
}

const STDERR_BYTES = 2_048;
/** Help texts of 100 options are longer than the tail of an error. */
const HELP_BYTES = 65_536;

/**
 * Any program with the command line of openai-whisper or whisper.cpp: the real ones, and the scripts that wrap docker, ssh or HTTP
 * around them. Success is a result that can be read, because most of these programs exit with 0 when they fail.
 */
export class WhisperCliEngine implements WhisperEngine {
  readonly kind = 'cli';
  /** Processes are independent; how many may run is the provider's limit. */
  readonly slots = Number.POSITIVE_INFINITY;
  readonly #options: WhisperOptions;
  readonly #parts: CliEngineParts;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  #home: string | undefined;
  #program: { readonly path: string; readonly flavour: CliFlavour; readonly options: WhisperOptions } | undefined;

  constructor(options: WhisperOptions, parts: CliEngineParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Finds the program and asks it whose command line it speaks. */
  async start(signal: AbortSignal): Promise<void> {
    const wanted = this.#options.binaryPath ?? 'whisper';
    // PATH is no setting of ours: a program is found the way a shell would find it.
    const path = await findProgram(wanted, this.#parts.searchPath ?? process.env.PATH ?? '');
    if (path === undefined) {
      const where = wanted.includes('/') ? 'is not a file that can be executed' : 'is not on PATH';
      throw new SrsError(
        'SRS_STT_UNAVAILABLE',
        `the whisper program ${wanted} ${where}; set WHISPER_BINARY_PATH to it`,
      );
    }
    this.#home = await makeTempDirectory(this.#parts.tempRoot ?? tmpdir());
    try {
      const flavour = await this.#askFlavour(path, this.#home, signal);
      this.#program = { path, flavour, options: await this.#absolute(flavour) };
      this.#parts.logger.info({ binary: path, flavour }, 'whisper command line found');
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async transcribe(request: TranscribeRequest, signal: AbortSignal): Promise<SttResult> {
    const run = this.#run(request, AbortSignal.any([signal, this.#closing.signal]));
    this.#running.add(run);
    try {
      return { ...(await run), model: this.#options.model };
    } finally {
      this.#running.delete(run);
    }
  }

  /** Ends what runs and removes every file of the engine. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#running);
    if (this.#home !== undefined) await rm(this.#home, { recursive: true, force: true });
  }

  async #run(request: TranscribeRequest, signal: AbortSignal): Promise<Heard> {
    const program = this.#program;
    if (!program) throw new SrsError('SRS_STT_UNAVAILABLE', 'the whisper command line is not started');
    const outputDirectory = await this.#makeOutputDirectory();
    const wav = request.audio.path;
    const { language } = request;
    const call = { wav, outputDirectory, ...(language === undefined ? {} : { language }) };
    try {
      const ended = await runProcess(
        {
          file: program.path,
          args: cliArguments(program.flavour, program.options, call),
          cwd: outputDirectory,
          hidden: this.#parts.hiddenVariables ?? [],
          timeoutMs: this.#options.timeoutMs,
          killGraceMs: this.#parts.killGraceMs ?? 5_000,
          maxStderrBytes: STDERR_BYTES,
        },
        signal,
      );
      this.#checkEnd(ended);
      return await this.#read(ended, outputDirectory, wav);
    } finally {
      await rm(outputDirectory, { recursive: true, force: true });
      await rm(`${wav}.json`, { force: true });
    }
  }

  /** Made again with its parent when a cleaner of old temporary files took that. Throws `SRS_STT_SPOOL` when the disk refuses. */
  async #makeOutputDirectory(): Promise<string> {
    const home = this.#home;
    if (home === undefined) throw new SrsError('SRS_STT_UNAVAILABLE', 'the whisper command line is not started');
    try {
      await mkdir(home, { recursive: true, mode: 0o700 });
      return await mkdtemp(join(home, 'run-'));
    } catch (cause) {
      throw new SrsError('SRS_STT_SPOOL', 'no directory can be made for the output of the whisper program', { cause });
    }
  }

  #checkEnd(ended: ProcessResult): void {
    const { logger } = this.#parts;
    const { timeoutMs } = this.#options;
    if (ended.survivors) logger.error({ timeoutMs }, 'a process of the whisper command line cannot be ended');
    if (ended.cancelled) throw new SrsError('SRS_STT_CANCELLED', 'the whisper run was cancelled');
    if (ended.timedOut) {
      this.#parts.metrics.whisperTimeouts.inc({ model: this.#options.model });
      throw new SrsError('SRS_STT_TIMEOUT', `the whisper program ran longer than ${timeoutMs} ms and was ended`, {
        cause: new RunFailure(ended),
        facts: { timeoutMs },
      });
    }
  }

  /** The result decides, not the exit code; the exit code only explains. */
  async #read(ended: ProcessResult, directory: string, wav: string): Promise<Heard> {
    const { logger } = this.#parts;
    const end = ended.signal ?? `code ${ended.exitCode ?? 'unknown'}`;
    const heard = await findResult(directory, wav, cliFormat(this.#options.outputFormat), ended.stdoutTail).catch(
      (error: unknown) => {
        logger.warn({ end, why: errorLine(ended.stderrTail) }, 'whisper wrote a result that cannot be read');
        throw new SrsError(
          error instanceof SrsError ? error.code : 'SRS_STT_NO_OUTPUT',
          `${error instanceof Error ? error.message : String(error)} (the program ended with ${end})`,
          { cause: new RunFailure(ended) },
        );
      },
    );
    if (heard) {
      if (ended.exitCode !== 0) logger.warn({ end }, 'whisper wrote a result and failed; the result is taken');
      return heard;
    }
    logger.warn({ end, why: errorLine(ended.stderrTail) }, 'whisper wrote no result');
    const code = ended.exitCode === 0 ? 'SRS_STT_NO_OUTPUT' : 'SRS_STT_ENGINE';
    throw new SrsError(code, `the whisper program ended with ${end} and wrote no result`, {
      cause: new RunFailure(ended),
      facts: { end },
    });
  }

  /** A wrapper script need not know `--help`, and may even start a long job for it: whatever happens, openai-whisper is assumed. */
  async #askFlavour(path: string, home: string, signal: AbortSignal): Promise<CliFlavour> {
    const cwd = join(home, 'help');
    await mkdir(cwd);
    const help = await runProcess(
      {
        file: path,
        args: ['--help'],
        cwd,
        hidden: this.#parts.hiddenVariables ?? [],
        timeoutMs: this.#parts.helpTimeoutMs ?? 10_000,
        killGraceMs: 500,
        maxStderrBytes: HELP_BYTES,
        maxStdoutBytes: HELP_BYTES,
      },
      AbortSignal.any([signal, this.#closing.signal]),
    );
    await rm(cwd, { recursive: true, force: true });
    if (help.cancelled) throw new SrsError('SRS_STT_CANCELLED', 'the start of the whisper command line was cancelled');
    return flavourOf(`${help.stdoutTail}\n${help.stderrTail}`);
  }

  /** The program runs in a directory of its own, so every path it is told must be absolute. */
  async #absolute(flavour: CliFlavour): Promise<WhisperOptions> {
    const { model, modelsDir } = this.#options;
    const options = modelsDir === undefined ? this.#options : { ...this.#options, modelsDir: resolve(modelsDir) };
    const isPath = model.includes('/') || model.endsWith('.bin');
    const exists = (path: string): Promise<boolean> =>
      access(path).then(
        () => true,
        () => false,
      );
    if (flavour === 'openai') {
      // `openai/whisper-small` looks like a path and is a name on a model hub.
      return isPath && !isAbsolute(model) && (await exists(model)) ? { ...options, model: resolve(model) } : options;
    }
    const file = isPath ? resolve(model) : resolve(modelsDir ?? 'models', `ggml-${model}.bin`);
    if (!(await exists(file))) {
      throw new SrsError(
        'SRS_STT_MODEL',
        `whisper.cpp needs a GGML model file and ${file} is not there; set WHISPER_MODEL`,
      );
    }
    return { ...options, model: file };
  }
}
