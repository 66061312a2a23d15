import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { KNOWN_VENDORS } from '../../config/checks.js';
import { ConfigError } from '../../config/config-error.js';
import { type LoadOptions, loadConfig } from '../../config/load.js';
import { maskUrl } from '../../config/masking.js';
import { editDistance, nearestName } from '../../config/nearest-name.js';
import { VARIABLE_NAMES } from '../../config/schema.js';
import { SrsError } from '../../src/core/errors.js';
import { VENDOR_NAMES } from '../../src/stt/vendors.js';

const folder = mkdtempSync(join(tmpdir(), 'sipscribe-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function problems(options: Partial<LoadOptions> & { env?: Record<string, string> }): readonly string[] {
  try {
    loadConfig({ env: {}, ...options });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('loading the configuration', () => {
  it('needs nothing: every default passes its own checks', () => {
    const config = loadConfig({ env: {} });
    expect(config.sip).toMatchObject({ host: '0.0.0.0', udpPorts: [5060], tcpPorts: [5060], peers: [], strict: false });
    expect(config.rtp).toMatchObject({ bindAddress: '0.0.0.0', portMin: 10_000, portMax: 20_000, timeoutMs: 30_000 });
    expect(config.stt).toMatchObject({ vendors: ['whisper'], defaultVendor: 'whisper', fallbackVendors: [] });
    expect(config.whisper).toMatchObject({ engine: 'auto', model: 'base', timeoutMs: 600_000, maxConcurrent: -1 });
    expect(config.amqp).toBeUndefined();
    expect(config.modelsDir).toBe(join(config.dataDir, 'models'));
    expect(config.notes).toEqual([]);
  });

  it('lets the file win over defaults, the environment over the file and flags over all', () => {
    const path = file(
      'order.yaml',
      'whisper:\n  model: from-file\n  language: de\nHTTP_PORT: 9001\nlog-level: debug\n',
    );
    const config = loadConfig({
      env: { CONFIG_FILE: path, WHISPER_MODEL: 'from-env', HTTP_PORT: '9002' },
      flags: { HTTP_PORT: '9003' },
      defaults: { WHISPER_THREADS: '3', HTTP_PORT: '9000' },
    });
    expect(config.whisper).toMatchObject({ language: 'de', model: 'from-env', threads: 3 });
    expect(config.http.port).toBe(9003);
    expect(config.log.level).toBe('debug');
    const sources = Object.fromEntries(config.entries.map(({ name, source }) => [name, source]));
    expect(sources).toMatchObject({
      WHISPER_LANGUAGE: 'file',
      WHISPER_MODEL: 'env',
      HTTP_PORT: 'flag',
      TCP_PORTS: 'default',
    });
  });

  it('reads JSON, lists and booleans from a file', () => {
    const path = file(
      'all.json',
      JSON.stringify({ UDP_PORTS: [5062, 5064], sip: { strict: true, peers: null }, RTP_TICK: '50ms' }),
    );
    const config = loadConfig({ env: {}, file: path });
    expect(config.sip).toMatchObject({ udpPorts: [5062, 5064], strict: true, peers: [] });
    expect(config.rtp.tickMs).toBe(50);
  });

  it('takes the aliases of variables, and an empty text for not set', () => {
    const config = loadConfig({
      env: {
        PORTS: '5080',
        STT_VENDORS: 'whisper',
        DEFAULT_SPEECH_VENDOR: 'whisper',
        WHISPER_LANGUAGE: '',
        RTP_TIMEOUT: ' ',
      },
    });
    expect(config.sip.udpPorts).toEqual([5080]);
    expect(config.stt.defaultVendor).toBe('whisper');
    expect(config.whisper.language).toBeUndefined();
    expect(config.rtp.timeoutMs).toBe(30_000);
  });

  it('reports all problems at once, each with its name, source and what was expected', () => {
    const path = file('bad.yaml', 'http_prot: 1\nRTP_TICK: soon\n');
    const found = problems({
      file: path,
      env: { WHISPER_TIMEOUT: '20', WHISPER_MODLE: 'x', ENABLE_TLS: 'yes', HTTP_HOST: '0.0.0.0' },
      flags: { MAX_CONCURRENT_CALLS: '12abc', NO_SUCH: '1' },
    });
    expect(found).toEqual([
      'HTTP_PROT (file): unknown name; did you mean HTTP_PORT?',
      'WHISPER_MODLE (env): unknown name; did you mean WHISPER_MODEL?',
      'NO_SUCH (flag): unknown name',
      'RTP_TICK="soon" (file): expected a duration such as 20m or 90s, from 10ms to 1s',
      'WHISPER_TIMEOUT="20" (env): expected a duration such as 20m or 90s, from 100ms to 24h',
      'MAX_CONCURRENT_CALLS="12abc" (flag): expected a whole number from 1 to 100000',
      'ENABLE_TLS=true needs TLS_CERT_PATH and TLS_KEY_PATH',
      expect.stringContaining('HTTP_HOST=0.0.0.0 lets other machines'),
    ]);
  });

  it('throws an SrsError with the code of the table and the number of problems', () => {
    const load = (): unknown => loadConfig({ env: { SIP_HOST: 'x' } });
    expect(load).toThrow(SrsError);
    expect(load).toThrow(expect.objectContaining({ code: 'SRS_CONFIG_INVALID', facts: { problems: 1 } }));
  });

  it.each([
    ['an unknown vendor', { SUPPORTED_VENDORS: 'whisprer' }, 'known: whisper; did you mean whisper?'],
    ['a default vendor that is not started', { STT_DEFAULT_VENDOR: 'google' }, 'vendor "google" is not started'],
    ['a fallback that is not started', { STT_FALLBACK_VENDORS: 'google' }, 'STT_FALLBACK_VENDORS'],
    ['a route to a vendor that is not started', { LANGUAGE_ROUTING: 'en:google' }, 'LANGUAGE_ROUTING'],
    ['RTP ports the wrong way round', { RTP_PORT_MIN: '20001' }, 'must be below'],
    ['RTP ports without an even pair', { RTP_PORT_MIN: '10001', RTP_PORT_MAX: '10002' }, 'no even port'],
    ['no transport at all', { UDP_PORTS: 'none', TCP_PORTS: 'none' }, 'both none'],
    ['a SIP port inside the RTP ports', { UDP_PORTS: '10010' }, 'inside the RTP ports'],
    ['HTTP on a SIP port', { HTTP_PORT: '5060' }, 'also one of TCP_PORTS'],
    [
      'required SRTP that is switched off',
      { SIP_REQUIRE_SRTP: 'true', ENABLE_SRTP: 'false' },
      'needs ENABLE_SRTP=true',
    ],
    [
      'required SRTP whose keys could never come',
      { SIP_REQUIRE_SRTP: 'true', SIP_SDES_REQUIRE_TLS: 'true' },
      'need ENABLE_TLS=true',
    ],
    ["a broker's CA without TLS", { AMQP_URL: 'amqp://b', AMQP_TLS_CA_FILE: '/ca.pem' }, 'set AMQP_TLS_ENABLED=true'],
    ['a client certificate without its key', { AMQP_URL: 'amqps://b', AMQP_TLS_CERT_FILE: '/c' }, 'belong together'],
    ['TLS to no broker', { AMQP_TLS_ENABLED: 'true' }, 'without AMQP_URL'],
    ['the hybrid engine', { WHISPER_ENGINE: 'hybrid' }, 'not in this version'],
    ['two names of one thing with two values', { UDP_PORTS: '5060', PORTS: '5070' }, 'two names of one thing'],
  ])('refuses %s', (_, env, message) => {
    const found = problems({ env });
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(message);
  });

  it('accepts and notes what has no effect, and stays silent about what is switched off', () => {
    expect(loadConfig({ env: { STT_FALLBACK_VENDORS: 'whisper' } }).notes).toEqual([
      'STT_FALLBACK_VENDORS has no effect in this version',
    ]);
    expect(loadConfig({ env: { ENABLE_SRTP: 'false', ENABLE_TLS: 'false', SIP_REQUIRE_SRTP: '0' } }).notes).toEqual([]);
  });

  it('notes that other vendors by error and by language have no effect yet', () => {
    const env = { STT_FALLBACK_VENDORS: 'whisper', LANGUAGE_ROUTING: 'en-US:whisper' };
    expect(loadConfig({ env }).notes).toEqual([
      'STT_FALLBACK_VENDORS has no effect in this version',
      'LANGUAGE_ROUTING has no effect in this version',
    ]);
  });

  it('notes media workers that cannot carry all calls', () => {
    const few = loadConfig({ env: { MEDIA_WORKERS: '1', MAX_CONCURRENT_CALLS: '451' } });
    expect(few.notes).toEqual([expect.stringContaining('MEDIA_WORKERS=1 carries 450 calls')]);
    expect(loadConfig({ env: { MEDIA_WORKERS: '1', MAX_CONCURRENT_CALLS: '450' } }).notes).toEqual([]);
    expect(loadConfig({ env: { MEDIA_WORKERS: '0', MAX_CONCURRENT_CALLS: '2000' } }).notes).toEqual([]);
  });

  it('opens HTTP to other machines only with a key or on demand', () => {
    expect(loadConfig({ env: { HTTP_HOST: '0.0.0.0', API_KEYS: 'k1,k2' } }).http.apiKeys).toEqual(['k1', 'k2']);
    expect(loadConfig({ env: { HTTP_HOST: '::', HTTP_INSECURE: 'true' } }).http.host).toBe('::');
    expect(problems({ env: { HTTP_HOST: '127.0.0.2' } })).toEqual([]);
  });

  it('leaves names of others and what Kubernetes sets for a service named "sip" alone', () => {
    const env = {
      HTTP_PROXY: 'x',
      PATH: '/bin',
      SIP_SERVICE_HOST: '10.0.0.1',
      SIP_PORT: 'udp://10.0.0.1:5060',
      SIP_PORT_5060_UDP: 'x',
    };
    expect(problems({ env })).toEqual([]);
    expect(problems({ env: { SIP_PORT: '5060' } })[0]).toContain('SIP_PORT (env): unknown name');
  });

  it('translates what the whisper program would refuse', () => {
    const config = loadConfig({
      env: {
        WHISPER_TRANSLATE: 'true',
        WHISPER_OUTPUT_FORMAT: 'verbose_json',
        WHISPER_LANGUAGE: 'auto',
        WHISPER_EXTRA_ARGS: '--a "b c"',
      },
    });
    expect(config.whisper).toMatchObject({ task: 'translate', outputFormat: 'json', extraArgs: ['--a', 'b c'] });
    expect(config.whisper.language).toBeUndefined();
  });

  it('gives a whisper program a models directory only when one was set', () => {
    expect(loadConfig({ env: { WHISPER_BINARY_PATH: 'whisper' } }).whisper.modelsDir).toBeUndefined();
    expect(loadConfig({ env: { WHISPER_BINARY_PATH: 'whisper', WHISPER_MODELS_DIR: '/m' } }).whisper.modelsDir).toBe(
      '/m',
    );
    expect(loadConfig({ env: {} }).whisper.modelsDir).toMatch(/data\/models$/);
  });

  it('takes whisper out of the vendors when it is disabled, and says that no words will come', () => {
    const config = loadConfig({ env: { WHISPER_ENABLED: 'no' } });
    expect(config.stt.vendors).toEqual([]);
    expect(config.stt.defaultVendor).toBeUndefined();
    expect(config.notes.join()).toContain('recorded without words');
  });

  it.each([
    ['is not there', join(folder, 'missing.yaml'), 'ENOENT'],
    ['is a list', file('list.yaml', '- a\n'), 'mapping of names'],
    ['breaks YAML', file('broken.yaml', 'a: [1\n'), 'cannot be read'],
    ['is too large', file('large.yaml', `# ${'x'.repeat(1 << 20)}\n`), 'over 1048576 bytes'],
  ])('says so when the file %s', (_, path, message) => {
    const found = problems({ file: path });
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(message);
  });

  it('never shows a secret, neither in entries nor in problems', () => {
    const secrets = {
      API_KEYS: 'topsecret1',
      AMQP_URL: 'amqp://user:topsecret2@broker/v?password=topsecret3',
      DRACHTIO_SECRET: 'topsecret4',
      WHISPER_MODELS_URL: 'https://u:topsecret6@mirror/models',
    };
    const config = loadConfig({ env: secrets });
    expect(config.http.apiKeys).toEqual(['topsecret1']);
    expect(JSON.stringify(config.entries)).not.toContain('topsecret');
    expect(config.entries.find(({ name }) => name === 'AMQP_URL')?.value).toBe('amqp://user:***@broker/v?password=***');
    const bad = problems({ env: { API_KEYS: 'topsecret1,,', AMQP_URL: 'http://u:topsecret2@b' } });
    expect(bad).toHaveLength(2);
    expect(bad.join()).not.toContain('topsecret');
    expect(maskUrl('not a url with topsecret5')).toBe('***');
    expect(maskUrl('https://topsecret7@mirror/models')).toBe('https://***@mirror/models');
  });

  it('shows every variable once', () => {
    expect(loadConfig({ env: {} }).entries.map(({ name }) => name)).toEqual(VARIABLE_NAMES);
  });
});

describe('the vendors', () => {
  it('known to the configuration are those that can be made', () => {
    expect(KNOWN_VENDORS).toEqual(VENDOR_NAMES);
  });
});

describe('the nearest name', () => {
  it('counts a wrong, missing, extra or swapped letter as one', () => {
    expect(editDistance('MODEL', 'MODAL')).toBe(1);
    expect(editDistance('MODEL', 'MODE')).toBe(1);
    expect(editDistance('MODEL', 'MMODEL')).toBe(1);
    expect(editDistance('MODEL', 'MODLE')).toBe(1);
    expect(editDistance('', 'abc')).toBe(3);
  });

  it('is not given when nothing is near', () => {
    expect(nearestName('WHISPER_MODLE', VARIABLE_NAMES)).toBe('WHISPER_MODEL');
    expect(nearestName('ZZZZZZZZ', VARIABLE_NAMES)).toBeUndefined();
    expect(nearestName('x'.repeat(5000), VARIABLE_NAMES)).toBeUndefined();
  });
});
