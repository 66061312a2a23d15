import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Answer, Figures, Question } from './figures.js';

type Told<Kind extends Answer['kind']> = Extract<Answer, { readonly kind: Kind }>;

/** A process of the bench that is measured: `whole-server.js` or `bare-plane.js`. */
export class MeasuredProcess {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(
    program: 'whole-server.js' | 'bare-plane.js',
    args: readonly string[],
    env: Readonly<Record<string, string>>,
  ): Promise<{ readonly process: MeasuredProcess; readonly ready: Told<'ready'> }> {
    const child = fork(fileURLToPath(new URL(program, import.meta.url)), args, { env: { ...process.env, ...env } });
    const started = new MeasuredProcess(child);
    return { process: started, ready: await started.#told('ready') };
  }

  async figures(): Promise<Figures> {
    this.#child.send({ ask: 'figures' } satisfies Question);
    return (await this.#told('figures')).figures;
  }

  async openStreams(streams: number): Promise<readonly number[]> {
    this.#child.send({ ask: 'open-streams', streams } satisfies Question);
    return (await this.#told('opened')).ms;
  }

  /** Stops all its threads where they are for a while. */
  async stall(ms: number): Promise<void> {
    this.#child.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.#child.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await gone;
  }

  #told<Kind extends Answer['kind']>(kind: Kind): Promise<Told<Kind>> {
    return new Promise((resolve, reject) => {
      const onMessage = (answer: Answer): void => {
        if (answer.kind !== kind) return;
        leave();
        resolve(answer as Told<Kind>);
      };
      const onExit = (code: number | null, signal: string | null): void => {
        leave();
        reject(new Error(`a measured process ended: ${code ?? signal}`));
      };
      const leave = (): void => {
        this.#child.off('message', onMessage);
        this.#child.off('exit', onExit);
      };
      this.#child.on('message', onMessage);
      this.#child.on('exit', onExit);
    });
  }
}
