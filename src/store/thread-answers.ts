import { parentPort } from 'node:worker_threads';
import type { ThreadReply, ThreadRequest } from './request-thread.js';

/** The other side of a `RequestThread`: answers what it is asked, one question after another, until it is told to end. */
export function answerRequests<Question, Answer>(answer: (question: Question) => Answer): void {
  const port = parentPort;
  port?.on('message', (request: ThreadRequest<Question> | undefined) => {
    if (request === undefined) port.close();
    else port.postMessage(reply(request, answer));
  });
}

function reply<Question, Answer>(
  { id, question }: ThreadRequest<Question>,
  answer: (question: Question) => Answer,
): ThreadReply<Answer> {
  try {
    return { id, answer: answer(question) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const code = error instanceof Error && 'code' in error ? { code: String(error.code) } : {};
    return { id, error: { message, ...code } };
  }
}
