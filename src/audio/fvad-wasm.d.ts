/** `@echogarden/fvad-wasm` 0.2 ships no types. These are the entry points of libfvad (`fvad.h`) that are used here. */
declare module '@echogarden/fvad-wasm' {
  export interface FvadModule {
    /** The WASM memory as 16-bit values; replaced when memory grows, so it must be read anew for each use. */
    readonly HEAP16: Int16Array;
    _malloc(bytes: number): number;
    _free(pointer: number): void;
    /** 0 when out of memory. */
    _fvad_new(): number;
    _fvad_free(instance: number): void;
    _fvad_reset(instance: number): void;
    /** 0 (lets most through) to 3 (strict); -1 for another value. */
    _fvad_set_mode(instance: number, mode: number): number;
    _fvad_set_sample_rate(instance: number, hertz: number): number;
    /** 1 voice, 0 none, -1 when the length is not 10, 20 or 30 ms. */
    _fvad_process(instance: number, frame: number, samples: number): number;
  }
  export default function load(): Promise<FvadModule>;
}
