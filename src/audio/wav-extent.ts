import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { WAV_HEADER_BYTES, type WavFormat } from './wav-writer.js';

/** How much a WAV of ours holds, whoever wrote it last; nothing when it is not there. Its length is that of the file, not of the header. */
export async function wavExtent(path: string): Promise<{ readonly bytes: number; readonly durationMs: number }> {
  const nothing = { bytes: 0, durationMs: 0 };
  const file = await open(path, 'r').catch(() => undefined);
  if (!file) return nothing;
  try {
    const { size } = await file.stat();
    const header = Buffer.alloc(WAV_HEADER_BYTES);
    const { bytesRead } = await file.read(header, 0, WAV_HEADER_BYTES, 0);
    const bytesPerSecond = bytesRead === WAV_HEADER_BYTES ? header.readUInt32LE(28) : 0;
    if (bytesPerSecond === 0) return { bytes: size, durationMs: 0 };
    return { bytes: size, durationMs: (Math.max(0, size - WAV_HEADER_BYTES) * 1000) / bytesPerSecond };
  } catch {
    return nothing;
  } finally {
    await file.close();
  }
}

/** The format of a WAV of ours; undefined when there is none. */
export function wavFormat(path: string): WavFormat | undefined {
  return readHeader(path)?.format;
}

/** How long a WAV of ours is by the length of its file; 0 when there is none. */
export function wavDurationMs(path: string): number {
  const header = readHeader(path);
  if (!header) return 0;
  const { sampleRate, channels } = header.format;
  return (Math.floor((header.size - WAV_HEADER_BYTES) / (2 * channels)) * 1000) / sampleRate;
}

function readHeader(path: string): { readonly format: WavFormat; readonly size: number } | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
    const header = Buffer.alloc(WAV_HEADER_BYTES);
    if (readSync(fd, header, 0, WAV_HEADER_BYTES, 0) < WAV_HEADER_BYTES) return undefined;
    const format = { sampleRate: header.readUInt32LE(24), channels: header.readUInt16LE(22) };
    return format.sampleRate > 0 && format.channels > 0 ? { format, size: fstatSync(fd).size } : undefined;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
