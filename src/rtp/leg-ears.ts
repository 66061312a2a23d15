import type { PacketReceiver } from './packet-source.js';
import type { RecordedLeg } from './recorded-leg.js';
import { sharedClock } from './worker-protocol.js';

/** What the sockets of a leg hand their packets to. They are bound before there is a leg. */
export interface LegEars {
  leg: RecordedLeg | undefined;
  readonly rtp: PacketReceiver;
  readonly rtcp: PacketReceiver;
}

/**
 * Made apart from whoever opens a leg: what a function holds on to lives as long as the sockets, and nothing of the request should.
 *
 * @param fault told of what a datagram made us throw: it must not end the thread of 450 calls
 */
export function legEars(fault: (error: unknown) => void): LegEars {
  const ears: LegEars = {
    leg: undefined,
    rtp: (bytes, address, port) => {
      try {
        ears.leg?.receive(bytes, address, port);
      } catch (error) {
        ears.leg?.drop('malformed');
        fault(error);
      }
    },
    rtcp: (bytes, address, port) => {
      try {
        ears.leg?.rtcp.receive(bytes, address, port, 'rtcp', sharedClock());
      } catch (error) {
        fault(error);
      }
    },
  };
  return ears;
}
