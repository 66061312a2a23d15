import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A file system of its own that can be filled and emptied. Mounting takes root; without it a test fails and does not pass by. */
export class SmallDisk {
  readonly path: string;
  readonly #ballast: string;

  /** @param size as `mount -o size=` takes it */
  constructor(size: string) {
    this.path = mkdtempSync(join(tmpdir(), 'sipscribe-disk-'));
    this.#ballast = join(this.path, 'ballast');
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', this.path]);
  }

  /** Takes all space that is left. */
  fill(): void {
    const file = openSync(this.#ballast, 'a');
    try {
      for (const bytes of [1 << 16, 1 << 12, 1]) {
        const block = Buffer.alloc(bytes, 1);
        try {
          for (;;) if (writeSync(file, block) < bytes) break;
        } catch (error) {
          if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
        }
      }
    } finally {
      closeSync(file);
    }
  }

  /** Gives so much of it back. */
  free(bytes?: number): void {
    if (bytes === undefined) rmSync(this.#ballast, { force: true });
    else truncateSync(this.#ballast, Math.max(0, Number(execFileSync('stat', ['-c', '%s', this.#ballast])) - bytes));
  }

  /** Only while nobody has a file of it open for writing. */
  setReadOnly(readOnly: boolean): void {
    execFileSync('mount', ['-o', `remount,${readOnly ? 'ro' : 'rw'}`, this.path]);
  }

  remove(): void {
    execFileSync('umount', ['-l', this.path]);
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** An ext4 of its own in a file, whose writers can be made to wait as behind a disk that does not answer. */
export class FreezableDisk {
  readonly #root = mkdtempSync(join(tmpdir(), 'sipscribe-freeze-'));
  readonly path = join(this.#root, 'disk');
  #frozen = false;

  constructor() {
    const image = join(this.#root, 'image');
    closeSync(openSync(image, 'w'));
    truncateSync(image, 32 * 1024 * 1024);
    execFileSync('mkfs.ext4', ['-q', '-F', image]);
    mkdirSync(this.path);
    execFileSync('mount', ['-o', 'loop', image, this.path]);
  }

  freeze(): void {
    execFileSync('fsfreeze', ['--freeze', this.path]);
    this.#frozen = true;
  }

  thaw(): void {
    if (this.#frozen) execFileSync('fsfreeze', ['--unfreeze', this.path]);
    this.#frozen = false;
  }

  remove(): void {
    this.thaw();
    execFileSync('umount', ['-l', this.path]);
    rmSync(this.#root, { recursive: true, force: true });
  }
}
