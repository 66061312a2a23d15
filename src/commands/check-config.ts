import { ConfigError } from '../../config/config-error.js';
import { EXIT, type Invocation } from './invocation.js';

/** `sipscribe check-config`: fit for CI and for a unit file's ExecStartPre. */
export async function run(invocation: Invocation): Promise<number> {
  const { terminal, json } = invocation;
  try {
    const { notes } = invocation.loadConfig();
    for (const note of notes) terminal.note(`note: ${note}`);
    if (json) terminal.printJson({ valid: true, problems: [], notes });
    else terminal.print('the configuration is valid');
    return EXIT.ok;
  } catch (error) {
    if (!json || !(error instanceof ConfigError)) throw error;
    terminal.printJson({ valid: false, problems: error.problems, notes: [] });
    return EXIT.usage;
  }
}
