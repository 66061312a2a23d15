import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { type AddonFacts, judgeAddon, readAddonFacts, thisMachine } from '../../src/stt/whisper/addon-flags.js';

const BUILT: AddonFacts = {
  installed: true,
  built: true,
  stamped: true,
  flags: ['-O3', '-mavx2'],
  vector: ['avx2', 'fma'],
  abi: '115',
  byol: undefined,
};
const MACHINE = { cpuFeatures: new Set(['sse4_2', 'avx2', 'fma']), abi: '115', arch: 'x64' };

describe('the build of the native addon', () => {
  it('is told by its stamp, the same way by the server and by the build script', () => {
    const check = execFileSync(process.execPath, ['tools/build-whisper.mjs', '--check'], { encoding: 'utf8' });
    const facts = readAddonFacts();
    expect(JSON.parse(check)).toMatchObject({ built: facts.built, flags: facts.flags, vector: facts.vector });
    expect(facts).toMatchObject({ installed: true, built: true, abi: process.versions.modules });
    expect(judgeAddon(facts, thisMachine())).toEqual({ ok: true });
  });

  it('is not made again while nothing changed', () => {
    const output = execFileSync(process.execPath, ['tools/build-whisper.mjs'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    expect(output).toBe('');
  });

  it('is loudly slow without the AVX2 that the CPU has', () => {
    const plain = { ...BUILT, stamped: false, vector: [] };
    expect(judgeAddon(plain, MACHINE)).toMatchObject({ ok: true, warning: expect.stringContaining('AVX2') });
    expect(judgeAddon({ ...plain, byol: '-lwhisper' }, MACHINE)).toEqual({ ok: true });
    expect(judgeAddon(BUILT, MACHINE)).toEqual({ ok: true });
  });

  it('is refused on a CPU that lacks what it was built for, before it can end the process', () => {
    const foreign = { ...BUILT, vector: ['avx2', 'avx512f'] };
    expect(judgeAddon(foreign, MACHINE)).toMatchObject({ ok: false, why: expect.stringContaining('lacks avx512f') });
  });

  it('is refused for another node, and where it is missing the reason is told', () => {
    expect(judgeAddon({ ...BUILT, abi: '127' }, MACHINE).why).toContain('ABI 127');
    expect(judgeAddon({ ...BUILT, built: false }, MACHINE).why).toContain('not built');
    expect(judgeAddon({ ...BUILT, installed: false }, MACHINE).why).toContain('not installed');
  });
});
