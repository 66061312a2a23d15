import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../config/config-error.js';
import { loadConfig } from '../../config/load.js';

const TLS = { ENABLE_TLS: 'true', TLS_CERT_PATH: 'tls/cert.pem', TLS_KEY_PATH: '/etc/key.pem' };

function problems(env: Record<string, string>): readonly string[] {
  try {
    loadConfig({ env });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('options of SIP', () => {
  it('group TLS with absolute paths and ask for certificates as soon as there is an authority', () => {
    expect(loadConfig({ env: TLS }).sip.tls).toEqual({
      port: 5061,
      certFile: resolve('tls/cert.pem'),
      keyFile: '/etc/key.pem',
      clientAuth: 'none',
      peerNames: [],
    });
    const mutual = loadConfig({ env: { ...TLS, TLS_CA_PATH: '/ca.pem', TLS_PEER_NAMES: 'sbc.example.com' } }).sip.tls;
    expect(mutual).toMatchObject({ clientAuth: 'require', caFile: '/ca.pem', peerNames: ['sbc.example.com'] });
    expect(loadConfig({ env: {} }).sip.tls).toBeUndefined();
  });

  it('listen on nothing but TLS when it is required', () => {
    const { sip } = loadConfig({ env: { ...TLS, SIP_REQUIRE_TLS: 'true' } });
    expect([sip.udpPorts, sip.tcpPorts]).toEqual([[], []]);
  });

  it('split users of digest at the first colon', () => {
    const { sip } = loadConfig({ env: { SIP_AUTH_USERS: 'sbc:p:w,other:x', SIP_AUTH_EXEMPT: '192.0.2.0/24' } });
    expect(sip.digest?.users).toEqual(
      new Map([
        ['sbc', 'p:w'],
        ['other', 'x'],
      ]),
    );
    expect(sip.digest?.exempt).toEqual(['192.0.2.0/24']);
  });

  it('keep all known attributes unless some or none are named', () => {
    const kept = (value?: string) =>
      loadConfig({ env: value === undefined ? {} : { SIP_CALL_ATTRIBUTES: value } }).sip.callAttributes;
    expect([kept(), kept('*'), kept('none'), kept('Cisco-Guid,ucid')]).toEqual([
      undefined,
      undefined,
      [],
      ['cisco-guid', 'ucid'],
    ]);
  });

  it('show neither passwords nor the secret of drachtio', () => {
    const { entries } = loadConfig({ env: { SIP_AUTH_USERS: 'sbc:hidden', DRACHTIO_SECRET: 'hidden' } });
    expect(JSON.stringify(entries)).not.toContain('hidden');
  });

  it.each([
    ['TLS without a certificate', { ENABLE_TLS: 'true', TLS_KEY_PATH: '/k' }, 'needs TLS_CERT_PATH and TLS_KEY_PATH'],
    ['required TLS that is off', { SIP_REQUIRE_TLS: '1' }, 'needs ENABLE_TLS=true'],
    ['client certificates without an authority', { ...TLS, TLS_CLIENT_AUTH: 'require' }, 'needs TLS_CA_PATH'],
    ['names of peers that nobody would look at', { ...TLS, TLS_PEER_NAMES: 'a.example.com' }, 'TLS_PEER_NAMES needs'],
    ['TLS on a TCP port', { ...TLS, TLS_PORT: '5060' }, 'also one of TCP_PORTS'],
    ['a user without a password', { SIP_AUTH_USERS: 'a:b,c' }, 'entry 2 is not name:password'],
    ['two users of one name', { SIP_AUTH_USERS: 'a:b,c:d,a:e' }, 'entries 1 and 3 have the same name'],
    ['HTTP on the TLS port', { ...TLS, TLS_PORT: '8080' }, 'HTTP_PORT=8080 is also TLS_PORT'],
    [
      'certificates of SRCs that nobody would ask for',
      { TLS_CA_PATH: '/ca.pem', TLS_CLIENT_AUTH: 'require', TLS_PEER_NAMES: 'a.example.com' },
      'TLS_CA_PATH and TLS_CLIENT_AUTH=require and TLS_PEER_NAMES without ENABLE_TLS=true',
    ],
    ['an authority without TLS', { TLS_CA_PATH: '/ca.pem' }, 'TLS_CA_PATH without ENABLE_TLS=true'],
    ['a secret of drachtio that ends early', { DRACHTIO_HOST: 'd', DRACHTIO_SECRET: 'a|b' }, 'DRACHTIO_SECRET: '],
    ['users of digest beside drachtio', { DRACHTIO_HOST: 'd', SIP_AUTH_USERS: 'a:b' }, 'belong to the embedded SIP'],
    ['no SIP at all', { UDP_PORTS: 'none', TCP_PORTS: 'none' }, 'no SRC could call'],
    ['TLS beside drachtio', { ...TLS, DRACHTIO_HOST: '127.0.0.1' }, 'belong to the embedded SIP'],
  ])('refuse %s', (_, env, message) => {
    const found = problems(env);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(message);
  });

  it('take TLS as the only transport', () => {
    expect(problems({ ...TLS, UDP_PORTS: 'none', TCP_PORTS: 'none' })).toEqual([]);
  });

  it('take a drachtio-server without ports of ours, whatever they are', () => {
    const { sip, notes } = loadConfig({ env: { DRACHTIO_HOST: 'd', UDP_PORTS: 'none', TCP_PORTS: 'none' } });
    expect(sip.drachtio).toEqual({ host: 'd', port: 9022 });
    expect(notes.filter((note) => note.includes('DRACHTIO_HOST'))).toEqual([]);
    expect(problems({ DRACHTIO_HOST: 'd', UDP_PORTS: '10000', TCP_PORTS: '8080' })).toEqual([]);
  });

  it('tell what has no effect beside a drachtio-server, when it was asked for', () => {
    const notes = (env: Record<string, string>) =>
      loadConfig({ env: { DRACHTIO_HOST: 'd', ...env } }).notes.filter((note) => note.includes('beside DRACHTIO_HOST'));
    expect(notes({})).toEqual([]);
    expect(notes({ SIP_PEER_CONNECTIONS: '10', TCP_PORTS: '5070' })).toEqual([
      'TCP_PORTS has no effect beside DRACHTIO_HOST',
      'SIP_PEER_CONNECTIONS has no effect beside DRACHTIO_HOST',
    ]);
    expect(loadConfig({ env: { SIP_PEER_CONNECTIONS: '10' } }).notes.join()).not.toContain('SIP_PEER_CONNECTIONS');
  });

  it('do not show the names of users when one stands twice', () => {
    expect(problems({ SIP_AUTH_USERS: 'sbc-east:b,sbc-east:c' }).join()).not.toContain('sbc-east');
  });
});
