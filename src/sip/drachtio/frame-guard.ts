const START = /^(?:SIP\/\d+\.\d+\s+\d+|[\w\-.!%*_+`'~]+\s\S+\sSIP\s*\/\s*\d+\.\d+)/;
const HEADER = /^\S*?\s*:/;
const KINDS = new Set(['sip', 'response']);

/**
 * A frame of the control protocol that drachtio-srf can read, or undefined when there is nothing to be read in it.
 *
 * drachtio-srf prints a whole message to stderr when one of its lines is no header, and never answers it; a frame of unknown kind
 * makes it throw out of the socket's handler. Such lines are no part of the message (RFC 3261 §8.2) and go; such frames go whole.
 */
export function readableFrame(frame: string): string | undefined {
  const lineEnd = frame.indexOf('\r\n');
  const leader = lineEnd < 0 ? frame : frame.slice(0, lineEnd);
  if (!KINDS.has(leader.split('|', 2)[1] ?? '')) return undefined;
  if (lineEnd < 0) return leader.split('|', 2)[1] === 'response' ? frame : undefined;
  const message = frame.slice(lineEnd + 2);
  const blank = message.indexOf('\r\n\r\n');
  const head = blank < 0 ? message : message.slice(0, blank);
  const [start = '', ...lines] = head.split(/\r\n(?![ \t])/);
  if (!START.test(start)) return undefined;
  const headers = lines.filter((line) => HEADER.test(line));
  if (headers.length === lines.length) return frame;
  return `${leader}\r\n${[start, ...headers].join('\r\n')}${blank < 0 ? '' : message.slice(blank)}`;
}
