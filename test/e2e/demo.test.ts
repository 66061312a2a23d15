import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ffprobe } from '../helpers/voices.js';

const folder = mkdtempSync(join(tmpdir(), 'sipscribe-demo-'));

function demo(args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const all = ['dist/src/cli.js', 'demo', '--data-dir', join(folder, 'data'), ...args];
    execFile(process.execPath, all, { timeout: 170_000 }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr });
    });
  });
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.concurrent('sipscribe demo', () => {
  it('prints the words of both speakers as they come, a summary, and ends with 0', async () => {
    const { code, stdout, stderr } = await demo([]);
    expect(code, stdout + stderr).toBe(0);
    expect(stdout).toMatch(/^ {2}\d\d:\d\d\.\d {2}Anna Berg {3}hello please help me/m);
    expect(stdout).toMatch(/^ {2}\d\d:\d\d\.\d {2}Tom Reed {4}hello billing support$/m);
    expect(stdout).toMatch(/word error rate \d+\.\d %/);
    expect(stdout).toMatch(/delay {8}\d+\.\d s median/);
    const recording = /recordings {3}(\S+)/.exec(stdout)?.[1] ?? '';
    expect(ffprobe(join(recording, 'call.wav'))).toMatchObject({ channels: 2, sampleRate: 8000 });
  }, 180_000);

  it('ends with 1 when the words are not those of the script', async () => {
    const wrong = join(folder, 'wrong');
    cpSync('demo', wrong, { recursive: true });
    const script = JSON.parse(readFileSync(join(wrong, 'script.json'), 'utf8'));
    // The speakers are exchanged: every word is right and stands under the wrong name.
    for (const turn of script.turns) turn.speaker = 1 - turn.speaker;
    writeFileSync(join(wrong, 'script.json'), JSON.stringify(script));
    const { code, stdout } = await demo(['--dir', wrong, '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ passed: false, ended: true });
  }, 180_000);
});
