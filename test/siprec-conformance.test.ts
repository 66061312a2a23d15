import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

/**
 * `docs/reference/siprec-conformance.md` names for every numbered rule where it lives and which test holds it, or why it is left out.
 * This keeps the page true: every rule has one row, every file is there, every test title can be found in its file.
 */
const PAGE = 'docs/reference/siprec-conformance.md';
/** Plays every written call under `test/fixtures/siprec`, on both fronts; a row may name its `expected.json` in place of a title. */
const FIXTURE_SUITE = 'test/dialects/fixture-suite.ts';
const SECTIONS: Readonly<Record<string, number>> = { A: 18, B: 18, C: 11, D: 20, E: 23, F: 20, G: 12, H: 9 };

interface Row {
  readonly rule: string;
  readonly where: string;
  readonly test: string;
}

const rows: Row[] = readFileSync(PAGE, 'utf8')
  .split('\n')
  .filter((line) => /^\| [A-H]\d+ \|/.test(line))
  .map((line) => {
    const [rule = '', , where = '', test = ''] = line
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim());
    return { rule, where, test };
  });

/** `path`s in a cell, each once. */
function paths(cell: string): string[] {
  return [...cell.matchAll(/`([\w./-]+\.\w+)`/g)].map(([, path = '']) => path);
}

describe('the conformance page', () => {
  it('has exactly one row for every numbered rule, in order', () => {
    const expected = Object.entries(SECTIONS).flatMap(([letter, count]) =>
      Array.from({ length: count }, (_, index) => `${letter}${index + 1}`),
    );
    expect(rows.map(({ rule }) => rule)).toEqual(expected);
  });

  it('names files that exist, for every rule that is kept', () => {
    const missing = rows.flatMap(({ rule, where, test }) => {
      const named = [...paths(where), ...paths(test)];
      if (where.startsWith('not kept:') || where.startsWith('later:'))
        return where.length < 30 ? [`${rule}: no reason`] : [];
      if (paths(where).length === 0) return [`${rule}: no file`];
      if (paths(test).length === 0) return [`${rule}: no test`];
      return named.filter((path) => !existsSync(path)).map((path) => `${rule}: ${path}`);
    });
    expect(missing).toEqual([]);
  });

  it('quotes titles that stand in those tests', () => {
    const wrong = rows.flatMap(({ rule, test }) =>
      [...test.matchAll(/`([\w./-]+\.ts)` "([^"]+)"/g)]
        .filter(([, path = '', title = '']) => !existsSync(path) || !readFileSync(path, 'utf8').includes(title))
        .map(([quote]) => `${rule}: ${quote}`),
    );
    const proved = /`[\w./-]+\.ts` "|`test\/fixtures\/siprec\/[\w-]+\/expected\.json`/;
    const unproved = rows.filter(({ test, where }) => paths(where).length > 0 && !proved.test(test));
    expect([...wrong, ...unproved.map(({ rule }) => `${rule}: no title and no fixture`)]).toEqual([]);
  });

  it('names written calls that are played: every folder of them is', () => {
    expect(readFileSync(FIXTURE_SUITE, 'utf8')).toContain('it.each(fixtureNames)');
    for (const front of ['embedded', 'drachtio']) {
      expect(readFileSync(`test/dialects/fixtures-${front}.test.ts`, 'utf8')).toContain('playFixtures(');
    }
    const named = rows.flatMap(({ test }) => paths(test)).filter((path) => path.endsWith('.json'));
    expect(named.filter((path) => !/^test\/fixtures\/siprec\/[\w-]+\/expected\.json$/.test(path))).toEqual([]);
    expect(named.length).toBeGreaterThan(20);
  });

  it('gives reasons for what is not kept, and says so for nothing else', () => {
    const without = rows.filter(({ where }) => paths(where).length === 0).map(({ rule }) => rule);
    expect(without).toEqual(['A5', 'A6', 'B4', 'F17', 'G7', 'H9']);
  });
});
