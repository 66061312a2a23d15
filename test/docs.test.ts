import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { dialectsPage, errorsPage, metricsPage } from './helpers/reference-pages.js';
import { fixtureExpectation, fixtureNames } from './helpers/siprec-fixture.js';

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

  it('lists every dialect as it is, with its written calls', () => {
    const calls = new Map<string, string[]>();
    for (const name of [...fixtureNames].sort()) {
      const dialect = String(Object(fixtureExpectation(name)).dialect);
      calls.set(dialect, [...(calls.get(dialect) ?? []), name]);
    }
    check('docs/reference/dialects.md', dialectsPage(calls));
  });
});

describe('links between pages', () => {
  it('lead to files that exist', () => {
    const pages = execFileSync('git', ['ls-files', '*.md'], { encoding: 'utf8' }).trim().split('\n');
    const broken = pages.flatMap((page) =>
      [...readFileSync(page, 'utf8').matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)/g)]
        .map((match) => match[1] ?? '')
        .filter((link) => !existsSync(join(dirname(page), link)))
        .map((link) => `${page} -> ${link}`),
    );
    expect(broken).toEqual([]);
  });
});
