import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { errorsPage, metricsPage } from './helpers/reference-pages.js';

/** `UPDATE_DOCS=1 npx vitest run test/docs.test.ts` writes the pages anew. */
function check(path: string, text: string): void {
  if (process.env.UPDATE_DOCS === '1') writeFileSync(path, text);
  expect(readFileSync(path, 'utf8')).toBe(text);
}

describe('reference pages', () => {
  it('lists every error code as it is', () => {
    check('docs/reference/errors.md', errorsPage());
  });

  it('lists every metric as it is', async () => {
    check('docs/reference/metrics.md', await metricsPage());
  });
});
