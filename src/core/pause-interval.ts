/** A time in which a command of ours kept legs from being recorded. */
export interface PauseInterval {
  /** Absent = all legs, those that came later too. */
  readonly legs?: readonly number[];
  /** Epoch ms at which it came into force; nothing received from then on was kept. */
  readonly from: number;
  /** The same on the call clock; absent when the media worker did not confirm it. */
  readonly fromMs?: number;
  readonly to?: number;
  readonly toMs?: number;
  /** Who asked: `key-<n>` of the API keys, `api` when there are none. */
  readonly by: string;
  /** Who ended it: as above, or `limit`, or `end` of the call. */
  readonly endedBy?: string;
  /** As the caller gave it. */
  readonly reason?: string;
}
