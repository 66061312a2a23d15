import { SERVICE_VARIABLES } from './service-variables.js';
import { SIP_VARIABLES } from './sip-variables.js';
import { SPEECH_VARIABLES } from './speech-variables.js';
import type { Variable } from './variable.js';

type Table = Readonly<Record<string, Variable<unknown>>>;

const CHAPTERS: readonly { readonly title: string; readonly table: Table }[] = [
  { title: 'SIP and RTP', table: SIP_VARIABLES },
  { title: 'Speech to text', table: SPEECH_VARIABLES },
  { title: 'Service', table: SERVICE_VARIABLES },
];

/** `config/example.env`: every variable once, commented out with its default. */
export function renderExampleEnv(): string {
  const lines = [
    '# Every configuration variable of sipscribe with its default.',
    '# Written by `node dist/config/write-documents.js` from the schema; change it there.',
  ];
  for (const { title, table } of CHAPTERS) {
    lines.push('', `# --- ${title} ---`);
    for (const [name, variable] of Object.entries(table)) {
      lines.push('', `# ${variable.doc}`, `#${name}=${variable.fallback ?? ''}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

const INTRODUCTION = `# Configuration

<!-- Written by \`node dist/config/write-documents.js\` from the schema; change it there. -->

Every variable can stand in a file, in the environment or on the command line. Later ones win: defaults, then the file named by
\`CONFIG_FILE\`, then the environment, then flags (\`--whisper-model small\` or \`--set WHISPER_MODEL=small\`).

- The file is JSON or YAML. Names may be in lower case and in groups: \`whisper: { model: small }\` is \`WHISPER_MODEL=small\`.
- An empty value counts as not set.
- Unknown names in the file or among the flags are errors; so are unknown names in the environment that begin with
  \`WHISPER_\`, \`STT_\`, \`SIP_\`, \`RTP_\`, \`AMQP_\` or \`WS_\`. The nearest known name is given.
- \`sipscribe check-config\` lists all problems at once; \`sipscribe print-config\` shows what is in force, with secrets masked.
- Durations are written as in Go: \`500ms\`, \`90s\`, \`20m\`, \`1h30m\`.
`;

/** `docs/reference/configuration.md`. */
export function renderReference(): string {
  const parts = [INTRODUCTION];
  for (const { title, table } of CHAPTERS) {
    const rows = Object.entries(table).map(([name, variable]) => referenceRow(name, variable));
    parts.push(`## ${title}\n\n| variable | default | value | meaning |\n|---|---|---|---|\n${rows.join('\n')}\n`);
  }
  return parts.join('\n');
}

function referenceRow(name: string, variable: Variable<unknown>): string {
  const aliases = (variable.aliases ?? []).map((alias) => ` (also \`${alias}\`)`).join('');
  const fallback = variable.fallback === undefined ? (variable.fallbackDoc ?? 'not set') : `\`${variable.fallback}\``;
  return `| \`${name}\`${aliases} | ${fallback} | ${variable.format.expected} | ${variable.doc}${laterNote(variable)} |`;
}

function laterNote(variable: Variable<unknown>): string {
  switch (variable.later?.refuse) {
    case undefined:
      return '';
    case 'set':
      return ' **Not in this version: setting it is an error.**';
    case 'true':
      return ' **Not in this version: `true` is an error.**';
    case 'never':
      return ' **Has no effect in this version.**';
  }
}
