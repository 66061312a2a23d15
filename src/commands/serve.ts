import { App } from '../app.js';
import { createLogger } from '../core/logger.js';
import { stopOnSignals } from '../shutdown.js';
import type { Invocation } from './invocation.js';

/** Runs the server until a signal ends it. Resolves with the exit code. */
export async function run(invocation: Invocation): Promise<number> {
  const config = invocation.loadConfig();
  const format = config.log.format ?? (process.stdout.isTTY ? 'pretty' : 'json');
  const logger = createLogger({ level: config.log.level, format });
  for (const note of config.notes) logger.warn({ note }, 'configuration note');
  const app = new App(config, logger);
  const stopped = stopOnSignals(app, logger);
  try {
    await Promise.race([app.start(), stopped]);
  } catch (error) {
    // A start that a signal broke off is no failure.
    if (!app.stopping) throw error;
  }
  return stopped;
}
