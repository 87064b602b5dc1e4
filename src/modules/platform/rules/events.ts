import { z } from 'zod';

type Payload = z.ZodType<object>;

/** A type of lifecycle event, as the module that emits it declares it. */
export interface EventType<Name extends string = string, P extends Payload = Payload> {
  /** As it is stored and as the API names it: capitals and underscores. */
  readonly name: Name;
  /** What has happened, for the API. */
  readonly about: string;
  readonly payload: P;
}

export type PayloadOf<Type extends EventType> = z.output<Type['payload']>;

interface EventDescription {
  about: string;
  /** The shape of its payload, where somebody reads it; any JSON object when absent. */
  payload?: Payload;
}

const anyPayload = z.record(z.string(), z.unknown());

type Defined<Name extends string, Description extends EventDescription> = EventType<
  Name,
  Description['payload'] extends Payload ? Description['payload'] : typeof anyPayload
>;

/** Declares the event types of a module: it emits these, and its module.ts contributes them. */
export function defineEvents<const Descriptions extends Record<string, EventDescription>>(
  descriptions: Descriptions,
): { readonly [Name in keyof Descriptions & string]: Defined<Name, Descriptions[Name]> };
export function defineEvents(descriptions: Record<string, EventDescription>): Record<string, EventType> {
  return Object.fromEntries(
    Object.entries(descriptions).map(([name, { about, payload = anyPayload }]) => [name, { name, about, payload }]),
  );
}
