import { arch, endianness, platform } from 'node:os';

/** The system calls that receive many packets at once, which Node does not have. Numbers and layouts are those of 64-bit Linux. */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  bind(socket: number, address: Uint8Array, addressBytes: number): number;
  close(socket: number): number;
  /** `headers` is an array of `struct mmsghdr` in `NativeMemory`. */
  recvmmsg(socket: number, headers: NativeMemory['handle'], count: number, flags: number, timeout: null): number;
  sendto(socket: number, bytes: Uint8Array, length: number, flags: number, to: Uint8Array, toBytes: number): number;
  /** Why the last call failed. */
  errno(): number;
  /** Memory that never moves, so that structures in it can point at each other. It is never given back. */
  allocate(bytes: number): NativeMemory;
}

export interface NativeMemory {
  readonly handle: unknown;
  readonly address: bigint;
  readonly buffer: ArrayBuffer;
}

/** `struct mmsghdr` of glibc and of musl is the same in memory on these. */
const KNOWN = ['x64', 'arm64', 'riscv64'];

/** The C library of this process, by the optional package koffi; undefined where that is not there, or the system another one. */
export async function loadLibc(): Promise<Libc | undefined> {
  if (platform() !== 'linux' || endianness() !== 'LE' || !KNOWN.includes(arch())) return undefined;
  try {
    const { default: koffi } = await import('koffi');
    const library = koffi.load(null);
    return {
      socket: library.func('int socket(int domain, int type, int protocol)'),
      bind: library.func('int bind(int socket, const uint8_t *address, uint32_t bytes)'),
      close: library.func('int close(int socket)'),
      recvmmsg: library.func('int recvmmsg(int socket, void *headers, uint32_t count, int flags, void *timeout)'),
      sendto: library.func(
        'intptr_t sendto(int socket, const uint8_t *bytes, uintptr_t length, int flags, const uint8_t *to, uint32_t toBytes)',
      ),
      errno: () => koffi.errno(),
      allocate: (bytes) => {
        const handle: unknown = koffi.alloc('uint8_t', bytes);
        return { handle, address: koffi.address(handle), buffer: koffi.view(handle, bytes) };
      },
    };
  } catch {
    // Not installed, or not for this system: Node's own sockets do the same, at twice the cost.
    return undefined;
  }
}
