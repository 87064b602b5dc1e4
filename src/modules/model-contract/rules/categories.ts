import type { ColumnReading } from './dataset-schema.js';
import type { InputColumn, Signature, Tensor, TensorSpec } from './tensor.js';

/** The categories of a column that a model knows, in the spelling of the file that it was trained on. */
export class Categories {
  private readonly known: ReadonlySet<string>;
  private byNumber: Map<number, string | null> | null = null;

  constructor(private readonly column: InputColumn & { categories: string[] }) {
    this.known = new Set(column.categories);
  }

  has(text: string): boolean {
    return this.known.has(text);
  }

  /** Whether the column's file means "no value" by the text. */
  isMissing(text: string): boolean {
    const { nullValues, type } = this.column;
    return nullValues !== undefined && nullValues.includes(type === 'STRING' ? text : text.trim());
  }

  /**
   * The category that a JSON number or boolean means: the one that JavaScript spells so, else the only one that is
   * equal as a number, or but for the case of its letters; else the value's own spelling, which is unknown.
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

  /** A few of them, for an error. */
  some(): string {
    const shown = this.column.categories.slice(0, 5).map((category) => JSON.stringify(category));
    return shown.join(', ') + (this.column.categories.length > shown.length ? ' and others' : '');
  }
}

/** Each text under its number; null under one that several have. */
function onlyOnes(texts: readonly string[], toNumber: (text: string) => number): Map<number, string | null> {
  const found = new Map<number, string | null>();
  for (const text of texts) {
    const number = toNumber(text);
    if (!Number.isNaN(number)) found.set(number, found.has(number) ? null : text);
  }
  return found;
}

const PLAIN_NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/** A text as a number, by its column's separators; NaN when it is not a number. */
function numberOf(text: string, { decimalSeparator, thousandsSeparator, unit }: ColumnReading): number {
  let plain = text;
  if (unit) plain = plain.replace(unit, '');
  if (thousandsSeparator) plain = plain.replaceAll(thousandsSeparator, '');
  if (decimalSeparator && decimalSeparator !== '.') plain = plain.replace(decimalSeparator, '.');
  plain = plain.trim();
  return PLAIN_NUMBER.test(plain) ? Number(plain) : Number.NaN;
}

/** Made once for each reading of a route, not for each request. */
const cached = new WeakMap<InputColumn, Categories>();
const checked = new WeakMap<Signature, readonly CheckedElement[]>();

/** An element of an input whose categories are known. */
interface CheckedElement {
  input: string;
  /** Place of the input in the signature. */
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

/** Of the column that fills an element of each row; undefined when nobody recorded them. */
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

/** A category that the model never saw. */
export interface UnknownCategory {
  /** 0-based position in the request or batch. */
  row: number;
  column: string;
  value: string;
}

/**
 * The categories among a model's inputs that it does not know, in the order of the inputs; a missing value is not one
 * of them.
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

/** All that a model knows, by column. */
export function knownCategories(signature: Signature | null | undefined): Map<string, readonly string[]> {
  const columns = (signature?.inputs ?? []).flatMap((spec) => spec.columns ?? []);
  return new Map(columns.flatMap(({ name, categories }) => (categories ? [[name, categories] as const] : [])));
}
