import { execFileSync } from 'node:child_process';
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
