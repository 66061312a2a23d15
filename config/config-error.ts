import { SrsError } from '../src/core/errors.js';

/** All problems of a configuration at once. Each is one line that names the variable, its source and what was expected. */
export class ConfigError extends SrsError {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    const lines = problems.map((problem) => `\n  - ${problem}`).join('');
    super(
      'SRS_CONFIG_INVALID',
      `the configuration has ${problems.length} problem${problems.length === 1 ? '' : 's'}:${lines}`,
      {
        facts: { problems: problems.length },
      },
    );
    this.problems = problems;
  }
}
