/** Headers whose value is a comma-separated list (RFC 3261 §7.3.1 and the RFCs that added some). All others may hold commas. */
const LIST_HEADERS = new Set([
  ...['via', 'route', 'record-route', 'contact', 'require', 'supported', 'unsupported', 'proxy-require', 'allow'],
  ...['accept', 'accept-encoding', 'accept-language', 'content-encoding', 'allow-events', 'warning', 'reason', 'path'],
  ...['service-route', 'p-asserted-identity', 'history-info', 'diversion', 'call-info', 'alert-info', 'error-info'],
  ...['in-reply-to', 'content-language'],
]);

export function isListHeader(canonicalName: string): boolean {
  return LIST_HEADERS.has(canonicalName);
}

/** Splits at commas that stand outside quoted strings and angle brackets; empty items are dropped. */
export function splitList(value: string): readonly string[] {
  if (!value.includes(',')) {
    const only = value.trim();
    return only === '' ? [] : [only];
  }
  const items: string[] = [];
  let start = 0;
  let quoted = false;
  let depth = 0;
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i);
    if (quoted) {
      if (c === 0x5c) i++;
      else if (c === 0x22) quoted = false;
    } else if (c === 0x22) quoted = true;
    else if (c === 0x3c) depth = 1;
    else if (c === 0x3e) depth = 0;
    else if (c === 0x2c && depth === 0) {
      items.push(value.slice(start, i).trim());
      start = i + 1;
    }
  }
  items.push(value.slice(start).trim());
  return items.filter((item) => item !== '');
}
