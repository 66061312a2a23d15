import { X509Certificate } from 'node:crypto';
import { copyFileSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Logger } from '../../src/core/logger.js';
import { headerValue } from '../../src/sip/message.js';
import { hostProblem } from '../../src/sip/peer-identity.js';
import { type SipTlsOptions, TlsTransport } from '../../src/sip/transport-tls.js';
import { type Credentials, TestAuthority } from '../helpers/certificates.js';
import { eventually } from '../helpers/eventually.js';
import { establish, type Fixture, startServer, write, writeResponse } from './engine-kit.js';
import { askByNode, askByOpenssl, TlsPeer } from './tls-kit.js';

let own: TestAuthority;
let foreign: TestAuthority;
let srs: Credentials;
let sbc: Credentials;
let stranger: Credentials;
const running: Fixture[] = [];

beforeAll(() => {
  own = new TestAuthority();
  foreign = new TestAuthority();
  srs = own.issue('srs', { subjectAltName: 'DNS:srs.example.com,IP:127.0.0.1' });
  sbc = own.issue('sbc', { subjectAltName: 'DNS:sbc.example.com' });
  stranger = foreign.issue('stranger', { subjectAltName: 'DNS:sbc.example.com,IP:127.0.0.1' });
});
afterEach(async () => {
  await Promise.all(running.splice(0).map(({ server }) => server.stop()));
});
afterAll(() => {
  own.dispose();
  foreign.dispose();
});

function tlsOptions(as: Credentials, more: Partial<SipTlsOptions> = {}): SipTlsOptions {
  const { certFile, keyFile } = as;
  return { port: 0, certFile, keyFile, caFile: own.caFile, clientAuth: 'require', peerNames: [], ...more };
}

async function serve(as: Credentials, more: Partial<SipTlsOptions> = {}, externalIp?: string, logger?: Logger) {
  const fixture = await startServer({
    udpPorts: [],
    tls: tlsOptions(as, more),
    ...(externalIp === undefined ? {} : { externalIp }),
    ...(logger === undefined ? {} : { logger }),
  });
  running.push(fixture);
  const port = fixture.server.addresses.find(({ transport }) => transport === 'tls')?.port ?? 0;
  return { fixture, port };
}

function listeningLogger(): { readonly logger: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  return { logger: pino({ level: 'info' }, { write: (line: string) => void lines.push(line) }), lines };
}

const byeCount = async ({ metrics }: Fixture): Promise<string> =>
  /requests_total\{method="BYE"\} (\d+)/.exec(await metrics.render())?.[1] ?? '';

describe('a dialog over TLS', () => {
  it('names TLS in Contact and Via, and gets our BYE on its own connection', async () => {
    const { fixture, port } = await serve(srs);
    const peer = await TlsPeer.open(port, sbc);
    const call = await establish(peer);
    expect(headerValue(call.answer, 'contact')).toBe(`<sip:srs@127.0.0.1:${port};transport=tls>;+sip.srs`);
    expect(fixture.calls[0]?.invite.source).toEqual({ transport: 'tls', address: '127.0.0.1', port: peer.port });
    await eventually('the ACK arrives', () => fixture.calls[0]?.acks.length === 1);
    const ended = fixture.calls[0]?.control.bye();
    const bye = await peer.request('BYE');
    expect(headerValue(bye, 'via')).toMatch(new RegExp(`^SIP/2.0/TLS 127.0.0.1:${port};`));
    peer.send(writeResponse(bye, 200));
    await ended;
    expect(fixture.server.counts).toMatchObject({ dialogs: 0, connections: 1 });
    await peer.close();
  });

  it.each([
    ['Request-URI', { uri: 'sips:srs@127.0.0.1' }],
    ['Contact', { contact: '<sips:src@127.0.0.1:5061>;+sip.src' }],
    ['first Record-Route', { extra: ['Record-Route: <sips:127.0.0.1;lr>, <sip:127.0.0.2;lr>'] }],
  ])('has a Contact of sips when the %s of the INVITE is one (RFC 3261 §12.1.1)', async (_, parts) => {
    const { port } = await serve(srs);
    const peer = await TlsPeer.open(port, sbc);
    const { answer } = await establish(peer, parts);
    expect(headerValue(answer, 'contact')).toBe(`<sips:srs@127.0.0.1:${port}>;+sip.srs`);
    await peer.close();
  });

  it('shows EXTERNAL_IP in Contact', async () => {
    const { port } = await serve(srs, {}, '198.51.100.7');
    const peer = await TlsPeer.open(port, sbc);
    const { answer } = await establish(peer);
    expect(headerValue(answer, 'contact')).toContain(`<sip:srs@198.51.100.7:${port};transport=tls>`);
    await peer.close();
  });

  it.each([
    ['with TLS in Contact', ';transport=tls'],
    ['with TCP in Contact', ';transport=tcp'],
    ['with a sips URI', 'sips'],
  ])(
    'whose connection is gone gets its BYE by a new one, after a look at the certificate there, %s',
    async (_, how) => {
      const { fixture, port } = await serve(srs);
      const callee = await serve(sbc);
      const peer = await TlsPeer.open(port, sbc);
      const place = `src@127.0.0.1:${callee.port}`;
      await establish(peer, { contact: how === 'sips' ? `<sips:${place}>` : `<sip:${place}${how}>` });
      await eventually('the ACK arrives', () => fixture.calls[0]?.acks.length === 1);
      await peer.close();
      await eventually('the connection is gone', () => fixture.server.counts.connections === 0);
      await fixture.calls[0]?.control.bye();
      expect(await byeCount(callee.fixture)).toBe('1');
    },
  );

  it('sends nothing to a server at the Contact whose certificate is not good', async () => {
    const { fixture, port } = await serve(srs);
    const callee = await serve(stranger, { clientAuth: 'none' });
    const peer = await TlsPeer.open(port, sbc);
    await establish(peer, { contact: `<sip:src@127.0.0.1:${callee.port};transport=tls>` });
    await eventually('the ACK arrives', () => fixture.calls[0]?.acks.length === 1);
    await peer.close();
    await eventually('the connection is gone', () => fixture.server.counts.connections === 0);
    await fixture.calls[0]?.control.bye();
    expect(fixture.server.counts.dialogs).toBe(0);
    expect(await byeCount(callee.fixture)).toBe('0');
  });

  it('whose connection is gone gets its BYE by another one of the same certificate, and by no other', async () => {
    const { fixture, port } = await serve(srs);
    const peer = await TlsPeer.open(port, sbc);
    await establish(peer);
    await eventually('the ACK arrives', () => fixture.calls[0]?.acks.length === 1);
    await peer.close();
    await eventually('the connection is gone', () => fixture.server.counts.connections === 0);
    const again = await TlsPeer.open(port, sbc);
    const neighbour = await TlsPeer.open(port, srs);
    // Whoever hears an answer was accepted.
    for (const each of [again, neighbour]) {
      each.send(write(each, { method: 'OPTIONS' }));
      await each.response(200, 'OPTIONS');
    }
    const ended = fixture.calls[0]?.control.bye();
    again.send(writeResponse(await again.request('BYE'), 200));
    await ended;
    expect(neighbour.received).toEqual([]);
    await again.close();
    await neighbour.close();
  });

  it('answers a double CRLF with a CRLF (RFC 5626)', async () => {
    const { port } = await serve(srs);
    const peer = await TlsPeer.open(port, sbc);
    peer.send('\r\n\r\n');
    await eventually('a pong', () => peer.pongs === 1);
    peer.send(write(peer, { method: 'OPTIONS' }));
    await peer.response(200);
    await peer.close();
  });
});

describe('the problem with a certificate of another host', () => {
  it('is told by its code, without the certificate and its names', () => {
    const certificate = new X509Certificate(readFileSync(sbc.certFile)).toLegacyObject();
    const { logger, lines } = listeningLogger();
    const problem = hostProblem('srs.example.com', certificate);
    logger.warn({ err: problem }, 'it');
    expect(JSON.parse(lines[0] ?? '').err.code).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
    expect(lines.join()).not.toMatch(/sbc\.example|BEGIN|"raw"|pubkey|serialNumber/);
    expect(hostProblem('sbc.example.com', certificate)).toBeUndefined();
  });
});

describe('a handshake', () => {
  it('that is not ended in time closes the connection', async () => {
    const { fixture, port } = await serve(srs, { handshakeMs: 100 });
    const socket = connectTcp(port, '127.0.0.1');
    socket.on('error', () => {});
    await new Promise((resolve) => socket.once('close', resolve));
    await eventually('nothing is held', () => fixture.server.counts.connections === 0);
    expect(await fixture.metrics.render()).toContain('refused_total{reason="handshake"} 1');
  });

  it.each([
    ['plain SIP', 'OPTIONS sip:h SIP/2.0\r\n\r\n'],
    ['a torn ClientHello', '\x16\x03\x01\x02\x00\x01\x00'],
    ['nothing', ''],
  ])('of %s and a reset leaves nothing and hurts nobody', async (_, bytes) => {
    const { fixture, port } = await serve(srs);
    const sockets = Array.from({ length: 20 }, () => connectTcp(port, '127.0.0.1'));
    await Promise.all(
      sockets.map(async (socket) => {
        socket.on('error', () => {});
        await new Promise((resolve) => socket.once('connect', resolve));
        socket.write(Buffer.from(bytes, 'latin1'), () => socket.resetAndDestroy());
      }),
    );
    await eventually('nothing is held', () => fixture.server.counts.connections === 0);
    expect((await askByNode(port, sbc)).answered).toBe(true);
  });

  it('that hangs does not hold up a stop', async () => {
    const { fixture, port } = await serve(srs);
    const socket = connectTcp(port, '127.0.0.1');
    socket.on('error', () => {});
    await eventually('it is held', () => fixture.server.counts.connections === 1);
    await fixture.server.stop();
    expect(fixture.server.counts.connections).toBe(0);
    socket.destroy();
  });
});

describe('certificate files', () => {
  const shownBy = async (port: number): Promise<string> => {
    const peer = await TlsPeer.open(port, sbc);
    const { fingerprint256 } = peer.socket.getPeerCertificate();
    await peer.close();
    return fingerprint256;
  };

  it('that are renewed are taken without a restart, bad ones are not, and calls go on', async () => {
    const live = { certFile: own.path('live.pem'), keyFile: own.path('live.key') };
    const put = (from: Credentials): void => {
      copyFileSync(from.certFile, live.certFile);
      copyFileSync(from.keyFile, live.keyFile);
    };
    put(srs);
    const { fixture, port } = await serve(srs, { ...live, reloadCheckMs: 20 });
    const peer = await TlsPeer.open(port, sbc);
    const before = await shownBy(port);
    writeFileSync(live.keyFile, 'no key');
    const renewed = own.issue('renewed', { subjectAltName: 'IP:127.0.0.1' });
    expect(await shownBy(port)).toBe(before);
    put(renewed);
    await eventually('the new certificate is shown', async () => (await shownBy(port)) !== before);
    peer.send(write(peer, { method: 'OPTIONS' }));
    await peer.response(200);
    await peer.close();
    expect((await askByOpenssl(port, sbc)).answered).toBe(true);
    expect(fixture.server.counts.connections).toBeLessThanOrEqual(1);
  });

  it('that are not good stay out of force, and the log says what is wrong with them', async () => {
    const live = { certFile: own.path('kept.pem'), keyFile: own.path('kept.key') };
    copyFileSync(srs.certFile, live.certFile);
    copyFileSync(srs.keyFile, live.keyFile);
    const { logger, lines } = listeningLogger();
    const transport = new TlsTransport({ host: '127.0.0.1', tls: tlsOptions(srs, live), logger, onMessage: () => {} });
    await transport.start();
    const before = await shownBy(transport.address.port);
    copyFileSync(sbc.keyFile, live.keyFile);
    utimesSync(live.keyFile, new Date(), new Date(Date.now() + 5_000));
    await transport.reload();
    expect(await shownBy(transport.address.port)).toBe(before);
    expect(lines.join()).toContain('kept.key is not the key of the certificate');
    expect(lines.join()).not.toContain('BEGIN');
    await transport.close();
  });

  it('that were bad are tried again when nothing but their time of change tells, and complained of once', async () => {
    const live = { certFile: own.path('late.pem'), keyFile: own.path('late.key') };
    const next = own.issue('late-next', { subjectAltName: 'IP:127.0.0.1' });
    const good = readFileSync(next.keyFile);
    copyFileSync(srs.certFile, live.certFile);
    copyFileSync(srs.keyFile, live.keyFile);
    const { logger, lines } = listeningLogger();
    const transport = new TlsTransport({ host: '127.0.0.1', tls: tlsOptions(srs, live), logger, onMessage: () => {} });
    await transport.start();
    const before = await shownBy(transport.address.port);
    const written = new Date();
    const putKey = (bytes: Uint8Array): void => {
      writeFileSync(live.keyFile, bytes);
      utimesSync(live.keyFile, written, written);
    };
    copyFileSync(next.certFile, live.certFile);
    putKey(Buffer.alloc(good.length, 'x'));
    for (let i = 0; i < 3; i++) await transport.reload();
    expect(await shownBy(transport.address.port)).toBe(before);
    expect(lines.filter((line) => line.includes('are not good'))).toHaveLength(1);
    putKey(good);
    await transport.reload();
    expect(await shownBy(transport.address.port)).not.toBe(before);
    await transport.close();
  });

  it.each([
    ['a certificate that is not there', { certFile: 'nowhere.pem' }, /TLS_CERT_PATH .*nowhere\.pem does not exist/],
    ['a key that is not there', { keyFile: 'nowhere.key' }, /TLS_KEY_PATH .*nowhere\.key does not exist/],
    ['authorities that are not there', { caFile: 'nowhere.ca' }, /TLS_CA_PATH .*nowhere\.ca does not exist/],
    ['a folder', { certFile: '' }, /TLS_CERT_PATH .* cannot be read \(EISDIR\)/],
    ['a certificate that is no PEM', { certFile: 'ca.cnf' }, /TLS_CERT_PATH .*ca\.cnf is no PEM file/],
    ['a certificate in place of the key', { keyFile: 'srs.pem' }, /TLS_KEY_PATH .* holds no private key/],
    ['a damaged certificate', { certFile: 'damaged.pem' }, /TLS_CERT_PATH .* holds no certificate/],
    ['the key of another', { keyFile: 'sbc.key' }, /TLS_KEY_PATH .*sbc\.key is not the key of the certificate/],
    ['authorities that are damaged', { caFile: 'damaged.pem' }, /TLS_CA_PATH .*certificate 1 cannot be read/],
    ['a key with a passphrase', { keyFile: 'locked.key' }, /TLS_KEY_PATH .* is encrypted/],
  ])('with %s stop the start and name the file', async (_, names, message) => {
    writeFileSync(own.path('damaged.pem'), readFileSync(srs.certFile, 'utf8').replace(/\n[^-]{20}/, '\nAAAA'));
    writeFileSync(
      own.path('locked.key'),
      '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n',
    );
    const files = Object.fromEntries(Object.entries(names).map(([key, name]) => [key, own.path(name)]));
    const start = startServer({ udpPorts: [], tcpPorts: [], tls: tlsOptions(srs, files) });
    await expect(start).rejects.toMatchObject({ code: 'SRS_CONFIG_INVALID', message: expect.stringMatching(message) });
  });

  it('with a certificate that has expired are taken with a warning', async () => {
    const old = own.issue('old', { subjectAltName: 'IP:127.0.0.1', expired: true });
    const { logger, lines } = listeningLogger();
    const { port } = await serve(old, {}, undefined, logger);
    expect((await askByNode(port, sbc)).answered).toBe(true);
    expect(lines.filter((line) => line.includes('TLS certificate has expired'))).toHaveLength(1);
  });

  it('are of no use when the port is taken: the start fails and says which', async () => {
    const { port } = await serve(srs);
    const start = startServer({ udpPorts: [], tcpPorts: [], tls: tlsOptions(srs, { port }) });
    await expect(start).rejects.toThrow(`EADDRINUSE: address already in use 127.0.0.1:${port}`);
  });
});
