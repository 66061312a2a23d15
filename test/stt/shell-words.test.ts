import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitShellWords } from '../../src/stt/whisper/shell-words.js';

describe('splitShellWords', () => {
  it.each([
    ['', []],
    ['  \t\n ', []],
    ['--beam_size 5  --fp16 False', ['--beam_size', '5', '--fp16', 'False']],
    [`--initial_prompt 'Hello, "Acme" world'`, ['--initial_prompt', 'Hello, "Acme" world']],
    [`--initial_prompt "it's \\"quoted\\" \\$5 \\n"`, ['--initial_prompt', `it's "quoted" $5 \\n`]],
    [`a"b"'c'd`, ['abcd']],
    [`--prompt '' ""`, ['--prompt', '', '']],
    ['a\\ b \\"c', ['a b', '"c']],
    ['one\\\ntwo', ['onetwo']],
    ['$HOME `id` * ~ ;|&', ['$HOME', '`id`', '*', '~', ';|&']],
  ])('splits %j', (text, words) => {
    expect(splitShellWords(text)).toEqual(words);
  });

  it.each([`--prompt 'never closed`, '--prompt "never closed', 'ends with \\', `"a\\"`])('refuses %j', (text) => {
    expect(() => splitShellWords(text)).toThrow(expect.objectContaining({ code: 'SRS_CONFIG_INVALID' }));
  });

  it('agrees with bash on words of quotes, backslashes, blanks and letters', () => {
    const texts = fc.sample(
      fc.string({ unit: fc.constantFrom('a', 'b', ' ', "'", '"', '\\', '-'), maxLength: 12 }),
      400,
    );
    const ours = texts.map((text) => {
      try {
        return splitShellWords(text).join('\x1f');
      } catch {
        return 'refused';
      }
    });
    // One bash for all. A backslash at the very end is refused by us and kept by bash, so those texts are left out.
    const script = texts.map((text, i) => {
      if (ours[i] === 'refused' && text.endsWith('\\')) return "printf 'refused\\0'";
      const quoted = `'${text.replaceAll("'", `'\\''`)}'`;
      const split = `eval "set -- "${quoted} && IFS=$'\\x1f' && printf '%s\\0' "$*"`;
      return `(${split}) 2>/dev/null || printf 'refused\\0'`;
    });
    const theirs = execFileSync('bash', ['-c', script.join('\n')], { encoding: 'utf8' })
      .split('\0')
      .slice(0, -1);
    expect(theirs.map((line, i) => [texts[i], line])).toEqual(ours.map((line, i) => [texts[i], line]));
  });
});
