import type { Config } from '../../config/config.js';
import { ConfigError } from '../../config/config-error.js';
import { findModel } from '../stt/whisper/model-file.js';
import { EXIT, type Invocation } from './invocation.js';

/** `sipscribe check-config`: fit for CI and for a unit file's ExecStartPre. */
export async function run(invocation: Invocation): Promise<number> {
  const { terminal, json } = invocation;
  try {
    const config = invocation.loadConfig();
    const notes = [...config.notes, ...missingModel(config)];
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

/** The server would not start without its model, and that is the first thing that a new operator meets. */
function missingModel({ stt, whisper }: Config): string[] {
  const isProgram = whisper.engine === 'cli' || (whisper.engine === 'auto' && whisper.binaryPath !== undefined);
  if (isProgram || !stt.vendors.includes('whisper')) return [];
  try {
    findModel(whisper.model, whisper.modelsDir);
    return [];
  } catch (error) {
    return [`the server would not start: ${error instanceof Error ? error.message : String(error)}`];
  }
}
