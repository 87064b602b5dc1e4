import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Table } from '../../src/adapters/dataset-files/port.js';
import { GraphBuilder } from '../../src/inference/onnx/format/graph-builder.js';
import { readGraph } from '../../src/inference/onnx/format/rows/graph.js';
import { proveRowIndependence } from '../../src/inference/onnx/format/rows/row-independence.js';
import type { TensorSpec } from '../../src/modules/model-contract/rules/tensor.js';
import { termCountGraph, textGraph } from '../../src/training/graphs/text-graph.js';
import { fitText, type TextEncoding, TextWriter, wordsOf } from '../../src/training/text-terms.js';
import { tableOf } from '../support/tables.js';
import {
  type ConfigInput,
  ensureBuilt,
  fixturePath,
  runModel,
  temporaryFolder,
  trainModel,
  vegaPath,
} from './support.js';

interface TextCase {
  ngrams: number;
  lowercase: boolean;
  maxTerms: number;
  terms: string[];
  idf: number[];
  rows: { title: string; values: Record<string, number> }[];
  rmse: number;
  r2: number;
}

const { cases } = JSON.parse(readFileSync(fixturePath('text.json'), 'utf8')) as { cases: TextCase[] };

interface Movie {
  Title: string;
  'IMDB Rating': number;
}

const movies = (JSON.parse(readFileSync(vegaPath('movies.json'), 'utf8')) as Movie[]).filter(
  (movie) => movie['IMDB Rating'] !== null && typeof movie.Title === 'string',
);
/** The titles that scikit-learn has learnt from. */
const trainTitles = movies.map(({ Title }) => Title).filter((_, i) => i % 5 > 1);

/** The rated movies, with the parts that scikit-learn has used. */
async function ratedMovies(): Promise<Table> {
  const file = path.join(temporaryFolder(), 'movies.json');
  const part = (i: number): string => (i % 5 === 0 ? 'test' : i % 5 === 1 ? 'validation' : 'train');
  const rows = movies.map(({ Title: title, 'IMDB Rating': rating }, i) => {
    const words = wordsOf(title, true);
    return { title, rating, part: part(i), says: words.includes('of') !== words.includes('man') ? 'yes' : 'no' };
  });
  writeFileSync(file, JSON.stringify(rows));
  return tableOf(file, 'JSON');
}

function written(encoding: TextEncoding, texts: readonly string[]): Float32Array {
  const width = encoding.terms.length;
  const values = new Float32Array(texts.length * width);
  const writer = new TextWriter(encoding);
  texts.forEach((text, row) => writer.write(text, values, row * width));
  return values;
}

async function sessionOf(encoding: TextEncoding, graph: typeof textGraph): Promise<InferenceSession> {
  const b = new GraphBuilder();
  b.input('text', 'string', ['rows', 1]);
  b.output('terms', graph(b, 'text', encoding), 'float', ['rows', encoding.terms.length]);
  const bytes = b.model('text');
  const inputs: TensorSpec[] = [{ name: 'text', datatype: 'BYTES', shape: [-1, 1] }];
  expect(proveRowIndependence(readGraph(bytes), inputs)).toEqual({ proven: true, reason: null });
  return InferenceSession.create(bytes);
}

async function run(session: InferenceSession, texts: readonly string[]): Promise<Float32Array> {
  const { terms } = await session.run({ text: new Tensor('string', [...texts], [texts.length, 1]) });
  return terms!.data as Float32Array;
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

describe('a text feature', () => {
  it.each(cases)(
    'of $ngrams words, lower case: $lowercase, is that of TfidfVectorizer, here and in the graph',
    async (given) => {
      const encoding = fitText(trainTitles, given);
      expect(encoding.terms).toEqual(given.terms);
      expect(largestDifference(encoding.inverseFrequency, given.idf)).toBeLessThan(1e-6);
      const titles = given.rows.map(({ title }) => title);
      const expected = new Float32Array(titles.length * given.terms.length);
      given.rows.forEach(({ values }, row) => {
        for (const [at, value] of Object.entries(values)) expected[row * given.terms.length + Number(at)] = value;
      });
      const own = largestDifference(written(encoding, titles), expected);
      const runtime = largestDifference(await run(await sessionOf(encoding, textGraph), titles), expected);
      console.log(
        `${given.terms.length} terms: ${own.toExponential(1)} here, ${runtime.toExponential(1)} in the runtime`,
      );
      expect(Math.max(own, runtime)).toBeLessThan(1e-6);
    },
  );

  it('keeps the frequent terms when it forgets rare ones on the way', () => {
    const frequent = Array.from({ length: 20 }, (_, i) => `often${i}`);
    const texts = Array.from({ length: 2_000 }, (_, i) => `${frequent[i % 20]!} once${i} ${frequent[(i * 7) % 20]!}`);
    const options = { lowercase: true, ngrams: 1, maxTerms: 20 };
    const { terms } = fitText(texts, options, 100);
    expect(terms).toEqual([...frequent].sort());
    expect(fitText(texts, options)).toMatchObject({ terms });
  });

  it('has words of two letters, digits or underscores, lowered whatever the letters are', () => {
    expect(wordsOf("Don't STOP_it, a 42 naïve Über ÉTÉ-Straße 東京 x", true)).toEqual([
      ...['don', 'stop_it', '42', 'naïve', 'über', 'été', 'straße', '東京'],
    ]);
    expect(wordsOf('The the THE', false)).toEqual(['The', 'the', 'THE']);
    expect(wordsOf('', true)).toEqual([]);
  });

  it('has the same counts in the runtime, for any text', async () => {
    const learnt = [
      'Über den Wolken, über allen Bergen, ÜBER',
      'été à la plage, Été Indien, ÉTÉ',
      'straße 東京 42 naïve_word naïve_word #hash tag',
      'Ελλάδα ελλάδα ΕΛΛΆΔΑ Москва москва',
    ];
    for (const [ngrams, lowercase] of [
      [1, true],
      [2, true],
      [3, false],
    ] as const) {
      const encoding = fitText(learnt, { ngrams, lowercase, maxTerms: 200 });
      const session = await sessionOf(encoding, termCountGraph);
      const writer = new TextWriter(encoding);
      const words = learnt.flatMap((text) => text.split(' '));
      const piece = fc.oneof(fc.constantFrom(...words), fc.string({ unit: 'grapheme', maxLength: 6 }));
      const text = fc
        .array(fc.tuple(piece, fc.constantFrom(' ', '-', ', ', '\n', '')), { maxLength: 12 })
        .chain((pieces) => {
          const joined = pieces.flat().join('');
          return fc.constantFrom(joined, joined.toUpperCase(), joined.toLowerCase());
        });
      await fc.assert(
        fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 6 }), async (texts) => {
          const counts = new Float32Array(texts.length * encoding.terms.length);
          texts.forEach((one, row) => {
            for (const [at, count] of writer.counts(one)) counts[row * encoding.terms.length + at] = count;
          });
          expect(Array.from(await run(session, texts))).toEqual(Array.from(counts));
        }),
        { numRuns: 150 },
      );
    }
  });

  it('is zero for texts without a known term, also when a whole request has none', async () => {
    const encoding = fitText(['some words', 'more words'], { ngrams: 2, lowercase: true, maxTerms: 10 });
    const session = await sessionOf(encoding, textGraph);
    for (const texts of [[''], ['', 'x', '!?'], ['other things']])
      expect(Array.from(await run(session, texts))).toEqual(Array(texts.length * encoding.terms.length).fill(0));
  });
});

describe('a training with a text feature', () => {
  beforeAll(ensureBuilt, 60_000);
  const split = { by: 'COLUMN', column: 'part' } as const;

  it('gives the ridge regression of scikit-learn', async () => {
    const table = await ratedMovies();
    for (const { ngrams, lowercase, maxTerms, rmse, r2 } of cases) {
      const { outcome } = await trainModel(table, {
        algorithm: 'LINEAR_REGRESSION',
        target: { column: 'rating' },
        features: [{ column: 'title', kind: 'TEXT', ngrams, lowercase, maxTerms }],
        split,
      });
      expect(outcome.metrics['holdout.rmse']).toBeCloseTo(rmse, 5);
      expect(outcome.metrics['holdout.r2']).toBeCloseTo(r2, 5);
      expect(outcome.agreementMaxAbsDiff).toBeLessThan(1e-5);
    }
  });

  it.each<[string, ConfigInput['algorithm'], ConfigInput['hyperparameters']]>([
    ['a classification', 'LOGISTIC_REGRESSION', {}],
    ['a network', 'MLP_CLASSIFIER', { epochs: 4, hiddenLayers: [16] }],
    ['trees', 'BOOSTED_TREES_CLASSIFIER', { epochs: 40, minLeafRows: 5 }],
    ['clusters', 'KMEANS', { clusters: 4, epochs: 20 }],
  ])('makes %s whose model takes texts', async (_, algorithm, hyperparameters) => {
    const target = algorithm === 'KMEANS' ? {} : { target: { column: 'rating', greaterThan: 6.4 } };
    const { outcome } = await trainModel(await ratedMovies(), {
      ...{ algorithm, ...target, split, hyperparameters },
      features: [{ column: 'title', kind: 'TEXT', ngrams: 2 }],
    });
    expect(outcome.signature.inputs).toMatchObject([{ name: 'title', datatype: 'BYTES', shape: [-1, 1] }]);
    expect(outcome.agreementMaxAbsDiff).toBeLessThan(1e-4);
    const data = ['The Return of the King', '', 'xyzzy'];
    const answers = await runModel(outcome.modelPath, [{ name: 'title', datatype: 'BYTES', shape: [3, 1], data }]);
    const values = Array.from(answers[algorithm === 'KMEANS' ? 'distances' : 'probabilities']!.data as Float32Array);
    const width = values.length / data.length;
    // A text without a known word is like a missing one.
    expect(values.slice(width, 2 * width)).toEqual(values.slice(2 * width));
    expect(values.slice(0, width)).not.toEqual(values.slice(width, 2 * width));
  });

  it('makes trees that find the words that decide, and the exported ones count them in the same way', async () => {
    const { outcome } = await trainModel(await ratedMovies(), {
      ...{ algorithm: 'BOOSTED_TREES_CLASSIFIER', target: { column: 'says' }, split },
      features: [{ column: 'title', kind: 'TEXT' }],
      hyperparameters: { epochs: 60, minLeafRows: 2 },
    });
    expect(outcome.metrics['holdout.roc_auc']).toBeGreaterThan(0.97);
    // Counts are whole numbers, so that no rounding moves one to another bin.
    expect(outcome.agreementMaxAbsDiff).toBeLessThan(1e-6);
  });
});
