import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const PROGRAM = fileURLToPath(new URL('./starved-process.mjs', import.meta.url));

it('a thread that has no descriptors left for a decoding child lives on, and gets one when there are some again', async () => {
  const script = 'ulimit -n 80 && exec "$0" "$1"';
  const { stdout } = await promisify(execFile)('bash', ['-c', script, process.execPath, PROGRAM]);
  expect(JSON.parse(stdout)).toEqual({ starved: false, fed: true, children: 0 });
});
