import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { renderExampleEnv, renderReference } from '../../config/documents.js';
import { loadConfig } from '../../config/load.js';
import { VARIABLE_NAMES } from '../../config/schema.js';

/** Write them again with: npm run build && node dist/config/write-documents.js */
describe('the documents made from the schema', () => {
  it('config/example.env is up to date', () => {
    expect(readFileSync('config/example.env', 'utf8')).toBe(renderExampleEnv());
  });

  it('docs/reference/configuration.md is up to date', () => {
    expect(readFileSync('docs/reference/configuration.md', 'utf8')).toBe(renderReference());
  });

  it('example.env names every variable once, with a comment before it', () => {
    const lines = readFileSync('config/example.env', 'utf8').split('\n');
    for (const name of VARIABLE_NAMES) {
      const at = lines.flatMap((line, index) => (line.startsWith(`#${name}=`) ? [index] : []));
      expect(at, name).toHaveLength(1);
      expect(lines[(at[0] ?? 0) - 1], name).toMatch(/^# \S.*\.$/);
    }
  });

  it('example.env with every line switched on is a valid configuration that changes nothing', () => {
    const env = Object.fromEntries(
      renderExampleEnv()
        .split('\n')
        .flatMap((line) => {
          const match = /^#([A-Z_]+)=(.*)$/.exec(line);
          return match ? [[match[1] ?? '', match[2] ?? '']] : [];
        }),
    );
    const { entries: _, notes, ...switchedOn } = loadConfig({ env });
    const { entries: __, notes: ___, ...defaults } = loadConfig({ env: {} });
    expect(switchedOn).toEqual(defaults);
    expect(notes.every((note) => note.endsWith('has no effect in this version'))).toBe(true);
  });
});
