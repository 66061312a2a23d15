import { createHash, randomBytes } from 'node:crypto';
import type { AnsweredCrypto } from '../core/model.js';
import {
  type LegKeys,
  type OfferedCrypto,
  SRTP_SUITES,
  type SrtpMasterKey,
  type SrtpSuiteName,
} from '../core/srtp-suite.js';

interface Agreed {
  readonly suite: SrtpSuiteName;
  /** Tells whether the SRC's keys are others without keeping them. */
  readonly digest: string;
  readonly ours: SrtpMasterKey;
  answer: AnsweredCrypto;
}

/**
 * The keys of one session by m-line: which of the SRC's are in force, and ours beside them. Ours are made afresh for each stream and
 * stay as long as its suite does, because an SRC may learn of them only once.
 */
export class KeyRing {
  /** Most sessions have none. */
  #agreed: Map<number, Agreed> | undefined;

  /** Takes the line that was chosen of an offer. The same line again comes to the same keys. */
  agree(index: number, crypto: OfferedCrypto): LegKeys {
    const { tag, suite, suiteText, keys } = crypto;
    const known = this.#agreed?.get(index);
    const ours = known?.suite === suite ? known.ours : freshKey(suite);
    const key = Uint8Array.from([...ours.key, ...ours.salt]);
    this.#agreed ??= new Map();
    this.#agreed.set(index, { suite, digest: digestOf(crypto), ours, answer: { tag, suite: suiteText, key } });
    return { suite, theirs: keys, ours };
  }

  /** Whether this line asks for something else than what is in force. */
  changes(index: number, crypto: OfferedCrypto | undefined): boolean {
    return this.#agreed?.get(index)?.digest !== (crypto && digestOf(crypto));
  }

  /** What the answer says. Only the tag may have changed with an offer of the same keys. */
  answer(index: number, crypto: OfferedCrypto | undefined): AnsweredCrypto | undefined {
    const known = this.#agreed?.get(index);
    if (!known || !crypto) return undefined;
    known.answer = { ...known.answer, tag: crypto.tag, suite: crypto.suiteText };
    return known.answer;
  }

  /** The stream is gone or plain. If it comes back, it has a new key of ours: counting anew under an old one would give it away. */
  forget(index: number): void {
    this.#agreed?.delete(index);
  }
}

function freshKey(suite: SrtpSuiteName): SrtpMasterKey {
  const { keyBytes, saltBytes } = SRTP_SUITES[suite];
  return { key: randomBytes(keyBytes), salt: randomBytes(saltBytes) };
}

function digestOf({ suite, keys }: OfferedCrypto): string {
  const hash = createHash('sha256').update(suite);
  for (const { key, salt, mki = [] } of keys) {
    hash
      .update(key)
      .update(salt)
      .update(Uint8Array.from([mki.length, ...mki]));
  }
  return hash.digest('base64');
}
