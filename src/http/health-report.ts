/** How one part of the server is. */
export interface HealthPart {
  readonly state: 'ok' | 'degraded' | 'down';
  /** Without it no call can be recorded: down means not ready. */
  readonly essential: boolean;
  readonly detail?: string;
  /** Things of this part that wait. */
  readonly waiting?: number;
}

/** What `/health` tells. Holds no names, addresses or words. */
export interface HealthReport {
  readonly phase: 'starting' | 'running' | 'draining';
  readonly version: string;
  readonly uptimeMs: number;
  readonly activeCalls: number;
  readonly parts: Readonly<Record<string, HealthPart>>;
}

/** Why no new call should come here; empty = ready. */
export function reasonsAgainst(report: HealthReport): string[] {
  const phase = report.phase === 'running' ? [] : [report.phase];
  const parts = Object.entries(report.parts)
    .filter(([, part]) => part.essential && part.state === 'down')
    .map(([name, part]) => `${name} is down${part.detail === undefined ? '' : `: ${part.detail}`}`);
  return [...phase, ...parts];
}

/** The report as JSON: snake case, durations in seconds. */
export function healthJson(report: HealthReport): object {
  const reasons = reasonsAgainst(report);
  const degraded = Object.values(report.parts).some((part) => part.state !== 'ok');
  return {
    status: reasons.length > 0 ? 'unavailable' : degraded ? 'degraded' : 'ok',
    phase: report.phase,
    ready: reasons.length === 0,
    reasons,
    version: report.version,
    uptime_seconds: Math.round(report.uptimeMs / 1000),
    active_calls: report.activeCalls,
    parts: report.parts,
  };
}
