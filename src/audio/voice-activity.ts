import loadFvad, { type FvadModule } from '@echogarden/fvad-wasm';
import { SrsError } from '../core/errors.js';

/** Below this no sample of a frame can be speech: the idle noise of G.711 is ±8, and digital silence is zero. */
const QUIET_PEAK = 24;
/** 30 ms at 48 kHz: the longest frame that libfvad takes. */
const MAX_FRAME_SAMPLES = 1440;

/** Loads WebRTC's voice activity detector once per thread; each stream opens its own detector, since it learns the noise of its line. */
export class VoiceActivityEngine {
  readonly #module: FvadModule;
  /** One scratch frame for all detectors: a call is over before the next begins. */
  readonly #frame: number;
  #open = 0;

  private constructor(module: FvadModule) {
    this.#module = module;
    this.#frame = module._malloc(MAX_FRAME_SAMPLES * 2);
  }

  static async load(): Promise<VoiceActivityEngine> {
    return new VoiceActivityEngine(await loadFvad());
  }

  /** Detectors that are open. */
  get open(): number {
    return this.#open;
  }

  /**
   * Opens a detector for mono PCM.
   *
   * @param sampleRate 8000, 16000, 32000 or 48000 Hz
   * @param mode 0 (lets most through) to 3 (strict)
   */
  detector(sampleRate = 8000, mode = 2): VoiceActivity {
    const module = this.#module;
    const instance = module._fvad_new();
    if (instance === 0) throw new SrsError('SRS_INTERNAL', 'The voice activity detector is out of memory.');
    if (module._fvad_set_sample_rate(instance, sampleRate) !== 0 || module._fvad_set_mode(instance, mode) !== 0) {
      module._fvad_free(instance);
      throw new SrsError('SRS_INTERNAL', `Voice activity cannot run at ${sampleRate} Hz in mode ${mode}.`);
    }
    this.#open++;
    return new VoiceActivity(module, instance, this.#frame, () => {
      this.#open--;
    });
  }
}

/** The voice detector of one stream. */
export class VoiceActivity {
  readonly #module: FvadModule;
  readonly #frame: number;
  readonly #onClose: () => void;
  #instance: number;

  constructor(module: FvadModule, instance: number, frame: number, onClose: () => void) {
    this.#module = module;
    this.#instance = instance;
    this.#frame = frame;
    this.#onClose = onClose;
  }

  /** Whether a frame of 10, 20 or 30 ms holds voice. A frame of another length, or after `close`, holds none. */
  isSpeech(frame: Int16Array): boolean {
    if (this.#instance === 0 || frame.length > MAX_FRAME_SAMPLES) return false;
    const heap = this.#module.HEAP16;
    const base = this.#frame >> 1;
    let loud = false;
    for (let i = 0; i < frame.length; i++) {
      const sample = frame[i] as number;
      heap[base + i] = sample;
      if (sample > QUIET_PEAK || sample < -QUIET_PEAK) loud = true;
    }
    return loud && this.#module._fvad_process(this.#instance, this.#frame, frame.length) === 1;
  }

  /** Frees the detector. Idempotent. */
  close(): void {
    if (this.#instance === 0) return;
    this.#module._fvad_free(this.#instance);
    this.#instance = 0;
    this.#onClose();
  }
}
