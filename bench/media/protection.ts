import { SrtpSender } from '../../src/rtp/srtp-sender.js';

/** One key for all streams of the load, because all are the same packets. Nobody else ever has it. */
const SUITE = 'AES_CM_128_HMAC_SHA1_80';
const MASTER = Buffer.from('a key of the bench, and its salt'.slice(0, 30));

/** The line of the offer that names the key (RFC 4568 §9.1). */
export const CRYPTO_LINE = `a=crypto:1 ${SUITE} inline:${MASTER.toString('base64')}`;

/** Protects packets with it, in the order in which they are sent. */
export function sealer(): (packet: Uint8Array) => Uint8Array {
  const sender = new SrtpSender(SUITE, { key: MASTER.subarray(0, 16), salt: MASTER.subarray(16) });
  return (packet) => sender.seal(packet);
}
