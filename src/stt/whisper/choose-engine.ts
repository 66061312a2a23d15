import { SrsError } from '../../core/errors.js';
import type { Logger } from '../../core/logger.js';
import type { WhisperEngine, WhisperOptions } from './engine.js';
import { findProgram } from './find-program.js';

/** How the two engines are made. Given from outside, so that a choice needs neither the addon nor a program. */
export interface WhisperEngineFactories {
  readonly native: (options: WhisperOptions) => WhisperEngine;
  /** Whether the addon can be loaded here, and why not. */
  readonly nativeAvailable: () => Promise<{ readonly ok: boolean; readonly why?: string }>;
  readonly cli: (options: WhisperOptions) => WhisperEngine;
  /** PATH. */
  readonly searchPath?: string;
}

/**
 * The engine for these options, not started. `auto` means the command line when `binaryPath` is set and the addon otherwise; without the
 * addon it is the command line after all, if there is one. Throws `SRS_STT_UNAVAILABLE` when nothing can run.
 */
export async function chooseEngine(
  options: WhisperOptions,
  factories: WhisperEngineFactories,
  logger: Logger,
): Promise<WhisperEngine> {
  const { engine, binaryPath } = options;
  if (engine === 'cli' || (engine === 'auto' && binaryPath !== undefined)) return factories.cli(options);
  const addon = await factories.nativeAvailable();
  if (addon.ok) return factories.native(options);
  const why = addon.why ?? 'it cannot be loaded';
  if (engine === 'native') {
    throw new SrsError('SRS_STT_UNAVAILABLE', `the native whisper addon is not usable: ${why}; set WHISPER_ENGINE=cli`);
  }
  const program = await findProgram('whisper', factories.searchPath ?? process.env.PATH ?? '');
  if (program === undefined) {
    throw new SrsError(
      'SRS_STT_UNAVAILABLE',
      `the native whisper addon is not usable (${why}) and no program named whisper is on PATH; ` +
        'reinstall with a C++ compiler, or set WHISPER_BINARY_PATH to a whisper command line',
    );
  }
  logger.warn({ why, binary: program }, 'native whisper addon is not usable, the whisper command line is used instead');
  return factories.cli({ ...options, binaryPath: program });
}
