import { constants, createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { SrsError } from '../core/errors.js';

/** PEM files. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile?: string;
}

export interface TlsCredentials {
  /** For a server. */
  readonly options: SecureContextOptions;
  /** For connections of ours: the same certificate, shown when the peer asks for one. */
  readonly client: SecureContext;
  /** Epoch ms between which our certificate is good. */
  readonly validFrom: number;
  readonly validTo: number;
}

/** RFC 9325 §4.2: forward secrecy and authenticated encryption only. The names with TLS_ are those of TLS 1.3. */
const CIPHERS = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/**
 * No renegotiation, and no resumption: a resumed TLS 1.3 session of a client without a certificate passes for one with a good
 * certificate, and a peer whose certificate ran out would come in by its old session.
 */
const SECURE_OPTIONS = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION;

/** @throws SrsError `SRS_CONFIG_INVALID` with the name of the file and what is wrong with it */
export async function readTlsCredentials(files: TlsFiles): Promise<TlsCredentials> {
  const [cert, key, ca] = await Promise.all([
    readPem(files.certFile, 'TLS_CERT_PATH', 'CERTIFICATE'),
    readPem(files.keyFile, 'TLS_KEY_PATH', 'PRIVATE KEY'),
    files.caFile === undefined ? undefined : readPem(files.caFile, 'TLS_CA_PATH', 'CERTIFICATE'),
  ]);
  const certificate = attempt(`TLS_CERT_PATH ${files.certFile} holds no certificate`, () => new X509Certificate(cert));
  if (/ENCRYPTED/.test(key))
    throw invalid(`TLS_KEY_PATH ${files.keyFile} is encrypted; a key without passphrase is needed`);
  const privateKey = attempt(`TLS_KEY_PATH ${files.keyFile} holds no private key`, () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) {
    throw invalid(`TLS_KEY_PATH ${files.keyFile} is not the key of the certificate in TLS_CERT_PATH ${files.certFile}`);
  }
  if (ca !== undefined) checkAuthorities(ca, files.caFile ?? '');
  const options: SecureContextOptions = {
    cert,
    key,
    ...(ca === undefined ? {} : { ca }),
    minVersion: 'TLSv1.2',
    ciphers: CIPHERS,
    honorCipherOrder: true,
    secureOptions: SECURE_OPTIONS,
  };
  const client = attempt(`TLS_CERT_PATH ${files.certFile} cannot be used`, () => createSecureContext(options));
  return { options, client, validFrom: Date.parse(certificate.validFrom), validTo: Date.parse(certificate.validTo) };
}

/** Changes when one of the files does or its mode, also when a link leads to another file as certbot and Kubernetes do it. */
export async function fingerprint(files: TlsFiles): Promise<string> {
  const paths = [files.certFile, files.keyFile, ...(files.caFile === undefined ? [] : [files.caFile])];
  const facts = await Promise.all(
    paths.map((path) =>
      stat(path).then(
        ({ mtimeMs, ctimeMs, size, ino }) => `${mtimeMs}/${ctimeMs}/${size}/${ino}`,
        () => 'missing',
      ),
    ),
  );
  return facts.join('|');
}

function checkAuthorities(pem: string, path: string): void {
  const blocks = pem.match(/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]*?-----END [^-]*-----/g) ?? [];
  if (blocks.length === 0) throw invalid(`TLS_CA_PATH ${path} holds no certificate`);
  for (const [n, block] of blocks.entries()) {
    attempt(`TLS_CA_PATH ${path}: certificate ${n + 1} cannot be read`, () => new X509Certificate(block));
  }
}

async function readPem(path: string, variable: string, kind: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'ENOENT' ? 'does not exist' : `cannot be read (${cause.code ?? 'unknown'})`;
    throw new SrsError('SRS_CONFIG_INVALID', `${variable} ${path} ${why}`, { cause });
  });
  if (!text.includes('-----BEGIN ')) throw invalid(`${variable} ${path} is no PEM file`);
  if (!text.includes(`${kind}-----`)) throw invalid(`${variable} ${path} holds no ${kind.toLowerCase()}`);
  return text;
}

function attempt<T>(problem: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw new SrsError('SRS_CONFIG_INVALID', problem, { cause });
  }
}

const invalid = (text: string): SrsError => new SrsError('SRS_CONFIG_INVALID', text);
