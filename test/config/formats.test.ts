import { describe, expect, it } from 'vitest';
import {
  boolean,
  cidrList,
  duration,
  type Format,
  integer,
  ipAddress,
  languageRouting,
  list,
  listOf,
  oneOf,
  portList,
  shellWords,
  size,
  url,
} from '../../config/formats.js';

interface Table {
  readonly format: Format<unknown>;
  readonly good: readonly (readonly [string, unknown])[];
  readonly bad: readonly string[];
}

const TABLES: Readonly<Record<string, Table>> = {
  boolean: {
    format: boolean,
    good: [
      ['true', true],
      ['1', true],
      ['YES', true],
      ['on', true],
      ['false', false],
      ['0', false],
      ['no', false],
      ['Off', false],
    ],
    bad: ['2', 'tru', 'enabled', 'null', '-1', '0.0'],
  },
  integer: {
    format: integer(-1, 100),
    good: [
      ['-1', -1],
      ['0', 0],
      ['+7', 7],
      ['100', 100],
      ['007', 7],
    ],
    bad: ['12abc', '1.5', '101', '-2', '1e2', '0x10', ' ', 'NaN', '9'.repeat(40)],
  },
  duration: {
    format: duration('0s', '24h'),
    good: [
      ['20m', 1_200_000],
      ['1h30m', 5_400_000],
      ['90s', 90_000],
      ['500ms', 500],
      ['1.5h', 5_400_000],
      ['1m0.5s', 60_500],
      ['0', 0],
      ['250us', 0],
      ['1500µs', 2],
    ],
    bad: ['20', '90 s', 's', '1d', '-5s', '25h', '1h30', '.5s', '5S', '1h 30m'],
  },
  size: {
    format: size('0', '1TB'),
    good: [
      ['0', 0],
      ['500MB', 500_000_000],
      ['500 mb', 500_000_000],
      ['1.5G', 1_500_000_000],
      ['2GiB', 2_147_483_648],
      ['64k', 64_000],
      ['64KiB', 65_536],
      ['12B', 12],
      ['1TB', 1e12],
    ],
    bad: ['500', '-1MB', '1.5', 'MB', '1TiB', '2TB', '5iB', '1e3MB', '500MBs'],
  },
  list: {
    format: list,
    good: [
      ['whisper', ['whisper']],
      ['a, b ,c', ['a', 'b', 'c']],
    ],
    bad: ['a,,b', ',a', 'a,', 'a,a', 'a b'],
  },
  'port list': {
    format: portList,
    good: [
      ['5060', [5060]],
      ['5060, 5070', [5060, 5070]],
      ['0', [0]],
      ['0,0', [0, 0]],
      ['none', []],
    ],
    bad: ['65536', '5060,5060', '5060;5070', '-1', '50 60', '5060,', '5060-5070'],
  },
  'CIDR list': {
    format: cidrList,
    good: [
      ['10.0.0.0/8', ['10.0.0.0/8']],
      ['192.0.2.7, 2001:db8::/32', ['192.0.2.7/32', '2001:db8::/32']],
      ['::1', ['::1/128']],
    ],
    bad: ['10.0.0.0/33', '10.0.0/8', 'example.com', '10.0.0.0/8/8', '2001:db8::/129', '10.0.0.0/', '10.0.0.0/-1'],
  },
  'IP address': {
    format: ipAddress,
    good: [
      ['0.0.0.0', '0.0.0.0'],
      ['[2001:db8::1]', '2001:db8::1'],
      ['LocalHost', '127.0.0.1'],
    ],
    bad: ['example.com', '256.0.0.1', '1.2.3', '1.2.3.4:80'],
  },
  url: {
    format: url('amqp', 'amqps'),
    good: [['amqps://u:p@broker:5671/vhost', 'amqps://u:p@broker:5671/vhost']],
    bad: ['http://broker', 'broker:5672', 'amqp://', 'amqp'],
  },
  enumeration: {
    format: oneOf('json', 'pretty'),
    good: [
      ['json', 'json'],
      ['PRETTY', 'pretty'],
    ],
    bad: ['jsonx', 'js', 'json,pretty'],
  },
  'list of words': {
    format: listOf('flac', 'opus', 'mp3'),
    good: [
      ['mp3', ['mp3']],
      ['MP3, flac', ['flac', 'mp3']],
    ],
    bad: ['wav', 'mp3,mp3', 'flac;mp3', 'flac,', ','],
  },
  'shell words': {
    format: shellWords,
    good: [
      ['--fp16 False', ['--fp16', 'False']],
      [`--initial_prompt "two words" 'a "b"' c\\ d ""`, ['--initial_prompt', 'two words', 'a "b"', 'c d', '']],
      [`"a\\"b" 'a\\b'`, ['a"b', 'a\\b']],
    ],
    bad: ['"open', "it's", 'end\\'],
  },
  'language routing': {
    format: languageRouting,
    good: [
      [
        'en-US:whisper, es:other',
        [
          { language: 'en-US', vendor: 'whisper' },
          { language: 'es', vendor: 'other' },
        ],
      ],
    ],
    bad: ['en-US', 'en:', ':whisper', 'en:a,EN:b', 'en:a;es:b'],
  },
};

describe.each(Object.entries(TABLES))('the format %s', (_, { format, good, bad }) => {
  it.each(good)('reads %j', (text, value) => {
    expect(format.parse(text)).toEqual(value);
  });

  it.each(bad.map((text) => [text]))('refuses %j', (text) => {
    expect(format.parse(text)).toBeUndefined();
  });
});
