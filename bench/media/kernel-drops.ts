import { readFileSync } from 'node:fs';

/** Datagrams that the kernel threw away because the socket of one of `ports` was full: packets that we were too late for. */
export function kernelDrops(ports: readonly number[]): number {
  const wanted = new Set(ports);
  let drops = 0;
  for (const line of readFileSync('/proc/net/udp', 'utf8').trim().split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/);
    const port = Number.parseInt(fields[1]?.split(':')[1] ?? '', 16);
    if (wanted.has(port)) drops += Number(fields.at(-1));
  }
  return drops;
}
