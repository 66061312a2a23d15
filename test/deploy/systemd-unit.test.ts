import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { loadConfig } from '../../config/load.js';
import { isVariableName } from '../../config/schema.js';
import { COMMANDS } from '../../src/commands/command-table.js';

const unit = readFileSync('deploy/sipscribe.service', 'utf8');
const values = (key: string): string[] => [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map((m) => m[1] ?? '');

it('sets only variables that exist, to values that pass the checks', () => {
  const pairs = values('Environment').map(
    (text) => [text.split('=')[0] ?? '', text.slice(text.indexOf('=') + 1)] as const,
  );
  const ours = pairs.filter(([name]) => name !== 'NODE_ENV');
  expect(ours.length).toBeGreaterThan(1);
  for (const [name] of ours) expect(isVariableName(name), name).toBe(true);
  expect(loadConfig({ env: Object.fromEntries(ours) }).dataDir).toBe('/var/lib/sipscribe');
});

it('runs a command that exists', () => {
  const [line = '', ...more] = values('ExecStart');
  expect(more).toEqual([]);
  expect(Object.keys(COMMANDS)).toContain(line.split(' ')[1]);
});

it('waits for a stop for longer than the default grace and the last words take', () => {
  const [stop = ''] = values('TimeoutStopSec');
  const minutes = Number(/^(\d+)min$/.exec(stop)?.[1]);
  expect(minutes * 60_000).toBeGreaterThan(2 * loadConfig({ env: {} }).shutdownGraceMs + 15_000);
});
