import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { WavPeaks } from '../audio/wav-peaks.js';
import { writeFileAtomicallySync } from '../store/atomic-file.js';
import type { CallRecord } from '../store/call-record.js';
import type { FinishedFile } from '../store/finished-file.js';
import { answerRequests } from '../store/thread-answers.js';
import type { AudioAnswer, AudioQuestion } from './audio-thread.js';

const SLICE_BYTES = 1 << 20;
/** The file whose peaks are made. */
const STEREO = 'call.wav';
const slice = Buffer.alloc(SLICE_BYTES);

/** Reads a file once, from its beginning to its end. */
function digest(path: string, name: string, peaks?: WavPeaks): FinishedFile {
  const hash = createHash('sha256');
  let bytes = 0;
  const file = openSync(path, 'r');
  try {
    for (;;) {
      const read = readSync(file, slice, 0, SLICE_BYTES, bytes);
      if (read === 0) break;
      const piece = slice.subarray(0, read);
      hash.update(piece);
      peaks?.push(piece);
      bytes += read;
    }
  } finally {
    closeSync(file);
  }
  return { name, bytes, sha256: hash.digest('hex') };
}

function finish(directory: string, names: readonly string[]): readonly FinishedFile[] {
  const files: FinishedFile[] = [];
  for (const name of names) {
    const peaks = name === STEREO ? new WavPeaks() : undefined;
    try {
      files.push(digest(join(directory, name), name, peaks));
    } catch (error) {
      // A leg of which nothing could be written has no file.
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') continue;
      throw error;
    }
    const made = peaks?.finish();
    if (made) writeFileAtomicallySync(join(directory, 'peaks.json'), JSON.stringify(made));
  }
  return files;
}

/** Gives an encoding its name, now that it is whole. */
function adopt(directory: string, temporary: string, name: string): FinishedFile {
  const from = join(directory, temporary);
  const file = digest(from, name);
  renameSync(from, join(directory, name));
  return file;
}

/** Adds to a record that nobody else writes any more: the call has ended. */
function amend({ directory, files, warnings }: AudioQuestion & { kind: 'amend' }): void {
  const path = join(directory, 'call.json');
  const record = JSON.parse(readFileSync(path, 'utf8')) as CallRecord;
  const made = new Set(files.map(({ name }) => name));
  const amended: CallRecord = {
    ...record,
    files: [...(record.files ?? []).filter(({ name }) => !made.has(name)), ...files],
    warnings: [...record.warnings, ...warnings],
  };
  writeFileAtomicallySync(path, `${JSON.stringify(amended, null, 1)}\n`);
}

/** Entry of the thread that reads finished audio, one request after another: an hour of it is more than the event loop may wait for. */
answerRequests((question: AudioQuestion): AudioAnswer => {
  switch (question.kind) {
    case 'finish':
      return finish(question.directory, question.names);
    case 'adopt':
      return [adopt(question.directory, question.temporary, question.name)];
    case 'amend':
      amend(question);
      return [];
  }
});
