import { execFileSync, spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

describe('the logger', () => {
  it('never writes words spoken, names, addresses of record or secrets, wherever the field stands', () => {
    const program = `
      import { createLogger } from './dist/src/core/logger.js';
      const log = createLogger({ level: 'info', format: 'json' });
      log.info({ text: 'w0rds', leg: { speaker: { name: 'n4me', aor: 'sip:a0r' } }, amqp: { password: 'p4ss', url: 'amqp://u:s3cret@h' } }, 'event');
    `;
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
    expect(output).toContain('"msg":"event"');
    for (const secret of ['w0rds', 'n4me', 'a0r', 'p4ss', 's3cret']) expect(output).not.toContain(secret);
  });
});

describe('a log whose reader has stopped reading', () => {
  it('does not hold the process', () => {
    const program = `
      import { createLogger } from './dist/src/core/logger.js';
      const log = createLogger({ level: 'info', format: 'json' });
      const began = Date.now();
      for (let i = 0; i < 2000; i++) { log.info({ filler: 'x'.repeat(1000) }, 'event'); if (i % 100 === 99) await new Promise((r) => setTimeout(r, 1)); }
      process.stderr.write('went on');
      process.kill(process.pid, 'SIGKILL');
    `;
    // Two megabytes go into a pipe of 64 kB that nobody reads until the writer has died.
    const script = `"$0" --input-type=module -e "$1" | { sleep 5; }`;
    const result = spawnSync('bash', ['-c', script, process.execPath, program], { encoding: 'utf8', timeout: 15_000 });
    expect(result.stderr).toBe('went on');
  });
});
