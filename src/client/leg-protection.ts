import { randomBytes } from 'node:crypto';
import { SrsError } from '../core/errors.js';
import { type OfferedCrypto, SRTP_SUITES, type SrtpMasterKey, type SrtpSuiteName } from '../core/srtp-suite.js';
import { SrtcpReceiver, SrtcpSender } from '../rtp/srtcp.js';
import { SrtpSender } from '../rtp/srtp-sender.js';

/** The SRTP of one leg that we send: our key in the offer, that of the SRS in its answer (RFC 4568 §5.1). */
export class LegProtection {
  readonly #suite: SrtpSuiteName;
  readonly #key: SrtpMasterKey;
  readonly #rtp: SrtpSender;
  readonly #rtcp: SrtcpSender;
  #theirs: SrtcpReceiver | undefined;

  constructor(suite: SrtpSuiteName) {
    const { keyBytes, saltBytes } = SRTP_SUITES[suite];
    this.#suite = suite;
    this.#key = { key: randomBytes(keyBytes), salt: randomBytes(saltBytes) };
    this.#rtp = new SrtpSender(suite, this.#key);
    this.#rtcp = new SrtcpSender(suite, this.#key);
  }

  /** Value of the `a=crypto` line. */
  get offer(): string {
    return `1 ${this.#suite} inline:${Buffer.concat([this.#key.key, this.#key.salt]).toString('base64')}`;
  }

  /** Throws `SRS_SDP_NOT_ACCEPTABLE` when the answer is not the one to our offer: nothing is to go out in the clear. */
  accept(answer: OfferedCrypto | undefined): void {
    if (answer?.tag !== '1' || answer.suite !== this.#suite) {
      throw new SrsError('SRS_SDP_NOT_ACCEPTABLE', 'the SRS took a protected stream without a key of its own');
    }
    this.#theirs = new SrtcpReceiver(answer.suite, answer.keys);
  }

  sealRtp(packet: Uint8Array): Uint8Array {
    return this.#rtp.seal(packet);
  }

  sealRtcp(packet: Uint8Array): Uint8Array {
    return this.#rtcp.seal(packet);
  }

  /** Opens a compound RTCP packet of the SRS in place; undefined when it is not authentic. */
  openRtcp(bytes: Uint8Array): Uint8Array | undefined {
    const length = this.#theirs?.open(bytes) ?? -1;
    return length < 0 ? undefined : bytes.subarray(0, length);
  }
}
