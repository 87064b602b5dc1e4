import { z } from 'zod';

type Payload = z.ZodType<object>;

/** A type of event, as its module declares it. */
export interface EventType<Name extends string = string, P extends Payload = Payload> {
  /** The name in the database and in the API: capitals and underscores. */
  readonly name: Name;
  /** What has happened, for the descriptions of the API. */
  readonly about: string;
  readonly payload: P;
}

export type PayloadOf<Type extends EventType> = z.output<Type['payload']>;

interface EventDescription {
  about: string;
  /** The schema of its payload, if somebody reads it; any JSON object when absent. */
  payload?: Payload;
}

const anyPayload = z.record(z.string(), z.unknown());

type Defined<Name extends string, Description extends EventDescription> = EventType<
  Name,
  Description['payload'] extends Payload ? Description['payload'] : typeof anyPayload
>;

/** Declares the event types of a module. The module emits these events, and its module.ts contributes the types. */
export function defineEvents<const Descriptions extends Record<string, EventDescription>>(
  descriptions: Descriptions,
): { readonly [Name in keyof Descriptions & string]: Defined<Name, Descriptions[Name]> };
export function defineEvents(descriptions: Record<string, EventDescription>): Record<string, EventType> {
  return Object.fromEntries(
    Object.entries(descriptions).map(([name, { about, payload = anyPayload }]) => [name, { name, about, payload }]),
  );
}
