import { GraphQLScalarType, Kind, type ValueNode } from 'graphql';
import { Field, InputType, Int, ObjectType } from 'type-graphql';
import type { Tensor } from '../../modules/model-contract/index.js';
import { jsonElements } from '../../modules/serving/index.js';
import { DatatypeEnum } from '../registry/model-version.types.js';
import { scalarError } from '../types/scalars.js';

function literalValues(node: ValueNode): unknown {
  switch (node.kind) {
    case Kind.INT:
    case Kind.FLOAT:
      return Number(node.value);
    case Kind.STRING:
    case Kind.BOOLEAN:
      return node.value;
    case Kind.NULL:
      return null;
    case Kind.LIST:
      return node.values.map(literalValues);
    default:
      throw scalarError('TensorData', 'a list of numbers, booleans or strings', node.kind);
  }
}

function elements(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw scalarError('TensorData', 'a flat list of elements', value);
  return value;
}

/** One scalar for all elements: a list of a million Floats would cost GraphQL more time than the model needs. */
export const TensorData = new GraphQLScalarType<unknown[], unknown[]>({
  name: 'TensorData',
  description:
    'Elements of a tensor as a flat list in row-major order: numbers, booleans or strings, ' +
    'depending on the datatype. Null is a missing number, if the model accepts missing values. In ' +
    'outputs, NaN and infinities are the strings "NaN", "Infinity" and "-Infinity".',
  parseValue: elements,
  parseLiteral: (node) => elements(literalValues(node)),
  serialize: (value) => jsonElements(value as Tensor),
});

@InputType({ description: 'One input of a model, with the field names of the Open Inference Protocol.' })
export class TensorInput {
  @Field(() => String, { description: 'Name of the input, as in the model’s signature.' })
  name!: string;

  @Field(() => DatatypeEnum, { description: 'Element type, as in the signature.' })
  datatype!: keyof typeof DatatypeEnum;

  @Field(() => [Int], { description: 'Length of each dimension; the first is the number of rows, at most 10,000.' })
  shape!: number[];

  @Field(() => TensorData, { description: 'Elements of the tensor, as many as the product of `shape`.' })
  data!: unknown[];
}

@ObjectType({
  description: 'One output of a model, with the field names of the Open Inference Protocol.',
  simpleResolvers: true,
})
export class OutputTensor {
  @Field(() => String, { description: 'Name of the output, as in the model’s signature.' })
  name!: string;

  @Field(() => DatatypeEnum, { description: 'Element type.' })
  datatype!: keyof typeof DatatypeEnum;

  @Field(() => [Int], { description: 'Length of each dimension; the first is the number of rows.' })
  shape!: number[];

  @Field(() => TensorData, { description: 'Elements of the tensor, as many as the product of `shape`.' })
  data!: Tensor;
}

/** `data` is the tensor itself; its elements are written only when they are selected. */
export function toOutputTensor(tensor: Tensor): OutputTensor {
  return { name: tensor.name, datatype: tensor.datatype, shape: tensor.shape, data: tensor };
}
