/** How far a transcript is from what was said. */
export interface WordErrors {
  /** Errors divided by the words of the reference; may be over 1. With an empty reference: 0 or, for any word heard, 1. */
  readonly rate: number;
  readonly errors: number;
  /** Words of the reference. */
  readonly words: number;
  readonly substitutions: number;
  readonly insertions: number;
  readonly deletions: number;
}

interface Cost {
  readonly substitutions: number;
  readonly insertions: number;
  readonly deletions: number;
}

const total = (cost: Cost): number => cost.substitutions + cost.insertions + cost.deletions;

/** Word error rate by the shortest edit path. Case and punctuation do not count. */
export function wordErrorRate(reference: string, hypothesis: string): WordErrors {
  const said = normalisedWords(reference);
  const heard = normalisedWords(hypothesis);
  let row: Cost[] = heard.map((_, index) => ({ substitutions: 0, insertions: index + 1, deletions: 0 }));
  row.unshift({ substitutions: 0, insertions: 0, deletions: 0 });
  for (const [index, word] of said.entries()) row = nextRow(row, index + 1, word, heard);
  const cost = row[row.length - 1] ?? { substitutions: 0, insertions: 0, deletions: 0 };
  const errors = total(cost);
  const rate = said.length === 0 ? Math.min(1, errors) : errors / said.length;
  return { rate, errors, words: said.length, ...cost };
}

/** Lower case, digits and letters of any script; an apostrophe inside a word stays, as in `don't`. */
export function normalisedWords(text: string): string[] {
  return (
    text
      .normalize('NFKC')
      .toLowerCase()
      .replaceAll('’', "'")
      .match(/[\p{L}\p{N}\p{M}]+(?:'[\p{L}\p{N}\p{M}]+)*/gu) ?? []
  );
}

function nextRow(above: readonly Cost[], deletions: number, word: string, heard: readonly string[]): Cost[] {
  const row: Cost[] = [{ substitutions: 0, insertions: 0, deletions }];
  for (const [index, other] of heard.entries()) {
    const diagonal = above[index];
    const up = above[index + 1];
    const left = row[index];
    if (!diagonal || !up || !left) break;
    row.push(word === other ? diagonal : cheapest(diagonal, up, left));
  }
  return row;
}

function cheapest(diagonal: Cost, up: Cost, left: Cost): Cost {
  const substituted = total(diagonal);
  const deleted = total(up);
  const inserted = total(left);
  if (substituted <= deleted && substituted <= inserted) {
    return { ...diagonal, substitutions: diagonal.substitutions + 1 };
  }
  if (deleted <= inserted) return { ...up, deletions: up.deletions + 1 };
  return { ...left, insertions: left.insertions + 1 };
}
