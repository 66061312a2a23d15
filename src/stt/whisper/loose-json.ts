/** What Python's `json.dump` writes for floats that are none; JSON.parse knows only null. */
const NOT_NUMBERS = /^-?(?:NaN|Infinity)/;

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\b': '\\b',
  '\f': '\\f',
};

function escaped(char: string): string {
  return SHORT_ESCAPES[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Rewrites bare NaN and Infinity outside strings as null, and raw control characters inside strings as escapes. */
function repaired(text: string): string {
  const out: string[] = [];
  let inString = false;
  for (let i = 0; i < text.length; i += 1) {
    const char = text.charAt(i);
    if (inString) {
      if (char === '\\') {
        out.push(char, text.charAt(i + 1));
        i += 1;
      } else {
        if (char === '"') inString = false;
        out.push(char < ' ' ? escaped(char) : char);
      }
      continue;
    }
    if (char === '"') inString = true;
    const [word] = char === 'N' || char === 'I' || char === '-' ? (NOT_NUMBERS.exec(text.slice(i, i + 9)) ?? []) : [];
    if (word === undefined) out.push(char);
    else {
      out.push('null');
      i += word.length - 1;
    }
  }
  return out.join('');
}

/** JSON as speech programs write it: a BOM, NaN, Infinity and raw control characters are read around. Throws SyntaxError. */
export function parseLooseJson(text: string): unknown {
  const body = text.replace(/^\uFEFF/, '');
  try {
    return JSON.parse(body);
  } catch {
    return JSON.parse(repaired(body));
  }
}
