import { connect } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { SipTlsOptions } from '../../src/sip/transport-tls.js';
import { type Credentials, TestAuthority } from '../helpers/certificates.js';
import { eventually } from '../helpers/eventually.js';
import { type Fixture, startServer, write } from './engine-kit.js';
import { askByNode, askByOpenssl, TlsPeer } from './tls-kit.js';

let own: TestAuthority;
let foreign: TestAuthority;
let server: Credentials;
let peers: Record<'right' | 'foreign' | 'expired' | 'misnamed', Credentials>;
let fixture: Fixture | undefined;

beforeAll(() => {
  own = new TestAuthority();
  foreign = new TestAuthority();
  server = own.issue('srs', { subjectAltName: 'DNS:srs.example.com,IP:127.0.0.1' });
  peers = {
    right: own.issue('right', { subjectAltName: 'DNS:sbc1.example.com' }),
    foreign: foreign.issue('foreign', { subjectAltName: 'DNS:sbc1.example.com' }),
    expired: own.issue('expired', { subjectAltName: 'DNS:sbc1.example.com', expired: true }),
    misnamed: own.issue('misnamed', { subjectAltName: 'DNS:phone.example.org,URI:sip:example.org,IP:192.0.2.9' }),
  };
});
afterEach(async () => {
  await fixture?.server.stop();
  fixture = undefined;
});
afterAll(() => {
  own.dispose();
  foreign.dispose();
});

async function serve(tls: Partial<SipTlsOptions>): Promise<number> {
  const files = { certFile: server.certFile, keyFile: server.keyFile, caFile: own.caFile };
  fixture = await startServer({
    udpPorts: [],
    tcpPorts: [],
    tls: { port: 0, ...files, clientAuth: 'none', peerNames: [], ...tls },
  });
  return fixture.server.addresses[0]?.port ?? 0;
}

async function refusals(): Promise<Record<string, number>> {
  const lines = (await fixture?.metrics.render())?.matchAll(
    /^siprec_sip_connections_refused_total\{reason="(\w+)"\} (\d+)/gm,
  );
  return Object.fromEntries(
    [...(lines ?? [])].filter(([, , count]) => count !== '0').map(([, name = '', n]) => [name, Number(n)]),
  );
}

const clients = [
  ['openssl s_client', askByOpenssl],
  ['the TLS client of Node', askByNode],
] as const;
const shown = (who: string): Credentials | undefined => Object.entries(peers).find(([name]) => name === who)?.[1];

describe.each(clients)('a client that is %s', (_, ask) => {
  it.each([
    ['require', 'nothing', false, { certificate: 1 }],
    ['require', 'foreign', false, { certificate: 1 }],
    ['require', 'expired', false, { certificate: 1 }],
    ['require', 'misnamed', false, { name: 1 }],
    ['require', 'right', true, {}],
    ['request', 'nothing', true, {}],
    ['request', 'foreign', false, { certificate: 1 }],
    ['request', 'expired', false, { certificate: 1 }],
    ['request', 'misnamed', false, { name: 1 }],
    ['request', 'right', true, {}],
    ['none', 'nothing', true, {}],
    ['none', 'foreign', true, {}],
  ] as const)(
    'where certificates are "%s" and that shows %s, is answered: %s',
    async (clientAuth, who, answered, told) => {
      const port = await serve({ clientAuth, peerNames: ['*.example.com'] });
      expect((await ask(port, shown(who))).answered).toBe(answered);
      await eventually('the refusal is counted', async () => JSON.stringify(await refusals()) === JSON.stringify(told));
      await eventually('no connection is left', () => fixture?.server.counts.connections === 0);
      expect((await fixture?.metrics.render())?.includes('requests_total{method="OPTIONS"} 1')).toBe(answered);
    },
  );
});

describe('the versions of TLS', () => {
  it.each([
    ['TLSv1.2', '-tls1_2'],
    ['TLSv1.3', '-tls1_3'],
  ] as const)('%s is spoken with both clients', async (version, option) => {
    const port = await serve({ clientAuth: 'require' });
    expect(await askByOpenssl(port, peers.right, option)).toEqual({ answered: true, version });
    const only = { minVersion: version, maxVersion: version };
    expect(await askByNode(port, peers.right, only)).toEqual({ answered: true, version });
  });

  it('1.1 is refused, also to clients that would take anything', async () => {
    const port = await serve({});
    const cipher = 'DEFAULT:@SECLEVEL=0';
    expect((await askByOpenssl(port, undefined, '-tls1_1', '-cipher', cipher)).answered).toBe(false);
    const only = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: cipher } as const;
    expect(await askByNode(port, undefined, only)).toEqual({ answered: false, version: undefined });
    await eventually('both are counted', async () => (await refusals()).handshake === 2);
  });

  it.each(['ECDHE-ECDSA-AES128-SHA', 'ECDHE-ECDSA-AES256-SHA384', 'ECDHE-ECDSA-NULL-SHA'])(
    '1.2 with %s, which RFC 9325 does not recommend, is refused',
    async (name) => {
      const port = await serve({});
      expect((await askByOpenssl(port, undefined, '-tls1_2', '-cipher', `${name}:@SECLEVEL=0`)).answered).toBe(false);
    },
  );
});

describe('a client without a certificate', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)('does not get in by resuming a session of %s', async (version) => {
    const port = await serve({ clientAuth: 'request' });
    const only = { minVersion: version, maxVersion: version };
    const first = await TlsPeer.open(port, only);
    let session: Buffer | undefined;
    first.socket.on('session', (ticket: Buffer) => {
      session = ticket;
    });
    first.send(write(first, { method: 'OPTIONS' }));
    await first.response(200);
    await first.close();
    const ticket = session ?? first.socket.getSession();
    const again = connect({
      port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ...only,
      ...(ticket && { session: ticket }),
    });
    await new Promise((resolve) => again.once('secureConnect', resolve));
    expect(again.isSessionReused()).toBe(false);
    again.destroy();
  });
});

describe('names in certificates', () => {
  it.each([
    ['sbc1.example.com', 'DNS:SBC1.example.com', true],
    ['sbc1.example.com', 'URI:sip:sbc1.example.com', true],
    ['sip:sbc1.example.com', 'URI:sip:sbc1.example.com', true],
    ['sip:sbc1.example.com', 'DNS:sbc1.example.com', false],
    ['127.0.0.1', 'IP:127.0.0.1', true],
    ['::1', 'IP:0:0:0:0:0:0:0:1', true],
    ['*.example.com', 'DNS:a.b.example.com', false],
    ['*.example.com', 'DNS:example.com', false],
    ['sbc1.example.com', 'DNS:*.example.com', false],
  ])('where %s is wanted, %s is good: %s', async (wanted, subjectAltName, good) => {
    const port = await serve({ clientAuth: 'require', peerNames: ['other.example.net', wanted] });
    const name = `named-${Buffer.from(wanted + subjectAltName)
      .toString('hex')
      .slice(-40)}`;
    expect((await askByNode(port, own.issue(name, { subjectAltName }))).answered).toBe(good);
  });

  it('are not looked for in the common name', async () => {
    const port = await serve({ clientAuth: 'require', peerNames: ['sbc7.example.com'] });
    expect((await askByNode(port, own.issue('sbc7.example.com'))).answered).toBe(false);
  });
});
