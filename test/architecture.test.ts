import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const FLOORS: Record<string, number> = {
  'src/core': 0,
  'src/audio': 1,
  'src/store': 1,
  'src/files': 2,
  'src/rtp': 2,
  'src/stt': 2,
  'src/listeners': 2,
  'src/transcript': 2,
  'src/session': 3,
  'src/sip': 4,
  'src/http': 4,
  'src/client': 5,
  'src/commands': 6,
  src: 6,
};

/** Each third-party package, and the only files that may import it. */
const DOORS: Record<string, readonly string[]> = {
  '@echogarden/fvad-wasm': ['src/audio/voice-activity.ts'],
  amqplib: ['src/listeners/amqp-connection.ts'],
  convict: ['config/schema.ts', 'config/formats.ts', 'config/load.ts'],
  'drachtio-srf': ['src/sip/drachtio/drachtio-link.ts'],
  execa: ['src/stt/whisper/subprocess.ts'],
  fastify: ['src/http/http-server.ts'],
  'opus-decoder': ['src/audio/opus.ts'],
  koffi: ['src/rtp/libc.ts'],
  pino: ['src/core/logger.ts'],
  'prom-client': ['src/core/metrics.ts'],
  saxes: ['src/sip/metadata-xml.ts'],
  'sdp-transform': ['src/sip/sdp.ts'],
  'smart-whisper': ['src/stt/whisper/native-child.ts'],
  ws: ['src/listeners/websocket-listener.ts', 'src/client/event-watcher.ts'],
  yaml: ['config/load.ts'],
  'node:dgram': ['src/rtp/packet-source.ts', 'src/sip/transport-udp.ts', 'src/client/udp-socket.ts'],
  'node:child_process': [
    'src/audio/ffmpeg-program.ts',
    'src/audio/ffmpeg-stream.ts',
    'src/client/ffmpeg-encoding.ts',
    'src/files/ffmpeg-encoder.ts',
    'src/stt/whisper/native-slot.ts',
  ],
  'node:worker_threads': [
    'src/rtp/media-worker.ts',
    'src/rtp/worker-handle.ts',
    'src/store/request-thread.ts',
    'src/store/thread-answers.ts',
  ],
};

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    return entry.name.endsWith('.ts') ? [path] : [];
  });
}

/** Import specifiers; type-only imports count for floors, not for cycles. */
function imports(file: string): { specifier: string; typeOnly: boolean }[] {
  const text = readFileSync(file, 'utf8');
  const pattern = /^\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm;
  return [...text.matchAll(pattern)].map((m) => ({ specifier: m[2] ?? m[3] ?? '', typeOnly: m[1] !== undefined }));
}

function folderOf(file: string): string {
  const parts = dirname(file).split('/');
  return parts.length > 1 ? `${parts[0]}/${parts[1]}` : (parts[0] ?? '');
}

function target(file: string, specifier: string): string {
  return relative('.', resolve(dirname(file), specifier)).replace(/\.js$/, '.ts');
}

const files = sources('src');
const all = [...files, ...sources('config')];

describe('the house', () => {
  it('lets a folder import only itself and the floors below it', () => {
    const wrong = files.flatMap((file) =>
      imports(file)
        .filter(({ specifier }) => specifier.startsWith('.'))
        .map(({ specifier }) => target(file, specifier))
        .filter((to) => {
          if (to.startsWith('config/')) return FLOORS[folderOf(file)] !== 6;
          if (folderOf(to) === folderOf(file)) return false;
          const [from, onto] = [FLOORS[folderOf(file)], FLOORS[folderOf(to)]];
          if (from === undefined || onto === undefined) return true;
          return from === 6 ? false : onto >= from;
        })
        .map((to) => `${file} -> ${to}`),
    );
    expect(wrong).toEqual([]);
  });

  it('has no import cycle', () => {
    const graph = new Map(
      all.map((file) => [
        file,
        imports(file)
          .filter((i) => i.specifier.startsWith('.') && !i.typeOnly)
          .map((i) => target(file, i.specifier)),
      ]),
    );
    const state = new Map<string, 'open' | 'done'>();
    const cycles: string[] = [];
    const visit = (file: string, path: string[]): void => {
      if (state.get(file) === 'done') return;
      if (state.get(file) === 'open') {
        cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
        return;
      }
      state.set(file, 'open');
      for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
      state.set(file, 'done');
    };
    for (const file of graph.keys()) visit(file, []);
    expect(cycles).toEqual([]);
  });

  it('keeps every file at 400 lines or fewer', () => {
    const long = [...all, ...sources('test'), ...sources('bench')]
      .map((file) => ({ file, lines: readFileSync(file, 'utf8').split('\n').length }))
      .filter(({ lines }) => lines > 400);
    expect(long).toEqual([]);
  });

  it('gives each third-party package one door', () => {
    const wrong = all.flatMap((file) =>
      imports(file)
        .filter(({ specifier }) => {
          if (specifier.startsWith('.')) return false;
          if (specifier.startsWith('node:') && !(specifier in DOORS)) return false;
          return !DOORS[specifier]?.includes(file);
        })
        .map(({ specifier }) => `${file} -> ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });

  it('names files in kebab-case and has no drawer for odds and ends', () => {
    const wrong = all.filter(
      (file) => !/^[a-z0-9/-]+(\.d)?\.ts$/.test(file) || /\/(utils?|helpers?|common|misc|index)\.ts$/.test(file),
    );
    expect(wrong).toEqual([]);
  });
});
