import { Buffer } from 'node:buffer';
import type { CallAttributes, RecordingMetadata } from '../core/model.js';
import { ownedText } from './owned-text.js';
import type { SipRequestView } from './sip-server.js';

const MAX_NAMES = 64;
const MAX_VALUES = 8;
const MAX_VALUE = 1024;
const MAX_NAME = 64;

/** Header fields that tie a recording to its call or say how it came about; every `X-` field besides. */
const HEADERS = [
  'cisco-guid',
  'cisco-gucid',
  'session-id',
  'user-to-user',
  'call-info',
  'history-info',
  'diversion',
  'p-asserted-identity',
  'p-charging-vector',
  'privacy',
  'reason',
];

/** What CUCM tells of a forked call in the URI of From, in place of metadata. */
const FROM_PARAMETER = /;\s*(x-[a-z]{2,32})(?:\s*=\s*([^;>\s,]{0,256}))?/gi;

/** The parameter of the request URI in which Genesys SIP Server names the conversation. */
const RECORD_PARAMETER = /;\s*record\s*=\s*([^;?>\s,]{1,256})/i;

/** Elements of vendors' extensions, by local name. `callid` and the like count only there: nobody else's element has the name. */
const ELEMENTS: ReadonlySet<string> = new Set([
  ...(['ucid', 'avayaucid', 'callerorig', 'callingparty', 'realm', 'in-realm'] as const),
  ...(['exttrackingid', 'serviceproviderid', 'recordingtype', 'gcid', 'callid', 'groupseq'] as const),
  ...(['callednumber', 'callingnumber', 'direction'] as const),
]);
const ELEMENT = /<(?:[\w.-]{1,64}:)?([\w.-]{1,64})(?:\s[^<>]{0,512})?>([^<>]{1,1024})<\//g;

/**
 * What ties this call to others, by lower-case name (RFC 7866 §9.2 leaves it to each vendor). Bounded in names, values and lengths;
 * values are kept as written, but a UCID is cut out of its wrapping so that
 * Oracle, AudioCodes and Avaya name one call alike. Never logged: numbers of people are among them.
 *
 * @param only names that may be kept; all when not given
 */
export function readCallAttributes(
  request: SipRequestView,
  metadata: RecordingMetadata | undefined,
  only?: readonly string[],
): CallAttributes | undefined {
  const found = new AttributeList(only);
  for (const name of [...HEADERS, ...extensionHeaders(request)]) found.add(name, request.headers(name));
  for (const [, name = '', value = ''] of (request.header('from') ?? '').slice(0, 2048).matchAll(FROM_PARAMETER)) {
    found.add(name.toLowerCase(), [value === '' ? 'true' : value]);
  }
  found.add('record', [RECORD_PARAMETER.exec(request.uri.slice(0, 2048))?.[1] ?? '']);
  found.add('ucid', request.headers('user-to-user').map(ucidOf));
  if (metadata) addMetadata(found, metadata);
  return found.result;
}

function addMetadata(found: AttributeList, metadata: RecordingMetadata): void {
  found.add(
    'sipsessionid',
    metadata.sessions.flatMap((session) => session.sipSessionIds),
  );
  found.add(
    'group_id',
    metadata.groups?.map(({ id }) => id) ?? metadata.sessions.map((session) => session.groupId ?? ''),
  );
  for (const { xml } of metadata.extensions ?? []) {
    for (const [, name = '', text = ''] of xml.matchAll(ELEMENT)) {
      const local = name.toLowerCase();
      if (!ELEMENTS.has(local)) continue;
      if (local === 'ucid' || local === 'avayaucid') found.add('ucid', [ucidOf(text) || plain(text)]);
      if (local !== 'ucid') found.add(local, [plain(text)]);
    }
  }
}

/** The eight bytes of an Avaya UCID in user-to-user information: after its tag, FA, and its length. Empty when there is none. */
function ucidOf(value: string): string {
  return /^(?:04|00)?FA08([0-9A-F]{16})/i.exec(value.trim())?.[1]?.toUpperCase() ?? '';
}

function plain(text: string): string {
  return text.replace(/;\s*encoding=hex\s*$/i, '');
}

/** A front gives fields by name only, so their names are read off the message. */
function extensionHeaders(request: SipRequestView): readonly string[] {
  const { raw } = request;
  const text = Buffer.from(raw.buffer, raw.byteOffset, Math.min(raw.byteLength, 65_536)).toString('latin1');
  const blank = /\r?\n\r?\n/.exec(text)?.index ?? text.length;
  const names = new Set<string>();
  for (const [, name = ''] of text.slice(0, blank).matchAll(/^(x-[\w.-]{1,62})[ \t]*:/gim)) {
    names.add(name.toLowerCase());
    if (names.size >= MAX_NAMES) break;
  }
  return [...names];
}

class AttributeList {
  readonly #only: ReadonlySet<string> | undefined;
  readonly #found = new Map<string, string[]>();

  constructor(only: readonly string[] | undefined) {
    this.#only = only && new Set(only.map((name) => name.toLowerCase()));
  }

  add(name: string, values: readonly string[]): void {
    if (name.length > MAX_NAME || (this.#only && !this.#only.has(name))) return;
    for (const value of values) {
      const text = value.trim().slice(0, MAX_VALUE);
      const known = this.#found.get(name) ?? [];
      if (text === '' || known.includes(text) || known.length >= MAX_VALUES) continue;
      if (known.length === 0 && this.#found.size >= MAX_NAMES) return;
      this.#found.set(name, known.concat(ownedText(text)));
    }
  }

  get result(): CallAttributes | undefined {
    return this.#found.size === 0 ? undefined : Object.fromEntries(this.#found);
  }
}
