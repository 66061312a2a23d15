import { isIP } from 'node:net';
import type { OfferedRtcp } from '../core/model.js';

/**
 * What an m-line says about its RTCP; undefined when it says nothing, and RTCP goes to the next port (RFC 3550 §11).
 * `a=rtcp-rsize`, `a=rtcp-fb` and the rest of `a=rtcp-xr` need no answer: what they allow is read in any case, and never sent.
 *
 * @param lines of the m-line, cleaned
 */
export function readRtcpOffer(lines: readonly string[]): OfferedRtcp | undefined {
  const mux = lines.includes('a=rtcp-mux');
  // RFC 3605 §2.1; the address may be left out.
  const [, portText, address] = match(lines, /^a=rtcp:(\d{1,5})(?: +IN +IP[46] +(\S+))?/i) ?? [];
  const port = Number(portText ?? 0);
  // RFC 3556 §2: receivers that are given no bandwidth send no reports.
  const unwanted = lines.some((line) => /^b=RR: *0+$/i.test(line));
  const roundTrip = lines.some((line) => /^a=rtcp-xr:(?:.* )?rcvr-rtt=(?:all|sender)\b/i.test(line));
  const told = port > 0 && port < 65_536;
  if (!mux && !told && !unwanted && !roundTrip) return undefined;
  return {
    ...(mux ? { mux } : {}),
    ...(told ? { port } : {}),
    ...(told && address !== undefined && isIP(address) !== 0 ? { address } : {}),
    ...(unwanted ? { unwanted } : {}),
    ...(roundTrip ? { roundTrip } : {}),
  };
}

function match(lines: readonly string[], pattern: RegExp): RegExpExecArray | undefined {
  for (const line of lines) {
    const found = pattern.exec(line);
    if (found) return found;
  }
  return undefined;
}
