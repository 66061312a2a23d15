import { ERROR_CODES, SrsError } from '../core/errors.js';
import { legJson, problemJson } from '../listeners/event-json.js';
import type { CallControl, CommandEffect, LiveCall } from '../session/call-control.js';
import type { PauseCommand } from '../session/pause-control.js';

export interface ApiRequest {
  /** The session id of the path; empty where the path has none. */
  readonly id: string;
  /** As JSON; undefined without one. */
  readonly body: unknown;
  /** Who calls: `key-<n>` of the keys, `api` when none is asked for. */
  readonly by: string;
}

/** An answer; an `error` gets the shape of all errors. */
export type ApiReply =
  | { readonly status: number; readonly body: object }
  | { readonly status: number; readonly error: string };

export interface ApiRoute {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Rejects only with faults of ours. */
  handle(request: ApiRequest): Promise<ApiReply>;
}

/** Of a request: a command is a few numbers and a sentence. */
export const COMMAND_LIMIT_BYTES = 4096;
const MAX_REASON = 200;
const MAX_LEGS = 256;

/** `/api/calls`: the calls that are open, and the commands to them. Tells no words. Described in `docs/reference/api.md`. */
export function callsApi(calls: CallControl): readonly ApiRoute[] {
  const commanded = (verb: 'pause' | 'resume'): ApiRoute => ({
    method: 'POST',
    path: `/api/calls/:id/${verb}`,
    handle: async ({ id, body, by }) => {
      const command = readCommand(body, by);
      if (typeof command === 'string') return { status: 400, error: command };
      return answer(async () => ({ status: 200, body: effectJson(await calls[verb](id, command)) }));
    },
  });
  return [
    {
      method: 'GET',
      path: '/api/calls',
      handle: () => answer(async () => ({ status: 200, body: { calls: calls.list().map(briefJson) } })),
    },
    {
      method: 'GET',
      path: '/api/calls/:id',
      handle: ({ id }) => answer(async () => ({ status: 200, body: callJson(calls.find(id)) })),
    },
    commanded('pause'),
    commanded('resume'),
    {
      method: 'POST',
      path: '/api/calls/:id/stop',
      handle: ({ id }) =>
        answer(async () => ({ status: 202, body: { stopping: true, call: callJson(calls.stop(id)) } })),
    },
  ];
}

async function answer(work: () => Promise<ApiReply>): Promise<ApiReply> {
  try {
    return await work();
  } catch (error) {
    const { code, message } = SrsError.from(error);
    if (code !== 'SRS_CALL_UNKNOWN' && code !== 'SRS_CALL_STATE' && code !== 'SRS_MEDIA_WORKER') throw error;
    return { status: ERROR_CODES[code].sipStatus, error: message };
  }
}

/** The command in a body, or what is wrong with it. No body is a command for the whole call. */
function readCommand(body: unknown, by: string): PauseCommand | string {
  if (body === undefined) return { by };
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return 'the body must be a JSON object';
  const { legs, reason, ...unknown } = body as Readonly<Record<string, unknown>>;
  const [stray] = Object.keys(unknown);
  if (stray !== undefined) return 'the body may have "legs" and "reason" and nothing else';
  if (legs !== undefined && !isLegList(legs)) return '"legs" must be a list of leg numbers, 1 or more';
  if (reason !== undefined && (typeof reason !== 'string' || reason.length > MAX_REASON)) {
    return `"reason" must be a text of ${MAX_REASON} characters at most`;
  }
  return { by, ...(legs === undefined ? {} : { legs }), ...(reason === undefined ? {} : { reason }) };
}

function isLegList(value: unknown): value is number[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= MAX_LEGS &&
    value.every((leg) => Number.isInteger(leg) && leg >= 1 && leg <= MAX_LEGS)
  );
}

function effectJson({ call, effective }: CommandEffect): object {
  return {
    effective: { timestamp: new Date(effective.at).toISOString(), at_ms: effective.atMs },
    call: callJson(call),
  };
}

/** A call in the list: without its pauses, which may be a thousand. */
function briefJson(call: LiveCall): object {
  return {
    session_id: call.sessionId,
    call_id: call.callId,
    state: call.state,
    started_at: new Date(call.startedAt).toISOString(),
    ...(call.pausedBy === undefined ? {} : { paused_by: call.pausedBy }),
    ...(call.pausedLegs === undefined ? {} : { paused_legs: call.pausedLegs }),
    ...(call.problems === undefined ? {} : { problems: call.problems.map(problemJson) }),
    ...(call.dialect === undefined ? {} : { dialect: call.dialect }),
    legs: call.legs.map((leg) => legJson(call.callId, leg)),
  };
}

function callJson(call: LiveCall): object {
  return {
    ...briefJson(call),
    pauses: call.pauses.map((pause) => ({
      ...(pause.legs === undefined ? {} : { legs: pause.legs }),
      from: new Date(pause.from).toISOString(),
      ...(pause.fromMs === undefined ? {} : { from_ms: pause.fromMs }),
      ...(pause.to === undefined ? {} : { to: new Date(pause.to).toISOString() }),
      ...(pause.toMs === undefined ? {} : { to_ms: pause.toMs }),
      by: pause.by,
      ...(pause.endedBy === undefined ? {} : { ended_by: pause.endedBy }),
      ...(pause.reason === undefined ? {} : { reason: pause.reason }),
    })),
  };
}
