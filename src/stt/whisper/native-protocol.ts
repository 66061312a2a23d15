import type { ErrorCode } from '../../core/errors.js';
import { ERROR_CODES } from '../../core/errors.js';
import type { SttResult } from '../provider.js';

/** What travels between the server and the forked process that holds the whisper model. */
export interface LoadMessage {
  readonly kind: 'load';
  readonly modelPath: string;
  /** Threads of one transcription. */
  readonly threads: number;
}

export interface NativeJob {
  /** Absent = a second of silence, to warm the engine and prove that it runs. */
  readonly wavPath?: string;
  /** Two-letter code, or `auto`. */
  readonly language: string;
  readonly translate: boolean;
  /** Encode the utterance only and not a whole window of 30 s. */
  readonly shortContext: boolean;
  readonly prompt?: string;
}

export interface JobMessage {
  readonly kind: 'job';
  readonly id: number;
  readonly job: NativeJob;
}

export interface PingMessage {
  readonly kind: 'ping';
}

export type ParentMessage = LoadMessage | JobMessage | PingMessage;

/** A result lacks only the model's name, which the parent knows. */
export type NativeResult = Omit<SttResult, 'model'>;

export type ChildMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'load-failed'; readonly message: string }
  | { readonly kind: 'result'; readonly id: number; readonly result: NativeResult; readonly rssBytes: number }
  | { readonly kind: 'job-failed'; readonly id: number; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: 'pong' };

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isTimed(value: unknown): boolean {
  return isRecord(value) && typeof value.startMs === 'number' && typeof value.endMs === 'number';
}

function isResult(value: unknown): boolean {
  return (
    isRecord(value) &&
    typeof value.text === 'string' &&
    Array.isArray(value.segments) &&
    value.segments.every(isTimed) &&
    Array.isArray(value.words) &&
    value.words.every(isTimed)
  );
}

/** Whether a message of the child is one that it may send; everything else is dropped. */
export function isChildMessage(value: unknown): value is ChildMessage {
  if (!isRecord(value)) return false;
  switch (value.kind) {
    case 'ready':
    case 'pong':
      return true;
    case 'load-failed':
      return typeof value.message === 'string';
    case 'result':
      return typeof value.id === 'number' && typeof value.rssBytes === 'number' && isResult(value.result);
    case 'job-failed':
      return (
        typeof value.id === 'number' &&
        typeof value.message === 'string' &&
        typeof value.code === 'string' &&
        Object.hasOwn(ERROR_CODES, value.code)
      );
    default:
      return false;
  }
}

/** Whether a message of the parent is one; the child trusts it otherwise. */
export function isParentMessage(value: unknown): value is ParentMessage {
  if (!isRecord(value)) return false;
  if (value.kind === 'ping') return true;
  if (value.kind === 'load') return typeof value.modelPath === 'string' && typeof value.threads === 'number';
  return value.kind === 'job' && typeof value.id === 'number' && isRecord(value.job);
}
