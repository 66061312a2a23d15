import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { downloadModel, type ModelDownload } from '../../src/commands/model-download.js';
import { runCli } from './run-cli.js';

/** As large as several chunks of a socket, so that a cut falls into the middle. */
const MODEL = Buffer.concat([Buffer.from('lmgg'), Buffer.alloc(400_000, 'whisper')]);
const SHA256 = createHash('sha256').update(MODEL).digest('hex');

let folder = '';
let server: Server;
let base = '';
let requests: { url: string; range: string | undefined; authorization: string | undefined }[] = [];
let handle: (request: IncomingMessage, response: ServerResponse) => void = () => {};

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sipscribe-models-'));
  requests = [];
  server = createServer((request, response) => {
    const { range, authorization } = request.headers;
    requests.push({ url: request.url ?? '', range, authorization });
    handle(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  base = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true });
});

/** Serves the model with ranges, as mirrors do; the checksum file when asked for, unless there is none. */
function mirror(
  checksum: string | undefined,
  model: (response: ServerResponse, rest: Buffer) => void = (to, rest) => to.end(rest),
): void {
  handle = (request, response) => {
    if (request.url?.endsWith('.sha256')) {
      response.statusCode = checksum === undefined ? 404 : 200;
      response.end(checksum === undefined ? 'no' : `${checksum}  ggml-small.bin\n`);
      return;
    }
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.statusCode = from > 0 ? 206 : 200;
    response.setHeader('Content-Length', MODEL.length - from);
    model(response, MODEL.subarray(from));
  };
}

function download(options: Partial<ModelDownload> = {}): Promise<{ bytes: number; verified: boolean }> {
  return downloadModel({ url: `${base}/ggml-small.bin`, path: join(folder, 'ggml-small.bin'), ...options });
}

const finished = (): boolean => existsSync(join(folder, 'ggml-small.bin'));
const unfinished = (): boolean => existsSync(join(folder, 'ggml-small.bin.part'));

describe('downloading a model', () => {
  it('checks it against the checksum beside it and then gives it its name', async () => {
    mirror(SHA256.toUpperCase());
    const progress: number[] = [];
    expect(await download({ onProgress: (bytes) => progress.push(bytes) })).toEqual({
      bytes: MODEL.length,
      verified: true,
    });
    expect(readFileSync(join(folder, 'ggml-small.bin')).equals(MODEL)).toBe(true);
    expect(progress.at(-1)).toBe(MODEL.length);
    expect(unfinished()).toBe(false);
  });

  it('takes the checksum that was given over the one of the server', async () => {
    mirror('0'.repeat(64));
    expect(await download({ sha256: SHA256 })).toMatchObject({ verified: true });
    expect(requests.map(({ url }) => url)).toEqual(['/ggml-small.bin']);
  });

  it('leaves nothing behind when the checksum is wrong', async () => {
    mirror('0'.repeat(64));
    await expect(download()).rejects.toMatchObject({ code: 'SRS_DOWNLOAD', message: expect.stringContaining(SHA256) });
    expect([finished(), unfinished()]).toEqual([false, false]);
  });

  it('goes on where the connection was cut', async () => {
    let cuts = 0;
    mirror(SHA256, (response, rest) => {
      if (cuts++ > 0) response.end(rest);
      else response.write(rest.subarray(0, 150_000), () => response.destroy());
    });
    expect(await download()).toEqual({ bytes: MODEL.length, verified: true });
    const ranges = requests.filter(({ url }) => url === '/ggml-small.bin').map(({ range }) => range);
    expect(ranges).toHaveLength(2);
    expect(ranges[1]).toMatch(/^bytes=[1-9]\d*-$/);
  });

  it('goes on in a later run, and starts over where the server knows no ranges', async () => {
    writeFileSync(join(folder, 'ggml-small.bin.part'), MODEL.subarray(0, 1000));
    mirror(SHA256);
    await download();
    expect(requests.at(-1)?.range).toBe('bytes=1000-');
    rmSync(join(folder, 'ggml-small.bin'));
    writeFileSync(join(folder, 'ggml-small.bin.part'), MODEL.subarray(0, 1000));
    handle = (_, response) => response.end(MODEL);
    expect(await download({ sha256: SHA256 })).toEqual({ bytes: MODEL.length, verified: true });
  });

  it('does not join halves that no checksum vouches for', async () => {
    writeFileSync(join(folder, 'ggml-small.bin.part'), 'half of another model');
    let cuts = 0;
    mirror(undefined, (response, rest) => {
      if (cuts++ > 0) response.end(rest);
      else response.write(rest.subarray(0, 150_000), () => response.destroy());
    });
    expect(await download()).toEqual({ bytes: MODEL.length, verified: false });
    expect(requests.every(({ range }) => range === undefined)).toBe(true);
    expect(readFileSync(join(folder, 'ggml-small.bin')).equals(MODEL)).toBe(true);
  });

  it('gives up when it is cut again and again, and keeps what it has for later', async () => {
    mirror(SHA256, (response, rest) => response.write(rest.subarray(0, 1000), () => response.destroy()));
    await expect(download({ attempts: 2 })).rejects.toMatchObject({ code: 'SRS_DOWNLOAD', retryable: true });
    expect([finished(), unfinished()]).toEqual([false, true]);
  });

  it('cuts a connection on which nothing comes', async () => {
    mirror(SHA256, (response, rest) => response.write(rest.subarray(0, 1000)));
    const waiting = download({ idleMs: 100, attempts: 1 });
    await expect(waiting).rejects.toMatchObject({
      code: 'SRS_DOWNLOAD',
      message: expect.stringContaining('nothing came for 100 ms'),
    });
  });

  it.each([
    [
      'a page instead of a model',
      (response: ServerResponse) => response.end('<html>sign in</html>'),
      'not a GGML model',
    ],
    ['404', (response: ServerResponse) => response.writeHead(404).end('no'), 'answered 404'],
    [
      'more than the limit',
      (response: ServerResponse) => response.end(Buffer.alloc(2_000_000)),
      'over the limit of 1000000 bytes',
    ],
    [
      'more than the limit without saying so',
      (response: ServerResponse) => {
        response.write(Buffer.alloc(1_500_000));
        response.end();
      },
      'over the limit of 1000000 bytes',
    ],
  ])('refuses %s', async (_, answer, message) => {
    handle = (request, response) => {
      if (request.url?.endsWith('.sha256')) response.writeHead(404).end();
      else answer(response);
    };
    await expect(download({ maxBytes: 1_000_000 })).rejects.toMatchObject({
      code: 'SRS_DOWNLOAD',
      message: expect.stringContaining(message),
    });
    expect(finished()).toBe(false);
  });

  it('ends when it is interrupted, and names the address in every error', async () => {
    const abort = new AbortController();
    mirror(SHA256, (response, rest) => response.write(rest.subarray(0, 1000), () => abort.abort()));
    await expect(download({ signal: abort.signal })).rejects.toMatchObject({
      code: 'SRS_DOWNLOAD',
      message: `download of ${base}/ggml-small.bin failed: it was interrupted`,
    });
  });
});

describe('sipscribe models download', () => {
  it('puts the model into the models directory, tells its path, and does not load it twice', async () => {
    mirror(SHA256);
    const args = ['models', 'download', 'small', '--whisper-models-url', `${base}/`, '--whisper-models-dir', folder];
    const path = join(folder, 'ggml-small.bin');
    expect(await runCli(args)).toMatchObject({ code: 0, stdout: `${path}\n` });
    const again = await runCli([...args, '--json']);
    expect(JSON.parse(again.stdout)).toEqual({ name: 'small', path, downloaded: false });
    expect(requests.filter(({ url }) => url === '/ggml-small.bin')).toHaveLength(1);
  });

  it('sends user and password of the address to the mirror and never prints them', async () => {
    mirror(SHA256);
    const url = base.replace('//', '//reader:top%40secret@');
    const args = ['models', 'download', 'small', '--whisper-models-url', url, '--whisper-models-dir', folder];
    const got = await runCli(args);
    expect(got.code).toBe(0);
    expect(got.stderr).toContain(`downloading ${base.replace('//', '//reader:***@')}/ggml-small.bin`);
    const basic = `Basic ${Buffer.from('reader:top@secret').toString('base64')}`;
    expect(requests.map(({ authorization }) => authorization)).toEqual([basic, basic]);

    handle = (_, response) => response.writeHead(401).end();
    const refused = await runCli([...args, '--force']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('answered 401');
    for (const { stdout, stderr } of [got, refused]) expect(stdout + stderr).not.toMatch(/top(@|%40)secret/);
  });

  it('says that nothing vouches for a model without a checksum, and fails on a wrong one', async () => {
    mirror(undefined);
    const args = ['models', 'download', 'small', '--whisper-models-url', base, '--whisper-models-dir', folder];
    const unverified = await runCli([...args, '--json']);
    expect(JSON.parse(unverified.stdout)).toMatchObject({ verified: false, bytes: MODEL.length });
    expect(unverified.stderr).toContain('not verified');
    const wrong = await runCli([...args, '--force', '--sha256', '0'.repeat(64)]);
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toContain(SHA256);
  });
});
