import { readFile } from 'node:fs/promises';
import { SrsError } from '../core/errors.js';
import type { AmqpTls } from './amqp-connection.js';

/** Where the TLS material of a broker lies; PEM files. */
export interface AmqpTlsFiles {
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly skipVerify: boolean;
}

/** Reads the files, so that a wrong path is found at the start. Throws `SRS_CONFIG_INVALID`. */
export async function readAmqpTls({ caFile, certFile, keyFile, skipVerify }: AmqpTlsFiles): Promise<AmqpTls> {
  return {
    ...(caFile === undefined ? {} : { ca: await readPem(caFile, 'AMQP_TLS_CA_FILE') }),
    ...(certFile === undefined ? {} : { cert: await readPem(certFile, 'AMQP_TLS_CERT_FILE') }),
    ...(keyFile === undefined ? {} : { key: await readPem(keyFile, 'AMQP_TLS_KEY_FILE') }),
    skipVerify,
  };
}

async function readPem(path: string, variable: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new SrsError('SRS_CONFIG_INVALID', `${variable} ${path} cannot be read`, { cause });
  });
  if (!text.includes('-----BEGIN ')) throw new SrsError('SRS_CONFIG_INVALID', `${variable} ${path} is no PEM file`);
  return text;
}
