import { LineProgram } from './native-program.js';
import type { Loads } from './row.js';
import type { RtpLoad } from './rtp-load.js';

/** Above the ports of a bench of SIP, below those that the system gives away. */
const FIRST_PORT = 10_000;

/** µs of CPU per packet of the least that receiving can cost: `rtp-drain.c` under the same load on the same tick. */
export async function measureBaseline(
  program: string,
  loads: Loads,
  streams: number,
  options: { readonly tickMs: number; readonly marks: readonly [from: number, to: number]; readonly rounds: number },
): Promise<number> {
  const drain = new LineProgram(program, [options.tickMs, FIRST_PORT, streams]);
  let load: RtpLoad | undefined;
  try {
    const [, ...ports] = await drain.line();
    load = loads(ports.map(Number), options);
    const snapshots: [packets: number, cpuMicroseconds: number][] = [];
    for (const _mark of options.marks) {
      await load.mark();
      drain.say('figures');
      const [received, cpu] = await drain.line();
      snapshots.push([Number(received), Number(cpu)]);
    }
    const [from = [0, 0], to = [0, 0]] = snapshots;
    return (to[1] - from[1]) / (to[0] - from[0]);
  } finally {
    load?.kill();
    drain.kill();
  }
}
