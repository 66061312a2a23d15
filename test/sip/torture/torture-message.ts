/** How a torture message reaches the server and what its peer is called there. */
export interface TortureContext {
  readonly transport: 'UDP' | 'TCP';
  /** Port that answers come back to; it stands in the topmost Via. */
  readonly port: number;
  /** Differs for every message. */
  readonly serial: number;
}

export interface TortureMessage {
  /** Section and name in the RFC, with a suffix where one section has several messages or a message has a twin. */
  readonly id: string;
  /** The property under test. */
  readonly what: string;
  readonly transport: 'UDP' | 'TCP';
  /** Final statuses in their order; none when the message must be dropped. */
  readonly answers: readonly number[];
  /** Why this outcome. */
  readonly because: string;
  /** Headers that the answer must have, and what they must match. */
  readonly headers?: Readonly<Record<string, RegExp>>;
  /** The stream ends with it. */
  readonly closes?: boolean;
  readonly build: (context: TortureContext) => Buffer;
}

/** What a message is composed of. Every line may be replaced, repeated or left out. */
export interface Composition {
  readonly method?: string;
  readonly uri?: string;
  /** In place of method, URI and version. */
  readonly startLine?: string;
  /** Lines by name in place of the usual ones: one, several, or none for null. */
  readonly lines?: Readonly<Record<string, string | readonly string[] | null>>;
  /** Lines after the usual ones. */
  readonly extra?: readonly string[];
  readonly body?: string | Buffer;
  /** Bytes after the end. */
  readonly trailer?: string | Buffer;
}

export const SDP = [
  'v=0',
  'o=tester 7 7 IN IP4 192.0.2.60',
  's=-',
  'c=IN IP4 192.0.2.60',
  't=0 0',
  'm=audio 40100 RTP/AVP 0',
  'a=sendonly',
  '',
].join('\r\n');

/** The usual lines of a request that nothing is wrong with. */
function usualLines(context: TortureContext, method: string, bytes: number, typed: boolean): Record<string, string> {
  const { transport, port, serial } = context;
  return {
    Via: `Via: SIP/2.0/${transport} 127.0.0.1:${port};branch=${branchOf(context)}`,
    'Max-Forwards': 'Max-Forwards: 70',
    From: `From: <sip:tester@example.org>;tag=from${serial}`,
    To: 'To: <sip:srs@example.org>',
    'Call-ID': `Call-ID: ${callIdOf(context)}`,
    CSeq: `CSeq: 1 ${method}`,
    ...(method === 'INVITE' || method === 'REGISTER'
      ? { Contact: `Contact: <sip:tester@127.0.0.1:${port}${transport === 'TCP' ? ';transport=tcp' : ''}>` }
      : {}),
    ...(typed ? { 'Content-Type': 'Content-Type: application/sdp' } : {}),
    'Content-Length': `Content-Length: ${bytes}`,
  };
}

export function branchOf({ serial }: TortureContext): string {
  return `z9hG4bK.torture.${process.pid}.${serial}`;
}

export function callIdOf({ serial }: TortureContext): string {
  return `torture-${process.pid}-${serial}@example.org`;
}

/** The sent-by of a Via that answers must come back by. */
export function viaLine(context: TortureContext, host: string, parameters = ''): string {
  return `Via: SIP/2.0/${context.transport} ${host}:${context.port};branch=${branchOf(context)}${parameters}`;
}

export function compose(context: TortureContext, composition: Composition = {}): Buffer {
  const { method = 'OPTIONS', uri = 'sip:srs@example.org', lines = {}, extra = [] } = composition;
  const body = Buffer.from(composition.body ?? '');
  const usual = usualLines(context, method, body.length, body.length > 0);
  const unknown = Object.keys(lines).filter((name) => !(name in usual) && lines[name] !== null);
  const written = [...Object.keys(usual), ...unknown].flatMap((name) => {
    const own = lines[name];
    if (own === undefined) return [usual[name] ?? ''];
    return own === null ? [] : typeof own === 'string' ? [own] : [...own];
  });
  const startLine = composition.startLine ?? `${method} ${uri} SIP/2.0`;
  const head = `${[startLine, ...written, ...extra].join('\r\n')}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body, Buffer.from(composition.trailer ?? '')]);
}

/** A message over UDP that is answered with one status, or dropped. */
export function over(
  id: string,
  what: string,
  outcome: number | 'dropped',
  because: string,
  composition: Composition | ((context: TortureContext) => Composition),
  more: Partial<TortureMessage> = {},
): TortureMessage {
  return {
    id,
    what,
    transport: 'UDP',
    answers: outcome === 'dropped' ? [] : [outcome],
    because,
    build: (context) => compose(context, typeof composition === 'function' ? composition(context) : composition),
    ...more,
  };
}

const STATUS_LINES = ['Via', 'From', 'To', 'Call-ID', 'CSeq'];

/** A response that nobody asked for. */
export function stray(startLine: string, lines: Readonly<Record<string, string>> = {}, body = ''): Composition {
  const named = Object.fromEntries(Object.entries(lines).filter(([name]) => STATUS_LINES.includes(name)));
  const extra = Object.entries(lines)
    .filter(([name]) => !STATUS_LINES.includes(name))
    .map(([, line]) => line);
  return { startLine, lines: { 'Max-Forwards': null, ...named }, extra, body };
}
