#!/usr/bin/env node
/**
 * Builds the native whisper addon (the optional dependency smart-whisper) for the vector unit of this machine's CPU.
 *
 * The package's own install script passes no vector flags, so on Linux whisper.cpp then runs on plain SSE2, about fifteen times slower
 * than it could. This runs as `postinstall` instead. It never fails an installation: without a compiler sipscribe still works with the
 * `cli` engine, and the message says what to install.
 *
 *   node tools/build-whisper.mjs            build unless an up-to-date build is there
 *   node tools/build-whisper.mjs --force    build again
 *   node tools/build-whisper.mjs --check    print the facts of the present build as JSON
 *
 * Environment: SIPSCRIBE_SKIP_WHISPER_BUILD=1 (do nothing), SIPSCRIBE_WHISPER_CFLAGS (these flags instead of the CPU's own, e.g.
 * "-march=x86-64-v3" for an image that must run elsewhere), BYOL (linker arguments of your own libwhisper, e.g. one with CUDA), JOBS.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, availableParallelism, platform } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

/**
 * Names in /proc/cpuinfo and the compiler flag of each. AVX-512 is left out on purpose: measured on a Zen 4, this ggml is a fifth slower
 * with it, and an image built without it also runs on the many servers that have none. SIPSCRIBE_WHISPER_CFLAGS brings it back.
 */
const X86_FLAGS = {
  ssse3: '-mssse3',
  sse4_2: '-msse4.2',
  avx: '-mavx',
  avx2: '-mavx2',
  fma: '-mfma',
  f16c: '-mf16c',
  bmi2: '-mbmi2',
};
/** The compiler's macros that tell which of them a set of flags switches on. */
const MACROS = {
  __SSSE3__: 'ssse3',
  __SSE4_2__: 'sse4_2',
  __AVX__: 'avx',
  __AVX2__: 'avx2',
  __FMA__: 'fma',
  __F16C__: 'f16c',
  __BMI2__: 'bmi2',
  __AVX512F__: 'avx512f',
  __AVX512BW__: 'avx512bw',
  __AVX512DQ__: 'avx512dq',
  __AVX512VL__: 'avx512vl',
  __AVX512CD__: 'avx512cd',
  __AVX512VBMI__: 'avx512vbmi',
  __AVX512VNNI__: 'avx512_vnni',
  __ARM_NEON: 'neon',
  __ARM_FEATURE_DOTPROD: 'dotprod',
  __ARM_FEATURE_FP16_VECTOR_ARITHMETIC: 'fp16',
  __ARM_FEATURE_MATMUL_INT8: 'i8mm',
  __ARM_FEATURE_SVE: 'sve',
};

const say = (text) => process.stderr.write(`sipscribe: ${text}\n`);

function packageFolder() {
  try {
    return dirname(createRequire(import.meta.url).resolve('smart-whisper/package.json'));
  } catch {
    return undefined;
  }
}

function cpuFeatures() {
  try {
    const line = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'));
    return new Set((line?.[1] ?? '').trim().split(/\s+/));
  } catch {
    return new Set();
  }
}

/** Which flags this CPU can take. Explicit ones rather than -march=native: the stamp can then tell what a build needs. */
function wantedFlags() {
  const own = process.env.SIPSCRIBE_WHISPER_CFLAGS;
  if (own !== undefined) return own.split(/\s+/).filter(Boolean);
  if (arch() === 'arm64') return ['-O3', platform() === 'darwin' ? '-mcpu=apple-m1' : '-mcpu=native'];
  if (arch() !== 'x64' || platform() === 'win32') return ['-O3'];
  if (platform() === 'darwin') return ['-O3', '-march=native'];
  const has = cpuFeatures();
  return [
    '-O3',
    ...Object.keys(X86_FLAGS)
      .filter((name) => has.has(name))
      .map((name) => X86_FLAGS[name]),
  ];
}

const compiler = () => (process.env.CC ?? 'cc').split(' ')[0] ?? 'cc';
const found = (name) =>
  name.includes('/')
    ? existsSync(name)
    : (process.env.PATH ?? '').split(delimiter).some((folder) => folder !== '' && existsSync(join(folder, name)));

/** Asks the compiler which vector sets the flags switch on; undefined when it refuses them or is not there. */
function vectorSets(flags) {
  const run = spawnSync(compiler(), [...flags, '-dM', '-E', '-x', 'c', '/dev/null'], { encoding: 'utf8' });
  if (run.status !== 0) return undefined;
  return Object.keys(MACROS)
    .filter((macro) => new RegExp(`^#define ${macro} `, 'm').test(run.stdout))
    .map((macro) => MACROS[macro]);
}

function missingTools() {
  const missing = [];
  if (!found(compiler())) missing.push('a C compiler (cc)');
  if (!found((process.env.CXX ?? 'c++').split(' ')[0]) && !found('g++')) missing.push('a C++ compiler (g++)');
  if (!found('make')) missing.push('make');
  if (!found(process.env.npm_config_python ?? 'python3') && !found('python')) missing.push('python3');
  return missing;
}

function nodeGyp() {
  const npm = process.env.npm_execpath;
  const prefix = dirname(dirname(process.execPath));
  const below = 'node_modules/node-gyp/bin/node-gyp.js';
  const places = [
    process.env.npm_config_node_gyp,
    npm === undefined ? undefined : join(dirname(dirname(npm)), below),
    join(prefix, 'lib/node_modules/npm', below),
    join(prefix, 'lib', below),
    '/usr/share/nodejs/node-gyp/bin/node-gyp.js',
    '/usr/share/nodejs/npm/node_modules/node-gyp/bin/node-gyp.js',
  ];
  return places.find((path) => path !== undefined && existsSync(path));
}

/** Headers that lie beside this very node make the build work without a network. */
function localHeaders() {
  if (process.env.npm_config_nodedir) return [];
  const prefix = dirname(dirname(process.execPath));
  try {
    const text = readFileSync(join(prefix, 'include/node/node_version.h'), 'utf8');
    const part = (name) => new RegExp(`#define NODE_${name}_VERSION (\\d+)`).exec(text)?.[1];
    const version = `${part('MAJOR')}.${part('MINOR')}.${part('PATCH')}`;
    return version === process.versions.node ? [`--nodedir=${prefix}`] : [];
  } catch {
    return [];
  }
}

const stampPath = (folder) => join(folder, 'build/Release/sipscribe-build.json');
const addonPath = (folder) => join(folder, 'build/Release/smart-whisper.node');

function readStamp(folder) {
  try {
    return JSON.parse(readFileSync(stampPath(folder), 'utf8'));
  } catch {
    return undefined;
  }
}

function facts(folder) {
  const built = folder !== undefined && existsSync(addonPath(folder));
  const stamp = built ? readStamp(folder) : undefined;
  return {
    installed: folder !== undefined,
    built,
    stamped: stamp !== undefined,
    flags: stamp?.flags ?? [],
    vector: stamp?.vector ?? [],
    abi: stamp?.abi ?? null,
    byol: stamp?.byol ?? null,
  };
}

/** What a build depends on. Equal wishes and an existing addon mean that nothing is to be done. */
function wish(folder, flags, vector) {
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return {
    package: version,
    abi: process.versions.modules,
    platform: `${platform()}-${arch()}`,
    flags,
    vector,
    byol: process.env.BYOL ?? null,
    backend: process.env.COMPUTE_BACKEND ?? null,
  };
}

function compile(folder, gyp, flags) {
  const extra = flags.join(' ');
  const environment = {
    ...process.env,
    CFLAGS: `${process.env.CFLAGS ?? ''} ${extra}`.trim(),
    CXXFLAGS: `${process.env.CXXFLAGS ?? ''} ${extra}`.trim(),
    JOBS: process.env.JOBS ?? String(availableParallelism()),
  };
  const run = spawnSync(process.execPath, [gyp, 'rebuild', '--release', ...localHeaders()], {
    cwd: folder,
    env: environment,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (run.status === 0 && existsSync(addonPath(folder))) return undefined;
  return `${run.stdout ?? ''}\n${run.stderr ?? ''}\n${run.error?.message ?? ''}`
    .trim()
    .split('\n')
    .slice(-25)
    .join('\n');
}

/** The addon as Node would load it, in a process of its own: a build for another ABI or with a missing library is found here. */
function loads(folder) {
  const run = spawnSync(process.execPath, ['-e', `require(${JSON.stringify(addonPath(folder))})`], {
    encoding: 'utf8',
  });
  return run.status === 0
    ? undefined
    : (run.stderr ?? '').trim().split('\n').slice(-8).join('\n') || `signal ${run.signal}`;
}

function complain(reason, detail) {
  const line = '-'.repeat(100);
  say(line);
  say('The native whisper engine was NOT built.');
  say(reason);
  if (detail) for (const text of detail.split('\n')) say(`  ${text}`);
  say('The installation goes on: set WHISPER_BINARY_PATH to any whisper command line to use the `cli` engine,');
  say('or repair the cause and run: node tools/build-whisper.mjs');
  say(line);
}

function build(force) {
  const folder = packageFolder();
  if (folder === undefined) {
    complain('The optional package smart-whisper is not installed (was npm run with --omit=optional?).');
    return;
  }
  let flags = wantedFlags();
  let vector = vectorSets(flags);
  const missing = missingTools();
  if (missing.length > 0) {
    // An image may be built with a compiler and run without one: what is there and loads is kept.
    if (existsSync(addonPath(folder)) && loads(folder) === undefined && readStamp(folder) !== undefined) return;
    complain(`Not found: ${missing.join(', ')}.`, 'Debian and Ubuntu: apt-get install build-essential python3');
    return;
  }
  if (vector === undefined) {
    say(`the compiler does not know all of: ${flags.join(' ')}; trying -march=native`);
    flags = ['-O3', '-march=native'];
    vector = vectorSets(flags) ?? [];
  }
  const wanted = wish(folder, flags, vector);
  if (!force && existsSync(addonPath(folder)) && JSON.stringify(readStamp(folder)?.wish) === JSON.stringify(wanted))
    return;
  const gyp = nodeGyp();
  if (gyp === undefined) {
    complain(
      'node-gyp was not found. It comes with npm.',
      'Run `npm install` with the npm of this node, or set npm_config_node_gyp.',
    );
    return;
  }
  say(`building the native whisper engine for ${vector.join(' ') || 'a CPU without vector unit'} (about a minute)`);
  const old = join(folder, 'build'),
    aside = join(folder, 'build.before');
  rmSync(aside, { recursive: true, force: true });
  if (existsSync(old)) renameSync(old, aside);
  const started = Date.now();
  const failure = compile(folder, gyp, flags) ?? loads(folder);
  if (failure !== undefined) {
    rmSync(old, { recursive: true, force: true });
    if (existsSync(aside)) renameSync(aside, old);
    complain(
      'The compiler or the loader failed. node-gyp needs the headers of this node (it fetches them, or takes npm_config_nodedir).',
      failure,
    );
    return;
  }
  mkdirSync(dirname(stampPath(folder)), { recursive: true });
  writeFileSync(
    stampPath(folder),
    `${JSON.stringify({ flags, vector, abi: wanted.abi, byol: wanted.byol, builtAt: new Date().toISOString(), wish: wanted }, null, 2)}\n`,
  );
  rmSync(aside, { recursive: true, force: true });
  say(`native whisper engine built in ${Math.round((Date.now() - started) / 1000)} s`);
}

if (process.argv.includes('--check')) {
  process.stdout.write(`${JSON.stringify(facts(packageFolder()))}\n`);
} else if (process.env.SIPSCRIBE_SKIP_WHISPER_BUILD === '1') {
  say('SIPSCRIBE_SKIP_WHISPER_BUILD=1: the native whisper engine is left as it is');
} else {
  try {
    build(process.argv.includes('--force'));
  } catch (error) {
    complain('The build script itself failed.', error instanceof Error ? error.message : String(error));
  }
}
