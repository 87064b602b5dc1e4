import { MAX_CLASSES, type Task } from '../modules/algorithms/index.js';
import { categoryAt, type Column } from '../modules/model-contract/index.js';
import { badInput } from '../errors.js';
import type { Target } from './port.js';

/** The classes of a target, in ascending order. */
export type Classes = Pick<Target & { kind: 'CLASSES' }, 'classes' | 'datatype'>;

/** Collects the classes of a target, one column of rows after the other. */
export class ClassFinder {
  private readonly found = new Map<string, number>();
  private isNumeric = false;

  constructor(private readonly name: string) {}

  /** Errors: BAD_USER_INPUT for numbers that are not whole, and for too many classes. */
  add(column: Column): void {
    this.isNumeric = column.type === 'NUMBER';
    for (let row = 0; row < column.values.length; row++) {
      const value = column.type === 'NUMBER' ? column.values[row]! : 0;
      if (!Number.isInteger(value))
        throw badInput(
          'config.target.column',
          'whole numbers as classes, or target.greaterThan',
          `${this.name} with ${value}`,
        );
      this.found.set(categoryAt(column, row), value);
    }
    if (this.found.size > MAX_CLASSES)
      throw badInput('config.target.column', `at most ${MAX_CLASSES} classes`, `${this.name} (${this.found.size})`);
  }

  get(): Classes {
    const { found } = this;
    const classes = [...found.keys()].sort();
    if (this.isNumeric) classes.sort((a, b) => found.get(a)! - found.get(b)!);
    // A spelling that no integer has, such as 1.0 or 1e3, stays a text.
    const areIntegers = this.isNumeric && classes.every((name) => String(Number(name)) === name);
    return { classes, datatype: areIntegers ? 'INT64' : 'BYTES' };
  }
}

/** A column as a target; when `classes` are not given, they are the values that occur in it. */
export function targetOf(task: Task, greaterThan: number | undefined, column: Column, classes?: Classes): Target {
  if (task === 'REGRESSION') {
    if (column.type !== 'NUMBER')
      throw badInput('config.target.column', 'a NUMBER column', `${column.name} (${column.type})`);
    return { kind: 'VALUES', values: column.values };
  }
  return greaterThan === undefined ? classTarget(column, classes) : thresholdTarget(column, greaterThan);
}

function thresholdTarget(column: Column, threshold: number): Target {
  if (column.type !== 'NUMBER')
    throw badInput('config.target.column', 'a NUMBER column, as greaterThan needs', `${column.name} (${column.type})`);
  const labels = Int32Array.from(column.values, (value) => (value > threshold ? 1 : 0));
  return { kind: 'CLASSES', classes: ['0', '1'], datatype: 'INT64', labels };
}

function classTarget(column: Column, given: Classes | undefined): Target {
  const classes = given ?? classesOf(column);
  const indexOf = new Map(classes.classes.map((name, index) => [name, index]));
  const labels = new Int32Array(column.values.length);
  for (let row = 0; row < labels.length; row++) labels[row] = indexOf.get(categoryAt(column, row))!;
  return { kind: 'CLASSES', ...classes, labels };
}

function classesOf(column: Column): Classes {
  const finder = new ClassFinder(column.name);
  finder.add(column);
  return finder.get();
}

/** Errors: BAD_USER_INPUT when all these rows have the same class or value. */
export function checkTargetVaries(name: string, target: Target, rows: Int32Array): void {
  const values: ArrayLike<number> = target.kind === 'VALUES' ? target.values : target.labels;
  const only = values[rows[0]!]!;
  if (rows.some((row) => values[row] !== only)) return;
  throw target.kind === 'VALUES'
    ? badInput('config.target.column', 'different values in the training rows', `${name}, always ${only}`)
    : badInput(
        'config.target.column',
        'at least two classes in the training rows',
        `${name}, always ${target.classes[only]}`,
      );
}
