import type { IncomingMessage } from 'node:http';
import { ApiKeys } from './api-keys.js';
import { originAllowed } from './origin-rule.js';

export interface UpgradeGateOptions {
  readonly path: string;
  /** Empty = no token is asked for. */
  readonly apiKeys: readonly string[];
  /** Origins of pages elsewhere that may connect, e.g. `https://desk.example`. */
  readonly allowedOrigins?: readonly string[];
}

/** A client that may come in, and what it asked for. */
export interface Admission {
  /** Of `call_uuid` and `call_id` in the URL, each of which may stand several times. */
  readonly names: readonly string[];
  readonly since?: number;
}

export interface Refusal {
  readonly status: 400 | 401 | 403;
  readonly message: string;
}

const TOKEN_PROTOCOL = 'bearer.';

/** Decides who may open a WebSocket. Pure but for the request it reads. */
export class UpgradeGate {
  readonly #options: UpgradeGateOptions;
  readonly #keys: ApiKeys;

  constructor(options: UpgradeGateOptions) {
    this.#options = options;
    this.#keys = new ApiKeys(options.apiKeys);
  }

  /** Whether the request is for this path at all. */
  concerns(request: IncomingMessage): boolean {
    return targetOf(request)?.pathname === this.#options.path;
  }

  check(request: IncomingMessage): Admission | Refusal {
    const target = targetOf(request);
    if (!target) return { status: 400, message: 'the URL cannot be read' };
    const { allowedOrigins = [] } = this.#options;
    const rule = { keyed: this.#keys.required, allowedOrigins };
    if (!originAllowed(request.headers, rule)) return { status: 403, message: 'this origin may not connect' };
    if (!this.#keys.accepts(tokenOf(request))) return { status: 401, message: 'a valid token is required' };
    const { searchParams } = target;
    const names = [...searchParams.getAll('call_uuid'), ...searchParams.getAll('call_id')].filter(
      (name) => name !== '',
    );
    const since = searchParams.get('since');
    if (since === null || since === '') return { names };
    if (!/^\d{1,15}$/.test(since)) return { status: 400, message: 'since must be a number' };
    return { names, since: Number(since) };
  }
}

/** The subprotocol to answer with: a real one before the one that carries the token, which is not repeated without need. */
export function chooseProtocol(offered: ReadonlySet<string>): string | false {
  const [first] = [...offered].filter((name) => !name.startsWith(TOKEN_PROTOCOL));
  // Chrome closes a connection whose server chose none of the offered protocols.
  return first ?? [...offered][0] ?? false;
}

function tokenOf(request: IncomingMessage): string | undefined {
  const bearer = ApiKeys.bearer(request.headers.authorization);
  if (bearer !== undefined) return bearer;
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  return offered.find((name) => name.startsWith(TOKEN_PROTOCOL))?.slice(TOKEN_PROTOCOL.length);
}

function targetOf(request: IncomingMessage): URL | undefined {
  const target = request.url ?? '';
  return target.startsWith('/') && URL.canParse(target, 'http://host') ? new URL(target, 'http://host') : undefined;
}
