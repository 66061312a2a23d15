import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { maskUrl } from '../../config/masking.js';
import { SrsError } from '../core/errors.js';

export interface ModelDownload {
  readonly url: string;
  /** The finished file; until then its bytes lie beside it with `.part`. */
  readonly path: string;
  /** Hex; absent = `<url>.sha256` is asked for. */
  readonly sha256?: string;
  readonly maxBytes?: number;
  /** A connection that gives nothing for so long is cut. */
  readonly idleMs?: number;
  /** Tries after a cut connection. */
  readonly attempts?: number;
  readonly onProgress?: (bytes: number, total: number | undefined) => void;
  readonly signal?: AbortSignal;
}

/** GGML files begin with this 32-bit number in the byte order of the machine that wrote them, always little in practice. */
const GGML_MAGIC = 'lmgg';
const DEFAULTS = { maxBytes: 8 * 2 ** 30, idleMs: 30_000, attempts: 3 };
const CHECKSUM_BYTES = 4096;

/**
 * Downloads a model so that a half one can never be taken for a whole one: bytes go to `.part`, are checked, and only then get
 * their name. A cut connection is taken up where it broke, but only when a checksum will tell whether the halves fit.
 * Throws `SRS_DOWNLOAD`; a message names the URL and what to do.
 */
export async function downloadModel(download: ModelDownload): Promise<{ bytes: number; verified: boolean }> {
  const { signal } = download;
  const sha256 = (download.sha256 ?? (await fetchChecksum(download)))?.toLowerCase();
  const part = `${download.path}.part`;
  await mkdir(dirname(download.path), { recursive: true });
  if (sha256 === undefined) await rm(part, { force: true });
  const attempts = download.attempts ?? DEFAULTS.attempts;
  for (let attempt = 1; ; attempt++) {
    try {
      await fetchInto(part, download, sha256 !== undefined);
      break;
    } catch (error) {
      const cut = error instanceof CutConnection;
      if (signal?.aborted) throw failed(download, 'it was interrupted', error);
      if (!cut || attempt >= attempts) throw cut ? failed(download, error.message, error) : error;
      if (sha256 === undefined) await rm(part, { force: true });
    }
  }
  await verify(part, download, sha256);
  const { size } = await stat(part);
  await rename(part, download.path);
  return { bytes: size, verified: sha256 !== undefined };
}

class CutConnection extends Error {}

function failed(download: ModelDownload, why: string, cause?: unknown): SrsError {
  return new SrsError('SRS_DOWNLOAD', `download of ${maskUrl(download.url)} failed: ${why}`, { cause });
}

/** `fetch` takes no URL with credentials, and shows them in its error: they go into a header (RFC 7617), which it drops when led elsewhere. */
function request(
  text: string,
  options: { signal: AbortSignal; headers?: Readonly<Record<string, string>> },
): Promise<Response> {
  const url = new URL(text);
  const { username, password } = url;
  if (username === '' && password === '') return fetch(url, options);
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  url.username = '';
  url.password = '';
  const authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
  return fetch(url, { ...options, headers: { ...options.headers, Authorization: authorization } });
}

/** The first word of `<url>.sha256`, as sha256sum writes it. Absent file = no checksum. */
async function fetchChecksum(download: ModelDownload): Promise<string | undefined> {
  const url = `${download.url}.sha256`;
  const limit = AbortSignal.timeout(download.idleMs ?? DEFAULTS.idleMs);
  const signal = download.signal === undefined ? limit : AbortSignal.any([download.signal, limit]);
  try {
    const response = await request(url, { signal });
    if (!response.ok) {
      await response.body?.cancel();
      return undefined;
    }
    const word = (await response.text()).slice(0, CHECKSUM_BYTES).trim().split(/\s+/)[0] ?? '';
    if (!/^[0-9a-f]{64}$/i.test(word)) throw failed(download, `${maskUrl(url)} holds no SHA-256 checksum`);
    return word;
  } catch (error) {
    if (error instanceof SrsError) throw error;
    throw failed(download, reasonOf(error), error);
  }
}

async function fetchInto(part: string, download: ModelDownload, mayResume: boolean): Promise<void> {
  const have = mayResume ? await sizeOf(part) : 0;
  const idle = new IdleLimit(download.idleMs ?? DEFAULTS.idleMs, download.signal);
  try {
    const response = await request(download.url, {
      signal: idle.signal,
      headers: have > 0 ? { Range: `bytes=${have}-` } : {},
    });
    if (response.status === 416) {
      // The part is as long as the file, or longer than it: the checksum tells.
      await response.body?.cancel();
      return;
    }
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw failed(download, `the server answered ${response.status}`);
    }
    await writeBody(part, response, response.status === 206 ? have : 0, download, idle);
  } catch (error) {
    if (error instanceof SrsError) throw error;
    if (isFileError(error)) throw failed(download, error.message, error);
    throw new CutConnection(reasonOf(error), { cause: error });
  } finally {
    idle.end();
  }
}

async function writeBody(
  part: string,
  response: Response,
  from: number,
  download: ModelDownload,
  idle: IdleLimit,
): Promise<void> {
  const maxBytes = download.maxBytes ?? DEFAULTS.maxBytes;
  const announced = response.headers.get('content-length');
  const total = announced === null ? undefined : from + Number(announced);
  const tooLarge = failed(download, `it is over the limit of ${maxBytes} bytes`);
  if (total !== undefined && total > maxBytes) throw tooLarge;
  const file = await open(part, from > 0 ? 'a' : 'w');
  let bytes = from;
  try {
    for await (const chunk of response.body ?? []) {
      idle.touch();
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLarge;
      await file.write(chunk);
      download.onProgress?.(bytes, total);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  if (total !== undefined && bytes !== total) throw new CutConnection(`only ${bytes} of ${total} bytes came`);
}

async function verify(part: string, download: ModelDownload, sha256: string | undefined): Promise<void> {
  const hash = createHash('sha256');
  let magic = '';
  for await (const chunk of createReadStream(part)) {
    if (!(chunk instanceof Buffer)) continue;
    if (magic.length < 4) magic += chunk.toString('latin1', 0, 4 - magic.length);
    hash.update(chunk);
  }
  const found = hash.digest('hex');
  const broken = sha256 !== undefined && found !== sha256;
  if (!broken && magic === GGML_MAGIC) return;
  await rm(part, { force: true });
  if (broken) throw failed(download, `the checksum is ${found}, expected ${sha256}`);
  throw failed(download, 'what came is not a GGML model; the address may lead to a page');
}

/** Aborts when nothing comes for a while, or when the outer signal does. */
class IdleLimit {
  readonly #abort = new AbortController();
  readonly #ms: number;
  readonly #outer: AbortSignal | undefined;
  readonly #onOuter = (): void => this.#abort.abort(new Error('it was interrupted'));
  #timer: NodeJS.Timeout | undefined;

  constructor(ms: number, outer: AbortSignal | undefined) {
    this.#ms = ms;
    this.#outer = outer;
    outer?.addEventListener('abort', this.#onOuter, { once: true });
    if (outer?.aborted) this.#onOuter();
    this.touch();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  touch(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#abort.abort(new Error(`nothing came for ${this.#ms} ms`)), this.#ms);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener('abort', this.#onOuter);
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    return 0;
  }
}

function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && ['open', 'write', 'fsync'].includes(String(error.syscall));
}

/** fetch hides the reason in a chain of causes behind the words "fetch failed". */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message;
}
