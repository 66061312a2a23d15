import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';

/** What `tools/build-whisper.mjs` wrote beside the addon that it built. */
export interface AddonFacts {
  readonly installed: boolean;
  readonly built: boolean;
  /** Whether our build script made it; the package's own script leaves no stamp. */
  readonly stamped: boolean;
  readonly flags: readonly string[];
  /** Vector sets that the compiled code uses, by their names in /proc/cpuinfo. */
  readonly vector: readonly string[];
  /** `process.versions.modules` of the node that it was built for. */
  readonly abi: string | undefined;
  /** Linker arguments of the user's own libwhisper. */
  readonly byol: string | undefined;
}

export interface Machine {
  /** Names of /proc/cpuinfo; empty where the system has no such file. */
  readonly cpuFeatures: ReadonlySet<string>;
  readonly abi: string;
  readonly arch: string;
}

export interface AddonVerdict {
  readonly ok: boolean;
  /** What to do when it is not. */
  readonly why?: string;
  /** It works, and so slowly that nobody should use it so. */
  readonly warning?: string;
}

const REBUILD = 'run `node tools/build-whisper.mjs` in the sipscribe folder';

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function readStamp(path: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** Looks for the addon without loading it: a build for another CPU must not get the chance to kill this process. */
export function readAddonFacts(): AddonFacts {
  const nothing = { built: false, stamped: false, flags: [], vector: [], abi: undefined, byol: undefined };
  let folder: string;
  try {
    folder = dirname(createRequire(import.meta.url).resolve('smart-whisper/package.json'));
  } catch {
    return { installed: false, ...nothing };
  }
  const release = join(folder, 'build', 'Release');
  if (!existsSync(join(release, 'smart-whisper.node'))) return { installed: true, ...nothing };
  const stamp = readStamp(join(release, 'sipscribe-build.json'));
  return {
    installed: true,
    built: true,
    stamped: stamp !== undefined,
    flags: texts(stamp?.flags),
    vector: texts(stamp?.vector),
    abi: text(stamp?.abi),
    byol: text(stamp?.byol),
  };
}

export function thisMachine(): Machine {
  let line = '';
  try {
    if (platform() === 'linux') {
      line = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
    }
  } catch {
    // Without the list nothing is claimed about the CPU.
  }
  return {
    cpuFeatures: new Set(line.split(/\s+/).filter(Boolean)),
    abi: process.versions.modules,
    arch: arch(),
  };
}

/** Whether this machine can run that build, and whether it is a build worth running. */
export function judgeAddon(facts: AddonFacts, machine: Machine): AddonVerdict {
  if (!facts.installed) {
    return { ok: false, why: 'the optional package smart-whisper is not installed: npm was told to leave it out' };
  }
  if (!facts.built) {
    return {
      ok: false,
      why: `the native whisper addon is not built: install a C++ compiler, make and python3, then ${REBUILD}`,
    };
  }
  if (facts.abi !== undefined && facts.abi !== machine.abi) {
    return {
      ok: false,
      why: `the native whisper addon was built for node ABI ${facts.abi} and this node has ${machine.abi}: ${REBUILD}`,
    };
  }
  if (machine.arch === 'x64' && machine.cpuFeatures.size > 0) {
    const lacking = facts.vector.filter((name) => !machine.cpuFeatures.has(name));
    // Running it would end in SIGILL at the first matrix.
    if (lacking.length > 0) {
      return {
        ok: false,
        why: `the native whisper addon was built for another CPU; this one lacks ${lacking.join(', ')}: ${REBUILD}`,
      };
    }
    const slow = facts.byol === undefined && machine.cpuFeatures.has('avx2') && !facts.vector.includes('avx2');
    if (slow) {
      return {
        ok: true,
        warning: `the native whisper addon does not use this CPU's AVX2 and runs about fifteen times slower: ${REBUILD}`,
      };
    }
  }
  return { ok: true };
}
