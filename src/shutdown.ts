import type { App } from './app.js';
import type { Logger } from './core/logger.js';

/**
 * What signals do. The first SIGTERM or SIGINT takes no new call, lets running calls go on until the grace ends, then ends them and
 * waits for their words. A second signal ends now; files are valid at every moment, so even that loses no recording.
 */
export function stopOnSignals(app: App, logger: Logger): Promise<number> {
  return new Promise((resolve) => {
    let stopping = false;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (stopping) {
        logger.warn({ signal }, 'second signal, stopping now');
        resolve(1);
        return;
      }
      stopping = true;
      logger.info({ signal }, 'stopping: no new calls, running calls may finish');
      app.stop().then(
        () => resolve(0),
        (error: unknown) => {
          logger.error({ err: error }, 'stop failed');
          resolve(1);
        },
      );
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
    // A fault that nobody caught leaves the process in a state that nobody knows: files are valid on disk, a supervisor restarts.
    for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
      process.on(event, (error: unknown) => {
        logger.fatal({ err: error }, 'uncaught error, stopping');
        resolve(70);
      });
    }
  });
}
