import { SrsError } from '../core/errors.js';

const HEADER_BYTES = 27;
const CAPTURE_PATTERN = 0x4f676753;
/** A segment of this length goes on in the next one (RFC 3533 §5). */
const WHOLE_SEGMENT = 255;

/** The packets of an Ogg file with one logical stream (RFC 3533 §6), headers first. Checksums are left alone. Throws `SRS_ENCODING`. */
export function readOggPackets(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const packets: Uint8Array[] = [];
  let parts: Uint8Array[] = [];
  for (let page = 0; page < file.length; ) {
    if (page + HEADER_BYTES > file.length || view.getUint32(page) !== CAPTURE_PATTERN) throw broken(page);
    const table = page + HEADER_BYTES;
    const segments = view.getUint8(table - 1);
    let at = table + segments;
    for (const length of file.subarray(table, table + segments)) {
      if (at + length > file.length) throw broken(page);
      parts.push(file.subarray(at, at + length));
      at += length;
      if (length === WHOLE_SEGMENT) continue;
      packets.push(Buffer.concat(parts));
      parts = [];
    }
    if (at > file.length) throw broken(page);
    page = at;
  }
  if (parts.length > 0) throw broken(file.length);
  return packets;
}

function broken(at: number): SrsError {
  return new SrsError('SRS_ENCODING', `the Ogg page at byte ${at} is cut short or is none`);
}
