/** An audio file of a call that will not change any more. */
export interface FinishedFile {
  /** In the folder of the call. */
  readonly name: string;
  readonly bytes: number;
  /** Of the whole file, in hex. */
  readonly sha256: string;
}

/** Encodings that can be made of a recording when it is finished. */
export const RECORDING_FORMATS = ['flac', 'opus', 'mp3'] as const;
export type RecordingFormat = (typeof RECORDING_FORMATS)[number];
