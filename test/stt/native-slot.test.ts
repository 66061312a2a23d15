import { afterEach, expect, it } from 'vitest';
import { silentLogger } from '../../src/core/logger.js';
import type { NativeJob } from '../../src/stt/whisper/native-protocol.js';
import { NativeSlot } from '../../src/stt/whisper/native-slot.js';
import { never } from '../helpers/native-whisper.js';
import { scriptedModel } from '../helpers/scripted-model.js';

let slot: NativeSlot | undefined;
afterEach(() => slot?.close());

const job: NativeJob = { language: 'en', translate: false, shortContext: false };

it('gives a job to a new child when the idle one dies while it is asked whether it lives', async () => {
  let deaths = 0;
  slot = new NativeSlot({
    modelPath: scriptedModel('still here'),
    threads: 1,
    startLimitMs: 60_000,
    pingAfterMs: 0,
    logger: silentLogger,
    onDeath: () => {
      deaths += 1;
    },
  });
  expect((await slot.run(job, 60_000, never)).text).toBe('still here');
  const pid = slot.pid ?? 0;
  process.kill(pid, 'SIGSTOP');
  const result = slot.run(job, 60_000, never);
  process.kill(pid, 'SIGKILL');
  expect((await result).text).toBe('still here');
  expect(slot.pid).not.toBe(pid);
  expect(deaths).toBe(1);
}, 40_000);
