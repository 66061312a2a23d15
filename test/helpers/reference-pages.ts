import { ERROR_CODES } from '../../src/core/errors.js';
import { Metrics } from '../../src/core/metrics.js';
import { DIALECTS } from '../../src/sip/dialects.js';

/** `docs/reference/errors.md`, made from the table in `src/core/errors.ts`. */
export function errorsPage(): string {
  const rows = Object.entries(ERROR_CODES).map(
    ([code, kind]) => `| \`${code}\` | ${kind.sipStatus} | ${kind.retryable ? 'yes' : 'no'} | ${kind.summary} |`,
  );
  return [
    '# Error codes',
    '',
    'Every error that sipscribe raises on purpose has one of these codes: in logs (`code`), in `transcript.failed` events and, inside a',
    'SIP transaction, as the final response of the second column. *Tried again* speaks of transcriptions and deliveries.',
    '',
    '| code | SIP response | tried again | meaning |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

interface MetricFacts {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labels: readonly string[];
}

/** `docs/reference/metrics.md`, made from the registry. */
export async function metricsPage(): Promise<string> {
  const metrics = new Metrics({ vendors: ['whisper'], models: ['base'] });
  const facts: MetricFacts[] = (await metrics.registry.getMetricsAsJSON()).map((metric) => ({
    name: metric.name,
    help: metric.help,
    type: String(metric.type),
    labels: [...new Set(metric.values.flatMap((value) => Object.keys(value.labels)))].filter((label) => label !== 'le'),
  }));
  const rows = facts
    .sort((a, b) => a.name.localeCompare(b.name))
    .map(
      ({ name, help, type, labels }) =>
        `| \`${name}\` | ${type} | ${labels.map((l) => `\`${l}\``).join(' ')} | ${help} |`,
    );
  return [
    '# Metrics',
    '',
    'Prometheus text at `/metrics`. Labels come from closed sets and every series exists from the start at 0. No ids, numbers or names of',
    'people are ever labels. Figures of the process itself (`process_*`, `nodejs_*`) stand beside these.',
    '',
    '| name | type | labels | meaning |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

/** `docs/reference/dialects.md`, made from the table in `src/sip/dialects.ts` and the written calls of each dialect. */
export function dialectsPage(calls: ReadonlyMap<string, readonly string[]>): string {
  const codes = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(', ');
  const rows = DIALECTS.map(({ name, product, recognisedBy, quirks, attributes }) =>
    ['', `\`${name}\``, product, recognisedBy, codes(quirks), codes(attributes), codes(calls.get(name) ?? []), '']
      .join(' | ')
      .trim(),
  );
  return [
    '# Dialects',
    '',
    'Events and records name the dialect of each call. It is for people and statistics: every reader takes every shape from everybody, and',
    'nothing is refused or read in another way because of it. The first row that matches counts; a call that matches none is plain RFC 7866.',
    '',
    '*Usual warnings* are the normal shape of that product and no reason to worry. *Attributes* are the call attributes that it is known',
    'for; `SIP_CALL_ATTRIBUTES` says which may be kept. *Written calls* are folders of `test/fixtures/siprec`.',
    '',
    '| dialect | product | recognised by | usual warnings | attributes | written calls |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
