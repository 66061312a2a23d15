import { LineProgram } from './native-program.js';
import type { PacketFile } from './packet-file.js';

/** How many rounds of 20 ms are sent, and at which of them `mark` resolves, in order. */
export interface LoadPlan {
  readonly rounds: number;
  readonly marks: readonly number[];
}

/** The load while it runs: `rtp-load.c` in a process of its own. */
export class RtpLoad {
  readonly #program: LineProgram;

  constructor(program: string, { path, packetBytes, tracks }: PacketFile, ports: readonly number[], plan: LoadPlan) {
    this.#program = new LineProgram(program, [path, packetBytes, tracks, plan.rounds, ...plan.marks]);
    this.#program.say(ports.join('\n'));
    this.#program.close();
  }

  /** Resolves at the next mark, with the packets sent before it. */
  async mark(): Promise<number> {
    const [, , sent] = await this.#program.line();
    return Number(sent);
  }

  /** Resolves at the end, with the packets sent and the most that the load was behind its own pace, in ms. */
  async end(): Promise<{ readonly sent: number; readonly lateMs: number }> {
    const [, sent, lateMs] = await this.#program.line();
    return { sent: Number(sent), lateMs: Number(lateMs) };
  }

  kill(): void {
    this.#program.kill();
  }
}
