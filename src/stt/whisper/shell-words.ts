import { SrsError } from '../../core/errors.js';

const inDoubleQuotes = new Set(['"', '\\', '$', '`', '\n']);

/**
 * Splits text into words as a POSIX shell does (XCU 2.2): blanks, single and double quotes, backslashes. Nothing is expanded.
 * Throws `SRS_CONFIG_INVALID` for a quote that is never closed and for a backslash at the end.
 */
export function splitShellWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let i = 0; i < text.length; i += 1) {
    const char = text.charAt(i);
    if (quote === "'") {
      if (char === "'") quote = undefined;
      else word = `${word ?? ''}${char}`;
    } else if (char === '\\') {
      i += 1;
      if (i === text.length) throw new SrsError('SRS_CONFIG_INVALID', 'a backslash at the end escapes nothing');
      const next = text.charAt(i);
      const kept = quote === '"' && !inDoubleQuotes.has(next) ? `\\${next}` : next;
      // A newline after a backslash is a line that goes on.
      word = `${word ?? ''}${next === '\n' ? '' : kept}`;
    } else if (quote === '"') {
      if (char === '"') quote = undefined;
      else word = `${word ?? ''}${char}`;
    } else if (char === "'" || char === '"') {
      quote = char;
      // Two quotes with nothing between them are a word, an empty one.
      word ??= '';
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = `${word ?? ''}${char}`;
  }
  if (quote !== undefined) throw new SrsError('SRS_CONFIG_INVALID', `the quote ${quote} is never closed`);
  if (word !== undefined) words.push(word);
  return words;
}
