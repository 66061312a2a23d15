/** A small seeded generator (mulberry32): the same seed gives the same test on every machine. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Bytes with one to eight faults: changed, removed, doubled, cut off, or with noise between. */
export function mutate(bytes: Uint8Array, random: () => number): Buffer {
  let out = Buffer.from(bytes);
  const faults = 1 + Math.floor(random() * 8);
  for (let i = 0; i < faults; i++) {
    const at = Math.floor(random() * out.length);
    const length = 1 + Math.floor(random() * 24);
    const noise = Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
    const kind = random();
    if (kind < 0.4) out[at] = Math.floor(random() * 256);
    else if (kind < 0.55) out = Buffer.concat([out.subarray(0, at), out.subarray(at + length)]);
    else if (kind < 0.7) out = Buffer.concat([out.subarray(0, at + length), out.subarray(at)]);
    else if (kind < 0.85) out = Buffer.concat([out.subarray(0, at), noise, out.subarray(at)]);
    else if (kind < 0.9) out = out.subarray(0, at);
    else
      out = Buffer.concat([
        out.subarray(0, at),
        Buffer.from(['\r\n\r\n', '--', '<', '"', ';', '\0', '%s', ',,'][length % 8] ?? ''),
        out.subarray(at),
      ]);
  }
  return out;
}
