import { SrsError } from '../core/errors.js';

/** An m-line and the lines below it. */
export interface SdpSection {
  /** Tokens of the m-line: media, port, profile, formats. Empty when the line could not be read. */
  readonly media: readonly string[];
  /** `x=value`, without the m-line. */
  readonly lines: readonly string[];
}

export interface SdpLines {
  readonly session: readonly string[];
  readonly sections: readonly SdpSection[];
  /** Lines that are no SDP at all. */
  readonly ignored: number;
}

const MAX_BYTES = 65_536;
const MAX_LINE = 2048;
const MAX_LINES = 4000;
const MAX_SECTIONS = 64;

/** Types whose fields are separated by exactly one space in the grammar, and by anything blank in the field. */
const FIELDS = new Set(['o', 'c', 't', 'm']);

/**
 * Cuts SDP into clean lines: any line end, blanks trimmed and folded, attribute names in lower case, empty lines and lines
 * that are no SDP dropped (AudioCodes sends bare LF, one Cisco capture has an empty line between m-sections).
 *
 * Pure. Throws `SRS_SDP_MALFORMED` over 64 KiB, 4,000 lines or 64 m-lines, or when not one v=, o= or m= line is there.
 */
export function cutSdp(bytes: Uint8Array): SdpLines {
  if (bytes.byteLength > MAX_BYTES) throw new SrsError('SRS_SDP_MALFORMED', `SDP larger than ${MAX_BYTES} bytes`);
  const text = new TextDecoder().decode(bytes);
  const session: string[] = [];
  const sections: { media: string[]; lines: string[] }[] = [];
  let ignored = 0;
  let recognised = false;
  const written = text.split(/\r\n|\r|\n/);
  if (written.length > MAX_LINES) throw new SrsError('SRS_SDP_MALFORMED', `SDP of more than ${MAX_LINES} lines`);
  for (const raw of written) {
    const line = cleanLine(raw);
    if (line === undefined) {
      if (raw.trim() !== '') ignored += 1;
      continue;
    }
    recognised ||= /^[vom]=/.test(line);
    if (line.startsWith('m=')) {
      if (sections.length === MAX_SECTIONS)
        throw new SrsError('SRS_SDP_MALFORMED', `more than ${MAX_SECTIONS} m-lines`);
      sections.push({ media: mediaTokens(line.slice(2)), lines: [] });
    } else {
      (sections.at(-1)?.lines ?? session).push(line);
    }
  }
  if (!recognised) throw new SrsError('SRS_SDP_MALFORMED', 'the SDP has no v=, o= or m= line');
  return { session, sections, ignored };
}

function cleanLine(raw: string): string | undefined {
  const line = raw
    .replace(/^\uFEFF/, '')
    .replace(/\t/g, ' ')
    .replace(/\p{Cc}/gu, '')
    .trim();
  const match = /^([A-Za-z])[ \t]*=[ \t]*(.*)$/.exec(line);
  if (!match || line.length > MAX_LINE) return undefined;
  const type = (match[1] ?? '').toLowerCase();
  const value = match[2] ?? '';
  if (FIELDS.has(type)) return `${type}=${value.replace(/[ \t]+/g, ' ')}`;
  if (type !== 'a') return `${type}=${value}`;
  const [, name = '', rest = ''] = /^([^:\s]*)\s*(.*)$/.exec(value) ?? [];
  const body = rest.startsWith(':') ? `:${rest.slice(1).trim()}` : '';
  return `a=${name.toLowerCase()}${body}`;
}

/** `49170/2` (a port count, RFC 8866 §5.14) is cut to its port. An unreadable line keeps its place with no tokens. */
function mediaTokens(value: string): string[] {
  const [media = '', port = '', profile = '', ...formats] = value.split(' ').filter((token) => token !== '');
  const number = /^(\d{1,5})(?:\/\d+)?$/.exec(port)?.[1];
  if (number === undefined || Number(number) > 65_535 || profile === '') return [];
  return [media, number, profile, ...formats];
}
