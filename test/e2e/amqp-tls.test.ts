import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../helpers/eventually.js';
import { type RabbitMq, startRabbitMq } from '../helpers/rabbitmq.js';
import { startTestServer, type TestServer } from '../helpers/test-server.js';

const folder = mkdtempSync(join(tmpdir(), 'sipscribe-tls-'));
const file = (name: string): string => join(folder, name);

/** A certificate for 127.0.0.1 and a client's, both of one authority. */
function makeCertificates(): void {
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=authority');
  writeFileSync(file('broker.ext'), 'subjectAltName=IP:127.0.0.1');
  for (const name of ['broker', 'client']) {
    openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const extra = name === 'broker' ? ['-extfile', 'broker.ext'] : [];
    const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', ...extra];
    openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...signing);
  }
}

describe('TLS to the broker', () => {
  let broker: RabbitMq;
  let door: Server;
  let url: string;
  let server: TestServer | undefined;

  beforeAll(async () => {
    makeCertificates();
    broker = await startRabbitMq();
    const pem = (name: string): Buffer => readFileSync(file(name));
    // The broker behind a door that asks for a certificate, as load balancers do.
    door = createServer(
      {
        key: pem('broker.key'),
        cert: pem('broker.pem'),
        ca: pem('ca.pem'),
        requestCert: true,
        rejectUnauthorized: true,
      },
      (socket) => {
        const inner = connect(broker.port, '127.0.0.1');
        socket.on('error', () => inner.destroy());
        inner.on('error', () => socket.destroy());
        socket.pipe(inner).pipe(socket);
      },
    );
    door.on('tlsClientError', () => {});
    await new Promise<void>((done) => door.listen(0, '127.0.0.1', done));
    const address = door.address();
    url = `amqp://guest:guest@127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }, 90_000);
  afterEach(async () => {
    await server?.stop();
    server = undefined;
  });
  afterAll(async () => {
    door?.close();
    await broker?.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  it('is had with an authority and a client certificate from files', async () => {
    const started = await startTestServer({
      AMQP_URL: url,
      AMQP_TLS_ENABLED: 'true',
      AMQP_TLS_CA_FILE: file('ca.pem'),
      AMQP_TLS_CERT_FILE: file('client.pem'),
      AMQP_TLS_KEY_FILE: file('client.key'),
    });
    server = started;
    await eventually('a connection', async () => (await started.metric('siprec_amqp_connection_status')) === 1);
  }, 40_000);

  it('is not had with a broker of an unknown authority', async () => {
    const started = await startTestServer({ AMQP_URL: url, AMQP_TLS_ENABLED: 'true' });
    server = started;
    await eventually(
      'a second attempt',
      async () => (await started.metric('siprec_amqp_reconnect_attempts_total')) > 0,
    );
    expect(started.app.health().parts.amqp?.detail).toMatch(/CERT|SELF_SIGNED|UNABLE_TO_VERIFY/);
    expect(await started.metric('siprec_amqp_connection_status')).toBe(0);
  }, 40_000);

  it.each([
    ['is not there', 'nowhere.pem', 'cannot be read'],
    ['is something else', 'broker.ext', 'is no PEM file'],
  ])('needs files: one that %s stops the start', async (_, name, why) => {
    const env = { AMQP_URL: url, AMQP_TLS_ENABLED: 'true', AMQP_TLS_CA_FILE: file(name) };
    await expect(startTestServer(env)).rejects.toThrow(why);
  });
});
