import { SrsError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { Metrics } from '../core/metrics.js';
import type { SttProvider } from './provider.js';
import type { WhisperEngineFactories } from './whisper/choose-engine.js';
import type { WhisperOptions } from './whisper/engine.js';
import { WhisperProvider } from './whisper/whisper-provider.js';

/** What the vendors are made from. Each has its own options and shares the rest. */
export interface VendorParts {
  readonly whisper: WhisperOptions;
  /** How to make a whisper engine; tests and the composition root give them. */
  readonly whisperEngines: WhisperEngineFactories;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

type VendorFactory = (parts: VendorParts) => SttProvider;

/** The closed table of vendors. A new one is a folder beside `whisper/` and a line here. */
const VENDORS = {
  whisper: ({ whisper, whisperEngines, metrics, logger }) =>
    new WhisperProvider(whisper, { engines: whisperEngines, metrics, logger }),
} as const satisfies Record<string, VendorFactory>;

export type VendorName = keyof typeof VENDORS;
export const VENDOR_NAMES: readonly string[] = Object.keys(VENDORS);

function isVendor(name: string): name is VendorName {
  return VENDOR_NAMES.includes(name);
}

/** Makes a provider, not started. Throws `SRS_STT_VENDOR_UNKNOWN` with the known names. */
export function createVendor(name: string, parts: VendorParts): SttProvider {
  if (!isVendor(name)) {
    throw new SrsError('SRS_STT_VENDOR_UNKNOWN', `the vendor ${name} is not known; known: ${VENDOR_NAMES.join(', ')}`);
  }
  return VENDORS[name](parts);
}
