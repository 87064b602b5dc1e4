import { Field, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { Range } from './range.js';
import { NAME } from '../../modules/core/index.js';

@ObjectType({ description: 'A key and its text: a tag or a parameter.' })
export class KeyValue {
  @Field(() => String, { description: 'Key, unique among the tags or parameters of its owner; 1 to 250 characters.' })
  key!: string;

  @Field(() => String, {
    description:
      'Text of the tag or parameter: at most 8,000 characters for runs, 20,000 for experiments, ' +
      '100,000 for models, versions and logged models.',
  })
  value!: string;
}

@InputType({ description: 'A key and its text: a tag or a parameter.' })
export class KeyValueInput {
  @Range(NAME)
  @Field(() => String, { description: 'Key of the tag or parameter.' })
  key!: string;

  @Field(() => String, {
    description: 'Text of the tag or parameter; the list that it stands in may say less.',
  })
  value!: string;
}

export enum OrderDirection {
  ASC = 'ASC',
  DESC = 'DESC',
}
registerEnumType(OrderDirection, {
  name: 'OrderDirection',
  description: 'Ascending or descending sort order.',
  valuesConfig: {
    ASC: { description: 'Ascending: smallest, oldest or alphabetically first item first.' },
    DESC: { description: 'Descending: largest, newest or alphabetically last item first.' },
  },
});

/** A record as the list of its entries. */
export function toKeyValues(record: Record<string, string>): KeyValue[] {
  return Object.entries(record).map(([key, value]) => ({ key, value }));
}

/** Registers an enum with a description for each of its values. */
export function describeEnum<T extends string>(
  name: string,
  description: string,
  values: Record<T, string>,
): Record<T, T> {
  const enumObject = Object.fromEntries(Object.keys(values).map((key) => [key, key])) as Record<T, T>;
  registerEnumType(enumObject, {
    name,
    description,
    valuesConfig: Object.fromEntries(
      Object.entries<string>(values).map(([key, text]) => [key, { description: text }]),
    ) as Record<T, { description: string }>,
  });
  return enumObject;
}

/** Registers the orders of a list: the GraphQL name, the property of the entity, and a description. */
export function describeOrderFields<Field extends string>(
  name: string,
  about: string,
  fields: Record<string, [Field, string]>,
): Record<string, Field> {
  const enumObject = Object.fromEntries(Object.entries(fields).map(([key, [property]]) => [key, property]));
  registerEnumType(enumObject, {
    name,
    description: about,
    valuesConfig: Object.fromEntries(Object.entries(fields).map(([key, [, description]]) => [key, { description }])),
  });
  return enumObject;
}

/** An enum whose values the modules contribute before the schema is built. */
export function contributedEnum(
  name: string,
  description: string,
): { values: Record<string, string>; add(value: string, about: string): void } {
  const values: Record<string, string> = {};
  const valuesConfig: Record<string, { description: string }> = {};
  registerEnumType(values, { name, description, valuesConfig });
  return {
    values,
    add(value, about) {
      if (value in values) throw new Error(`Two modules contribute ${value} to ${name}.`);
      values[value] = value;
      valuesConfig[value] = { description: about };
    },
  };
}
