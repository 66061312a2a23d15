import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate and its key, as PEM files. */
export interface Credentials {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

export interface CertificateWish {
  /** As in OpenSSL's configuration: `DNS:sbc.example.com,URI:sip:example.com,IP:127.0.0.1`. */
  readonly subjectAltName?: string;
  /** Its time is over. */
  readonly expired?: boolean;
}

/** A folder with one authority, made by OpenSSL when a test needs it. */
export class TestAuthority {
  readonly folder = mkdtempSync(join(tmpdir(), 'sipscribe-ca-'));
  readonly caFile = join(this.folder, 'ca.pem');

  constructor() {
    writeFileSync(join(this.folder, 'index.txt'), '');
    writeFileSync(
      join(this.folder, 'ca.cnf'),
      [
        '[ca]',
        'default_ca = own',
        '[own]',
        'database = index.txt',
        'new_certs_dir = .',
        'certificate = ca.pem',
        'private_key = ca.key',
        'rand_serial = yes',
        'unique_subject = no',
        'default_md = sha256',
        'policy = any',
        '[any]',
        'commonName = supplied',
        '',
      ].join('\n'),
    );
    this.#openssl(
      'req',
      '-x509',
      ...NEW_KEY,
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-days',
      '2',
      '-subj',
      '/CN=authority',
    );
  }

  get ca(): string {
    return readFileSync(this.caFile, 'utf8');
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  issue(name: string, wish: CertificateWish = {}): Credentials {
    this.#openssl('req', ...NEW_KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const extension = wish.subjectAltName === undefined ? '' : `subjectAltName=${wish.subjectAltName}\n`;
    writeFileSync(this.path(`${name}.ext`), `basicConstraints=CA:FALSE\n${extension}`);
    const dates = wish.expired ? ['20200101000000Z', '20200201000000Z'] : ['20200101000000Z', '20491231000000Z'];
    const time = ['-startdate', dates[0] ?? '', '-enddate', dates[1] ?? ''];
    const files = ['-in', `${name}.csr`, '-out', `${name}.pem`, '-extfile', `${name}.ext`];
    this.#openssl('ca', '-batch', '-notext', '-config', 'ca.cnf', ...files, ...time);
    const [certFile, keyFile] = [this.path(`${name}.pem`), this.path(`${name}.key`)];
    return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.folder, stdio: 'pipe' });
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
