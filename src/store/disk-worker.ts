import { writeFileAtomicallySync } from './atomic-file.js';
import type { DiskFile } from './disk.js';
import { answerRequests } from './thread-answers.js';

/** Entry of the thread that writes records, one request after another. */
answerRequests((files: readonly DiskFile[]): void => {
  for (const { path, content, durable } of files) writeFileAtomicallySync(path, content, { durable: durable ?? false });
});
