import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

export interface OriginRule {
  /** Whether a key is asked for besides: no page that was led here has one. */
  readonly keyed: boolean;
  /** Origins of pages elsewhere that may come in, e.g. `https://desk.example`. */
  readonly allowedOrigins?: readonly string[];
}

/**
 * A browser lets any page open a WebSocket to any server, and POST to it, and says in `Origin` which page it was. Without a key, our
 * own address must besides be an IP literal or localhost: a name that was made to point at this machine is not ours (DNS rebinding).
 */
export function originAllowed({ origin, host }: IncomingHttpHeaders, rule: OriginRule): boolean {
  if (origin === undefined) return true;
  if (rule.allowedOrigins?.includes(origin)) return true;
  const page = URL.canParse(origin) ? new URL(origin) : undefined;
  if (!page || page.host !== host?.toLowerCase()) return false;
  return rule.keyed || isOwnName(page.hostname);
}

/** A page reads from its own host without saying `Origin`, so that without a key the name by which we are called must be ours too. */
export function hostAllowed({ host }: IncomingHttpHeaders, rule: OriginRule): boolean {
  if (rule.keyed) return true;
  const called = `http://${host ?? ''}`;
  return URL.canParse(called) && isOwnName(new URL(called).hostname);
}

/** Names that no DNS answers for. */
function isOwnName(hostname: string): boolean {
  const name = hostname.replace(/^\[|\]$/g, '');
  return name === 'localhost' || isIP(name) !== 0;
}
