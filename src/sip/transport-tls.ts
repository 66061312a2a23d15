import { isIP, type Socket } from 'node:net';
import { connect, createServer, type PeerCertificate, type Server, TLSSocket } from 'node:tls';
import { SrsError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import { Scope } from '../core/scope.js';
import { hasName, hostProblem, readIdentity } from './peer-identity.js';
import { fingerprint, readTlsCredentials, type TlsCredentials, type TlsFiles } from './tls-credentials.js';
import type { SipTarget } from './transport.js';
import { StreamTransport, type StreamTransportOptions } from './transport-stream.js';

export interface SipTlsOptions extends TlsFiles {
  readonly port: number;
  readonly clientAuth: 'none' | 'request' | 'require';
  /** Names of which a peer's certificate must carry one; empty = any. */
  readonly peerNames: readonly string[];
  /** How long a handshake may take; 10 s when not given. */
  readonly handshakeMs?: number;
  /** How often the files are looked at for a change; every minute when not given. */
  readonly reloadCheckMs?: number;
}

export interface TlsTransportOptions extends Omit<StreamTransportOptions, 'port'> {
  readonly tls: SipTlsOptions;
  readonly logger: Logger;
}

const HANDSHAKE_MS = 10_000;
const RELOAD_CHECK_MS = 60_000;
/** Files that stay as bad as they are need not be complained of at each look. */
const QUIET_MS = 3_600_000;
/** From here on an operator is reminded of a renewal that did not happen. */
const SOON_MS = 14 * 24 * 3_600_000;

/** SIP over TLS 1.2 and 1.3 (RFC 3261 §26.2.1, RFC 9325), with certificates of peers checked where that is asked for. */
export class TlsTransport extends StreamTransport {
  readonly kind = 'tls';
  readonly #tls: SipTlsOptions;
  readonly #logger: Logger;
  readonly #scope = new Scope('sip-tls');
  #credentials: TlsCredentials | undefined;
  #handshaker: Server | undefined;
  /** The fingerprint of the files in force. */
  #seen = '';
  /** The fingerprint of the files that were last complained of, and when by the monotonic clock. */
  #complaint: { readonly of: string; readonly at: number } | undefined;
  #checking: Promise<void> | undefined;

  constructor(options: TlsTransportOptions) {
    super({ ...options, port: options.tls.port });
    this.#tls = options.tls;
    this.#logger = options.logger;
  }

  /** Takes the files when they have changed; the old ones stay in force when the new ones are not good. Never rejects. */
  reload(): Promise<void> {
    this.#checking ??= this.#reload().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  override async close(): Promise<void> {
    await this.#scope.close();
    await super.close();
  }

  /** @throws SrsError `SRS_CONFIG_INVALID` with the name of the file and what is wrong with it */
  protected override async prepare(): Promise<void> {
    const { clientAuth, handshakeMs, reloadCheckMs } = this.#tls;
    this.#seen = await fingerprint(this.#tls);
    const credentials = await readTlsCredentials(this.#tls);
    this.#credentials = credentials;
    this.#remind(credentials);
    // It never listens: accepted sockets are handed to it, so that they count from their first byte.
    const handshaker = createServer({
      ...credentials.options,
      requestCert: clientAuth !== 'none',
      rejectUnauthorized: clientAuth === 'require',
      handshakeTimeout: handshakeMs ?? HANDSHAKE_MS,
    });
    handshaker.on('secureConnection', (socket) => this.#judge(socket));
    handshaker.on('tlsClientError', (error, socket) => this.#failed(error, socket));
    this.#handshaker = handshaker;
    this.#scope.interval(() => void this.reload(), reloadCheckMs ?? RELOAD_CHECK_MS);
  }

  protected secure(socket: Socket): void {
    this.#handshaker?.emit('connection', socket);
  }

  /**
   * Who may call may be called: a peer of ours shows a certificate of TLS_CA_PATH with one of TLS_PEER_NAMES, on connections of either
   * side. Without TLS_CA_PATH it is judged as any server, by the authorities of the system and the host of its Contact.
   */
  protected dial(target: SipTarget): Socket {
    const { caFile, peerNames } = this.#tls;
    const name = target.name !== undefined && isIP(target.name) === 0 ? target.name : undefined;
    const byAuthority = (_host: string, certificate: PeerCertificate): Error | undefined =>
      this.#isNamed(certificate.subjectaltname) ? undefined : new Error('the certificate has none of TLS_PEER_NAMES');
    const byHost = (_host: string, certificate: PeerCertificate): Error | undefined =>
      hostProblem(name ?? target.address, certificate);
    const socket = connect({
      host: target.address,
      port: target.port,
      ...(name === undefined ? {} : { servername: name }),
      ...(this.#credentials === undefined ? {} : { secureContext: this.#credentials.client }),
      rejectUnauthorized: true,
      checkServerIdentity: caFile === undefined && peerNames.length === 0 ? byHost : byAuthority,
    });
    // Not a byte goes to a peer that was not found good.
    socket.cork();
    socket.once('secureConnect', () => socket.uncork());
    return socket;
  }

  /** The names that an authority has vouched for; a peer that showed no certificate could be anybody. */
  protected identity(socket: Socket): string | undefined {
    return socket instanceof TLSSocket && socket.authorized
      ? socket.getPeerX509Certificate()?.subjectAltName
      : undefined;
  }

  #judge(socket: TLSSocket): void {
    const certificate = socket.getPeerX509Certificate();
    if (certificate !== undefined && !socket.authorized)
      this.#refuse(socket, 'certificate', String(socket.authorizationError));
    else if (certificate !== undefined && !this.#isNamed(certificate.subjectAltName)) this.#refuse(socket, 'name');
    else this.established(socket);
  }

  #isNamed(subjectAltName: string | undefined): boolean {
    const { peerNames } = this.#tls;
    return peerNames.length === 0 || hasName(readIdentity(subjectAltName), peerNames);
  }

  #failed(error: Error, socket: TLSSocket): void {
    // Set before a certificate is refused in the handshake; the error itself says only that the socket is gone.
    const unauthorized = socket.authorizationError;
    const code = 'code' in error ? String(error.code) : error.message;
    const missing = code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE';
    if (unauthorized || missing)
      this.#refuse(socket, 'certificate', unauthorized ? String(unauthorized) : 'none shown');
    else this.#refuse(socket, 'handshake', code);
  }

  #refuse(socket: TLSSocket, reason: 'certificate' | 'name' | 'handshake', detail?: string): void {
    const peer = socket.remoteAddress;
    socket.on('error', () => {});
    socket.destroy();
    this.refused(reason, peer, detail);
  }

  async #reload(): Promise<void> {
    const { certFile } = this.#tls;
    const seen = await fingerprint(this.#tls);
    if (seen === this.#seen) return;
    try {
      const credentials = await readTlsCredentials(this.#tls);
      this.#handshaker?.setSecureContext(credentials.options);
      this.#credentials = credentials;
      this.#seen = seen;
      this.#complaint = undefined;
      this.#logger.info({ certFile, validTo: new Date(credentials.validTo) }, 'TLS certificate renewed');
      this.#remind(credentials);
    } catch (error) {
      // They are tried again at the next look: what was wrong, as a lack of file descriptors, need not change the files.
      const now = performance.now();
      const { of, at } = this.#complaint ?? { of: '', at: 0 };
      if (of === seen && now - at < QUIET_MS) return;
      this.#complaint = { of: seen, at: now };
      const reason = SrsError.from(error).message;
      this.#logger.error({ certFile, reason }, 'TLS files have changed and are not good; the old ones stay in force');
    }
  }

  #remind({ validFrom, validTo }: TlsCredentials): void {
    const { certFile } = this.#tls;
    const fields = { certFile, validFrom: new Date(validFrom), validTo: new Date(validTo) };
    const now = Date.now();
    if (validTo <= now) this.#logger.warn(fields, 'TLS certificate has expired');
    else if (validFrom > now) this.#logger.warn(fields, 'TLS certificate is not valid yet');
    else if (validTo - now < SOON_MS) this.#logger.warn(fields, 'TLS certificate expires soon');
  }
}
