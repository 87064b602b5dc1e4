import type { ColumnReading } from './dataset-schema.js';
import type { InputColumn, Signature, Tensor, TensorSpec } from './tensor.js';

/** The categories of a column that a model knows, as the training file spells them. */
export class Categories {
  private readonly known: ReadonlySet<string>;
  private byNumber: Map<number, string | null> | null = null;

  constructor(private readonly column: InputColumn & { categories: string[] }) {
    this.known = new Set(column.categories);
  }

  has(text: string): boolean {
    return this.known.has(text);
  }

  /** Whether this text means "no value" in the column's file. */
  isMissing(text: string): boolean {
    const { nullValues, type } = this.column;
    return nullValues !== undefined && nullValues.includes(type === 'STRING' ? text : text.trim());
  }

  /**
   * The category of a JSON number or boolean: the one with JavaScript's spelling; else the only one that is equal as a
   * number, or equal except for upper and lower case; else the value's own spelling, which is unknown.
   */
  spelling(value: number | boolean): string {
    const own = String(value);
    if (this.known.has(own)) return own;
    if (typeof value === 'number') {
      this.byNumber ??= onlyOnes(this.column.categories, (text) => numberOf(text, this.column));
      return this.byNumber.get(value) ?? own;
    }
    const alike = this.column.categories.filter((category) => category.toLowerCase() === own);
    return alike.length === 1 ? alike[0]! : own;
  }

  /** A few categories, for an error. */
  some(): string {
    const shown = this.column.categories.slice(0, 5).map((category) => JSON.stringify(category));
    return shown.join(', ') + (this.column.categories.length > shown.length ? ' and others' : '');
  }
}

/** Each text by its number; null when several texts have the same number. */
function onlyOnes(texts: readonly string[], toNumber: (text: string) => number): Map<number, string | null> {
  const found = new Map<number, string | null>();
  for (const text of texts) {
    const number = toNumber(text);
    if (!Number.isNaN(number)) found.set(number, found.has(number) ? null : text);
  }
  return found;
}

const PLAIN_NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/** The number of a text, with the separators of its column; NaN when it is not a number. */
function numberOf(text: string, { decimalSeparator, thousandsSeparator, unit }: ColumnReading): number {
  let plain = text;
  if (unit) plain = plain.replace(unit, '');
  if (thousandsSeparator) plain = plain.replaceAll(thousandsSeparator, '');
  if (decimalSeparator && decimalSeparator !== '.') plain = plain.replace(decimalSeparator, '.');
  plain = plain.trim();
  return PLAIN_NUMBER.test(plain) ? Number(plain) : Number.NaN;
}

/** Made once per loaded route, not for each request. */
const cached = new WeakMap<InputColumn, Categories>();
const checked = new WeakMap<Signature, readonly CheckedElement[]>();

/** An element of an input whose categories are known. */
interface CheckedElement {
  input: string;
  /** Index of the input in the signature. */
  place: number;
  offset: number;
  perRow: number;
  column: string;
  categories: Categories;
}

function checkedElements(signature: Signature): readonly CheckedElement[] {
  let elements = checked.get(signature);
  if (!elements) {
    elements = signature.inputs.flatMap((spec, place) =>
      (spec.datatype === 'BYTES' && spec.columns ? spec.columns : []).flatMap(
        ({ name: column }, offset, { length: perRow }) => {
          const categories = categoriesOf(spec, offset);
          return categories ? [{ input: spec.name, place, offset, perRow, column, categories }] : [];
        },
      ),
    );
    checked.set(signature, elements);
  }
  return elements;
}

/** The categories of the column that fills an element of each row; undefined when they were not recorded. */
export function categoriesOf(spec: TensorSpec, element: number): Categories | undefined {
  const column = spec.columns?.[element];
  if (!column?.categories) return undefined;
  let categories = cached.get(column);
  if (!categories) {
    categories = new Categories({ ...column, categories: column.categories });
    cached.set(column, categories);
  }
  return categories;
}

/** A category that the training rows did not have. */
export interface UnknownCategory {
  /** Index in the request or batch, from 0. */
  row: number;
  column: string;
  value: string;
}

/**
 * The unknown categories in a model's inputs, in the order of the inputs. A missing value is not an unknown category.
 */
export function unknownCategories(
  signature: Signature,
  tensors: readonly Tensor[],
  tell: (found: UnknownCategory) => void,
): void {
  for (const { input, place, offset, perRow, column, categories } of checkedElements(signature)) {
    const tensor = tensors[place]?.name === input ? tensors[place] : tensors.find(({ name }) => name === input);
    const values = (tensor?.data ?? []) as string[];
    for (let row = 0, i = offset; i < values.length; row++, i += perRow) {
      const value = values[i]!;
      if (value !== '' && !categories.has(value)) tell({ row, column, value });
    }
  }
}

/** All categories that a model knows, by column. */
export function knownCategories(signature: Signature | null | undefined): Map<string, readonly string[]> {
  const columns = (signature?.inputs ?? []).flatMap((spec) => spec.columns ?? []);
  return new Map(columns.flatMap(({ name, categories }) => (categories ? [[name, categories] as const] : [])));
}
