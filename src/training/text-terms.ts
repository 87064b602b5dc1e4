/** How a text becomes numbers. The terms and their weights are learnt from the training rows. */
export interface TextEncoding {
  lowercase: boolean;
  /** The longest term, in words. */
  ngrams: number;
  /** Words, or words with one space between them, by alphabet. */
  terms: readonly string[];
  /** The weight of each term, single precision: ln((1 + texts) / (1 + texts with the term)) + 1. */
  inverseFrequency: Float32Array;
}

export interface TextOptions {
  lowercase: boolean;
  ngrams: number;
  maxTerms: number;
}

/** As in scikit-learn, a word has at least two letters, digits or underscores. The exported graph uses the same. */
export const WORD_PATTERN = String.raw`[\p{L}\p{N}_]+`;
export const SHORTEST_WORD = 2;
const WORDS = new RegExp(WORD_PATTERN, 'gu');
const ASCII_CAPITALS = /[A-Z]+/g;

/** The words of a text, in their order. */
export function wordsOf(text: string, lowercase: boolean): string[] {
  const found = text.match(WORDS) ?? [];
  const words = found.filter((word) => word.length > SHORTEST_WORD || Array.from(word).length >= SHORTEST_WORD);
  return lowercase ? words.map(lowered) : words;
}

/**
 * The graph lowers only A to Z, because for other letters the runtime needs a locale of the machine. Of a word with
 * other letters, it knows all usual spellings instead: lower case, first letter in capitals, capitals. A word in
 * another mixture stays as it is, here as there.
 */
function lowered(word: string): string {
  const ascii = word.replace(ASCII_CAPITALS, (letters) => letters.toLowerCase());
  const lower = eachLetter(ascii, (letter) => letter.toLowerCase());
  return lower === ascii || spellings(lower).includes(ascii) ? lower : ascii;
}

/** The spellings of a lower-case word after A to Z were lowered. */
export function spellings(word: string): string[] {
  const capitals = eachLetter(word, capital);
  const first = Array.from(word)[0] ?? '';
  const capitalized = capital(first) + word.slice(first.length);
  return [...new Set([word, capitalized, capitals])];
}

/** Letters beyond A to Z in capitals. */
function capital(letter: string): string {
  return letter.codePointAt(0)! < 128 ? letter : changed(letter, letter.toUpperCase());
}

function eachLetter(word: string, change: (letter: string) => string): string {
  return Array.from(word, (letter) => changed(letter, change(letter))).join('');
}

/** A letter that becomes several ones stays as it is: the tokens would differ. */
function changed(letter: string, to: string): string {
  return Array.from(to).length === 1 ? to : letter;
}

/** How often each term of a text occurs: single words, and the runs of up to `ngrams` words. */
export function termCounts(text: string, { lowercase, ngrams }: Pick<TextOptions, 'lowercase' | 'ngrams'>) {
  const words = wordsOf(text, lowercase);
  const counts = new Map<string, number>();
  for (let length = 1; length <= ngrams; length++) {
    for (let at = 0; at + length <= words.length; at++) {
      const term = length === 1 ? words[at]! : words.slice(at, at + length).join(' ');
      counts.set(term, (counts.get(term) ?? 0) + 1);
    }
  }
  return counts;
}

interface TermTotal {
  count: number;
  texts: number;
}

/** So many different terms are counted at once: some 100 MB. */
const COUNTED_TERMS = 1_000_000;

/**
 * Learns the most frequent terms; of equally frequent ones, the first by alphabet. With more than `countedTerms`
 * different terms, the rarest are forgotten on the way (lossy counting, Manku and Motwani 2002).
 */
export function fitText(
  texts: Iterable<string>,
  options: TextOptions,
  countedTerms: number = COUNTED_TERMS,
): TextEncoding {
  const { lowercase, ngrams, maxTerms } = options;
  const totals = new Map<string, TermTotal>();
  let textCount = 0;
  let forgottenCount = 0;
  for (const text of texts) {
    textCount += 1;
    for (const [term, count] of termCounts(text, options)) {
      const known = totals.get(term);
      if (known) {
        known.count += count;
        known.texts += 1;
      } else totals.set(term, { count, texts: 1 });
    }
    if (totals.size > countedTerms) forgottenCount = forgetRare(totals, countedTerms / 2, forgottenCount);
  }
  const terms = Array.from(totals.keys())
    .sort((a, b) => totals.get(b)!.count - totals.get(a)!.count || (a < b ? -1 : 1))
    .slice(0, maxTerms)
    .sort();
  const inverseFrequency = Float32Array.from(
    terms,
    (term) => Math.log((1 + textCount) / (1 + totals.get(term)!.texts)) + 1,
  );
  return { lowercase, ngrams, terms, inverseFrequency };
}

/** Forgets the terms that occurred least until `wanted` are left at most; returns the largest count forgotten. */
function forgetRare(totals: Map<string, TermTotal>, wanted: number, forgottenCount: number): number {
  let least = forgottenCount;
  while (totals.size > wanted) {
    least += 1;
    for (const [term, { count }] of totals) if (count <= least) totals.delete(term);
  }
  return least;
}

/** Writes the terms of texts as TF-IDF: counts times weights, scaled to length 1; zeros for a text without a term. */
export class TextWriter {
  private readonly positions: ReadonlyMap<string, number>;

  constructor(private readonly encoding: TextEncoding) {
    this.positions = new Map(encoding.terms.map((term, at) => [term, at]));
  }

  write(text: string, into: Float32Array, at: number): void {
    const found: { position: number; weight: number }[] = [];
    let squares = 0;
    for (const [position, count] of this.counts(text)) {
      const weight = Math.fround(count * this.encoding.inverseFrequency[position]!);
      squares += weight * weight;
      found.push({ position, weight });
    }
    const length = Math.sqrt(squares);
    for (const { position, weight } of found) into[at + position] = weight / length;
  }

  /** Positions of the known terms, and how often the text has them. */
  counts(text: string): [number, number][] {
    return Array.from(termCounts(text, this.encoding)).flatMap(([term, count]): [number, number][] => {
      const position = this.positions.get(term);
      return position === undefined ? [] : [[position, count]];
    });
  }
}
