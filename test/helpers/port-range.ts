/**
 * RTP ports for one test file. They lie below the system's ephemeral range, each of the two test workers has its own half, and the
 * process id moves them, so that neither a file beside this one nor a second run on the machine sends into them.
 */
const worker = (Number(process.env.VITEST_POOL_ID ?? '1') - 1) % 2;
let next = 10_000 + worker * 11_000 + (process.pid % 20) * 300;

/** The first of `count` ports that nobody else in this process got; an even number. */
export function portRange(count: number): number {
  const first = next;
  next += count + (count % 2);
  return first;
}
