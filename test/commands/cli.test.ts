import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { encodeWav } from '../../src/audio/wav-file.js';
import { readWav } from '../../src/audio/wav-reader.js';
import { COMMANDS } from '../../src/commands/command-table.js';
import { ScriptedSrs } from '../client/scripted-srs.js';
import { runCli, runHere } from './run-cli.js';

const folder = mkdtempSync(join(tmpdir(), 'sipscribe-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

function wav(name: string, ms: number): string {
  const path = join(folder, name);
  const samples = Int16Array.from({ length: ms * 8 }, (_, i) => Math.round(6000 * Math.sin(i / 3)));
  writeFileSync(path, encodeWav(samples, 8000, 1));
  return path;
}

describe('sipscribe', () => {
  it('tells its version', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    expect(await runCli(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
    expect((await runCli(['models', '--version'])).stdout).toBe(`${version}\n`);
  });

  it('helps: an overview of all commands, and each command with examples', async () => {
    const overview = await runCli(['--help']);
    expect(overview).toMatchObject({ code: 0, stderr: '' });
    for (const [name, { summary }] of Object.entries(COMMANDS))
      expect(overview.stdout).toContain(`${name.padEnd(12)}  ${summary}`);
    const call = await runCli(['call', '-h']);
    expect(call.code).toBe(0);
    expect(call.stdout.indexOf('Examples:')).toBeLessThan(call.stdout.indexOf('Options:'));
    expect(call.stdout).toContain('--caller WAV');
  });

  it.each([
    ['an unknown command', ['modles'], 'unknown command "modles"; did you mean models?'],
    [
      'an unknown option',
      ['serve', '--whisper-modle', 'x'],
      'unknown option --whisper-modle; did you mean --whisper-model?',
    ],
    ['an option of another command', ['models', '--to', 'sip:x'], 'unknown option --to'],
    ['an option without its value', ['call', '--to'], "--to <value>' argument missing"],
    ['too many arguments', ['check-config', 'extra'], 'unexpected argument "extra"'],
    ['a setting without a value', ['check-config', '--set', 'WHISPER_MODEL'], 'expected NAME=VALUE'],
    ['an unknown setting', ['check-config', '--set', 'WHISPER_MODL=x'], 'did you mean WHISPER_MODEL?'],
    ['a call to nobody', ['call'], '--to is missing'],
    ['a call to no SIP URI', ['call', '--to', 'http://x', 'a', 'b'], 'expected a SIP URI'],
    ['a call over TLS', ['call', '--to', 'sips:a@b', 'a', 'b'], 'TLS is not in this version'],
    ['a call without WAV files', ['call', '--to', 'sip:a@127.0.0.1', 'a.wav'], 'two WAV files are needed'],
    ['a suite that is none', ['call', '--to', 'sip:a@127.0.0.1', '--srtp', 'NULL', 'a', 'b'], 'AEAD_AES_256_GCM'],
    [
      'a codec that is none',
      ['call', '--to', 'sip:a@127.0.0.1', '--codec', 'G729', 'a', 'b'],
      'pcmu, pcma, g722, opus, l16',
    ],
    [
      'a codec twice',
      ['call', '--to', 'sip:a@127.0.0.1', '--codec', 'opus,OPUS', 'a', 'b'],
      'expected each codec once',
    ],
    [
      'packets that the codec does not have',
      ['call', '--to', 'sip:a@127.0.0.1', '--codec', 'opus,pcmu', '--ptime', '30', 'a', 'b'],
      'expected one of 10, 20, 40, 60 for opus',
    ],
    ['a hold that cannot be read', ['call', '--to', 'sip:a@127.0.0.1', '--hold', '5', 'a', 'b'], 'such as 5s:3s'],
    ['a pause that cannot be read', ['call', '--to', 'sip:a@127.0.0.1', '--pause', '5s', 'a', 'b'], '--pause "5s"'],
    ['a hold of a third kind', ['call', '--to', 'sip:a@127.0.0.1', '--hold-by', 'x', 'a', 'b'], 'direction or address'],
    ['a transfer to nobody', ['call', '--to', 'sip:a@127.0.0.1', '--transfer', '5s', 'a', 'b'], 'such as 5s:Dora'],
    ['a change at no time', ['call', '--to', 'sip:a@127.0.0.1', '--ssrc-change', 'x', 'a', 'b'], 'such as 5s'],
    ['transcribe without a file', ['transcribe'], 'a WAV file is needed'],
    ['an unknown models action', ['models', 'remove'], 'unknown action "remove"'],
    ['a model name with a path in it', ['models', 'download', '../x'], 'a model name'],
    ['a download from nowhere', ['models', 'download', 'small'], 'WHISPER_MODELS_URL is not set'],
  ])('refuses %s with exit code 2 and one message on stderr', async (_, args, message) => {
    const { code, stdout, stderr } = await runHere(args);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^sipscribe: /);
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('shows where an error happened only with DEBUG', async () => {
    const { stderr, code } = await runCli(['modles'], { env: { DEBUG: '1' } });
    expect(code).toBe(2);
    expect(stderr).toMatch(/\n\s+at /);
  });

  it('ends without a word when the reader of its output goes away', async () => {
    const child = spawn('bash', [
      '-c',
      `set -o pipefail; "$0" "$1" print-config --json | head -c 1`,
      process.execPath,
      resolve('dist/src/cli.js'),
    ]);
    let stderr = '';
    child.stderr.on('data', (bytes: Buffer) => {
      stderr += bytes.toString();
    });
    const code = await new Promise((done) => child.once('close', done));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});

describe('sipscribe check-config', () => {
  it('says that a configuration is valid', async () => {
    const env = { WHISPER_MODEL: 'micro-telephony' };
    expect(await runCli(['check-config'], { env })).toEqual({
      code: 0,
      stdout: 'the configuration is valid\n',
      stderr: '',
    });
  });

  it('notes a model that is not there, because the server would not start without it', async () => {
    const env = { WHISPER_MODEL: 'enormous', DATA_DIR: folder };
    const { code, stderr } = await runHere(['check-config'], env);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^note: the server would not start: the whisper model "enormous" is not here/);
    // A program has models of its own.
    expect((await runHere(['check-config'], { ...env, WHISPER_BINARY_PATH: 'whisper' })).stderr).toBe('');
  });

  it('lists all problems at once, from every source', async () => {
    const path = join(folder, 'bad.yaml');
    writeFileSync(path, 'rtp: { tick: soon }\n');
    const args = ['check-config', '--config', path, '--http-port', '99999'];
    const env = { WHISPER_TIMEOUT: '20', WHISPER_MODLE: 'x' };
    const { code, stdout, stderr } = await runCli(args, { env });
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain('the configuration has 4 problems');
    for (const name of [
      'RTP_TICK="soon" (file)',
      'WHISPER_TIMEOUT="20" (env)',
      'WHISPER_MODLE (env)',
      'HTTP_PORT="99999" (flag)',
    ]) {
      expect(stderr).toContain(`\n  - ${name}: `);
    }
    const json = await runCli([...args, '--json'], { env });
    expect(json.code).toBe(2);
    expect(JSON.parse(json.stdout)).toMatchObject({
      valid: false,
      problems: expect.arrayContaining([expect.stringContaining('RTP_TICK')]),
    });
  });
});

describe('sipscribe print-config', () => {
  const env = { AMQP_URL: 'amqp://user:hunter2@broker', API_KEYS: 'hunter2,hunter3', WHISPER_MODEL: 'small' };

  it('shows every variable as an env file would, secrets masked', async () => {
    const { code, stdout, stderr } = await runCli(['print-config', '--set', 'TCP_PORTS=none'], { env });
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    for (const line of [
      'WHISPER_MODEL=small',
      'AMQP_URL=amqp://user:***@broker',
      'API_KEYS=***',
      'TCP_PORTS=none',
      '#EXTERNAL_IP=',
    ]) {
      expect(lines).toContain(line);
    }
    expect(stdout + stderr).not.toContain('hunter');
  });

  it('tells the source of each value as JSON, only changed ones on demand', async () => {
    const { stdout } = await runCli(['print-config', '--json', '--changed', '--http-port', '8081'], { env });
    expect(JSON.parse(stdout)).toEqual({
      WHISPER_MODEL: { value: 'small', source: 'env' },
      HTTP_PORT: { value: '8081', source: 'flag' },
      API_KEYS: { value: '***', source: 'env' },
      AMQP_URL: { value: 'amqp://user:***@broker', source: 'env' },
    });
  });
});

describe('sipscribe call', () => {
  it('places a call and tells on stdout, as data, what it sent', async () => {
    const srs = await ScriptedSrs.start('tcp');
    srs.script = srs.politely;
    const uri = `sip:rec@127.0.0.1:${srs.port};transport=tcp`;
    const args = [
      'call',
      '--to',
      uri,
      '--caller',
      wav('a.wav', 300),
      '--callee',
      wav('b.wav', 200),
      '--caller-name',
      'Ann',
      '--json',
    ];
    const { code, stdout, stderr } = await runCli(args);
    await srs.stop();
    expect(stderr).toContain('200 to INVITE');
    expect(JSON.parse(stdout)).toMatchObject({
      outcome: 'completed',
      codec: 'PCMU',
      legs: [
        { label: '1', packets: 15 },
        { label: '2', packets: 15 },
      ],
    });
    expect(Buffer.from(srs.requests('INVITE')[0]?.body ?? []).toString()).toContain('>Ann</name>');
    expect(code).toBe(0);
  });

  it('fails with exit code 1 and the status when it is refused', async () => {
    const srs = await ScriptedSrs.start('udp');
    srs.script = (request) => (request.method === 'INVITE' ? [{ status: 503, reason: 'Service Unavailable' }] : []);
    const { code, stdout, stderr } = await runCli([
      'call',
      '--to',
      `sip:127.0.0.1:${srs.port}`,
      wav('a.wav', 100),
      wav('b.wav', 100),
    ]);
    await srs.stop();
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('sipscribe: the SRS answered INVITE with 503 Service Unavailable');
  });

  it('says that ffmpeg is missing where a codec needs it, and calls nobody', async () => {
    const srs = await ScriptedSrs.start('udp');
    srs.script = srs.politely;
    const args = ['call', '--to', `sip:127.0.0.1:${srs.port}`, '--codec', 'g722', wav('a.wav', 100), wav('b.wav', 100)];
    const { code, stdout, stderr } = await runCli(args, { env: { PATH: '/nowhere' } });
    const asked = srs.requests('INVITE').length;
    await srs.stop();
    expect({ code, stdout, asked }).toEqual({ code: 1, stdout: '', asked: 0 });
    expect(stderr).toContain('encoded by ffmpeg: it is not installed, or not on the PATH');
  });

  it('hangs up on SIGINT and ends as a shell expects', async () => {
    const srs = await ScriptedSrs.start('udp');
    srs.script = srs.politely;
    let hungUp = false;
    const { code, stdout } = await runCli(
      ['call', '--to', `sip:127.0.0.1:${srs.port}`, wav('c.wav', 30_000), wav('d.wav', 30_000)],
      {
        onStderr: (text, kill) => {
          // Once: a second signal ends the process without a report, as it should.
          if (!hungUp && text.includes('answered')) kill('SIGINT');
          hungUp ||= text.includes('answered');
        },
      },
    );
    const byes = srs.requests('BYE').length;
    await srs.stop();
    expect({ code, byes }).toEqual({ code: 130, byes: 1 });
    expect(stdout).toContain('outcome cancelled');
  });
});

describe('sipscribe models', () => {
  it('lists what comes with it and what lies in the models directory, and which is in use', async () => {
    writeFileSync(join(folder, 'ggml-own.bin'), 'x'.repeat(1500));
    writeFileSync(join(folder, 'notes.txt'), '');
    const env = { WHISPER_MODELS_DIR: folder, WHISPER_MODEL: 'own' };
    const { code, stdout } = await runCli(['models', '--json'], { env });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([
      { name: 'micro-telephony', source: 'packaged', inUse: false, description: expect.any(String) },
      { name: 'own', source: 'models-dir', bytes: 1500, inUse: true, path: join(folder, 'ggml-own.bin') },
    ]);
    expect((await runCli(['models', 'list'], { env })).stdout).toMatch(/^\* own\s+2 kB\s+models-dir/m);
  });
});

describe('sipscribe transcribe', () => {
  it('writes the words of a file, cut at its pauses, with the model in the box, on the clock of the file', async () => {
    const { samples, sampleRate } = readWav(readFileSync('demo/agent.wav'));
    const path = join(folder, 'two-turns.wav');
    writeFileSync(path, encodeWav(samples.subarray(0, 11 * sampleRate), sampleRate, 1));
    const env = {
      WHISPER_MODEL: 'micro-telephony',
      WHISPER_LANGUAGE: 'en',
      WHISPER_THREADS: '1',
      STT_UTTERANCE_MAX: '5s',
    };
    const { code, stdout, stderr } = await runCli(['transcribe', path, '--json'], { env });
    expect(stderr).toContain('two-turns.wav: 11.0 s in 2 pieces');
    expect(JSON.parse(stdout)).toMatchObject({
      durationMs: 11_000,
      vendor: 'whisper',
      model: 'micro-telephony',
      text: 'hello billing support okay account number please',
      segments: [{ text: 'hello billing support' }, { text: 'okay account number please' }],
    });
    const [first, second]: { startMs: number; endMs: number }[] = JSON.parse(stdout).segments;
    expect(first?.endMs).toBeLessThan(4000);
    expect(second?.startMs).toBeGreaterThan(6000);
    expect(code).toBe(0);
  }, 60_000);

  it('fails with one clear message on what is no WAV file and on a model that is not there', async () => {
    const path = join(folder, 'no.wav');
    writeFileSync(path, 'this is text');
    const noWav = await runCli(['transcribe', path]);
    expect(noWav).toMatchObject({ code: 1, stdout: '' });
    expect(noWav.stderr).toContain(`sipscribe: ${path}: `);
    const noModel = await runCli(['transcribe', wav('e.wav', 300), '--whisper-model', 'nowhere']);
    expect(noModel.code).toBe(1);
    expect(noModel.stderr).toContain('nowhere');
    expect(noModel.stderr).not.toMatch(/\n\s+at /);
  }, 60_000);
});
