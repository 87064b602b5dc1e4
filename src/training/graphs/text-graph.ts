import { type GraphBuilder, MICROSOFT_DOMAIN } from '../../inference/onnx/format/graph-builder.js';
import { SHORTEST_WORD, spellings, type TextEncoding, WORD_PATTERN } from '../text-terms.js';

/** Fills the list of words of shorter texts; it is no word. */
const PADDING = '#';
/** Avoids 0 / 0 for a text without a known term. */
const SMALLEST_LENGTH = 1e-20;

/** rows × terms, float: how often each term occurs in the texts of a column (rows × 1, string). */
export function termCountGraph(b: GraphBuilder, column: string, encoding: TextEncoding): string {
  const texts = b.node('Reshape', [column, b.ints(-1)]);
  const cased = encoding.lowercase
    ? b.node('StringNormalizer', [texts], {
        case_change_action: { text: 'LOWER' },
        is_case_sensitive: { int: 1 },
        // The only locale that every machine has. It lowers A to Z.
        locale: { text: 'C' },
      })
    : texts;
  const words = b.node(
    'Tokenizer',
    [cased],
    {
      mark: { int: 0 },
      mincharnum: { int: SHORTEST_WORD },
      pad_value: { text: PADDING },
      tokenexp: { text: WORD_PATTERN },
    },
    MICROSOFT_DOMAIN,
  );
  const pool = poolOf(encoding);
  return b.node('TfIdfVectorizer', [words], {
    mode: { text: 'TF' },
    min_gram_length: { int: 1 },
    max_gram_length: { int: pool.starts.length },
    max_skip_count: { int: 0 },
    ngram_counts: { ints: pool.starts },
    ngram_indexes: { ints: pool.positions },
    pool_strings: { texts: pool.words },
  });
}

/** rows × terms, float: TF-IDF, as `TextWriter` writes it. */
export function textGraph(b: GraphBuilder, column: string, encoding: TextEncoding): string {
  const counts = termCountGraph(b, column, encoding);
  const weighted = b.node('Mul', [counts, b.constant(encoding.inverseFrequency, [1, encoding.terms.length])]);
  const squares = b.node('ReduceSum', [b.node('Mul', [weighted, weighted]), b.ints(1)], { keepdims: { int: 1 } });
  const length = b.node('Max', [b.node('Sqrt', [squares]), b.float(SMALLEST_LENGTH)]);
  return b.node('Div', [weighted, length]);
}

/**
 * The terms in the form of TfIdfVectorizer: all of one word, then all of two, and so on. A term with letters beyond A
 * to Z has an entry for each spelling, with the same position.
 */
function poolOf({ terms, lowercase }: TextEncoding): {
  words: string[];
  starts: number[];
  positions: number[];
} {
  const pool = { words: [] as string[], starts: [] as number[], positions: [] as number[] };
  const longest = Math.max(1, ...terms.map((term) => term.split(' ').length));
  for (let length = 1; length <= longest; length++) {
    pool.starts.push(pool.words.length);
    terms.forEach((term, position) => {
      const words = term.split(' ');
      if (words.length !== length) return;
      const entries = lowercase ? combinations(words.map(spellings)) : [words];
      for (const entry of entries) {
        pool.words.push(...entry);
        pool.positions.push(position);
      }
    });
  }
  return pool;
}

function combinations(choices: readonly string[][]): string[][] {
  return choices.reduce<string[][]>((made, next) => made.flatMap((head) => next.map((word) => [...head, word])), [[]]);
}
