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

it('runs in the group that its installation makes and that the TLS key is given to', () => {
  const [group = '', ...more] = values('SupplementaryGroups');
  expect([more, values('DynamicUser')]).toEqual([[], ['yes']]);
  const steps = readFileSync('deploy/README.md', 'utf8').split('\n');
  const made = steps.findIndex((line) => line.startsWith('sudo groupadd ') && line.split(' ').includes(group));
  expect(made).toBeGreaterThan(-1);
  expect(steps.findIndex((line) => line.includes('systemctl enable'))).toBeGreaterThan(made);
  const given = steps.filter((line) => /^(sudo )?install .*\/tls(\/key\.pem)?$/.test(line));
  expect(given).toHaveLength(3);
  for (const line of given) expect(line, line).toMatch(new RegExp(`-m (750|640) -g ${group} `));
});

it('can be told to read every file that the page about TLS names', () => {
  const page = readFileSync('docs/how-to/tls.md', 'utf8');
  const named = [...page.matchAll(/^TLS_\w+_PATH=(\S+)/gm)].map((match) => match[1] ?? '');
  const installed = readFileSync('deploy/README.md', 'utf8');
  expect(named.length).toBeGreaterThan(2);
  for (const path of named) expect(installed, path).toContain(path);
});
