import { loadConfig } from '../../config/load.js';
import { App } from '../../src/app.js';
import { silentLogger } from '../../src/core/logger.js';
import type { Answer, Question } from './figures.js';
import { SelfWatch } from './self-watch.js';

/** A whole server, as `sipscribe serve` makes it from the environment, in a process that answers questions about itself. */
const app = new App(loadConfig({ env: process.env }), silentLogger);
const tell = (answer: Answer): void => {
  process.send?.(answer);
};
await app.start();
const watch = new SelfWatch(app.metrics);
process.on('message', async (question: Question) => {
  if (question.ask === 'figures') tell({ kind: 'figures', figures: await watch.figures() });
});
// A bench that is gone needs no server.
process.on('disconnect', () => process.exit(0));
tell({ kind: 'ready', sipPort: app.sipAddresses[0]?.port ?? 0, rtpPorts: [] });
