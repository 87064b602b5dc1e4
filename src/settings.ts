import { z } from 'zod';

/** A whole number in a range; every invalid value gives the same message. */
export const whole = (min: number, max = Number.MAX_SAFE_INTEGER) => {
  const error = max === Number.MAX_SAFE_INTEGER ? `a whole number from ${min}` : `a whole number from ${min} to ${max}`;
  return z.coerce.number({ error }).int(error).min(min, error).max(max, error);
};
export const url = (...protocols: string[]) =>
  z
    .string()
    .refine(
      (text) => URL.canParse(text) && protocols.includes(new URL(text).protocol),
      `an address that begins with ${protocols.join(' or ')}//`,
    );
export const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean),
);

export const flag = z
  .enum(['true', 'false'], { error: 'true or false' })
  .default('false')
  .transform((text) => text === 'true');

export interface Setting<T extends z.ZodType = z.ZodType> {
  schema: T;
  /** One sentence; with units and default when the name does not say them. */
  about: string;
  /** The default as a text, when it differs between machines. */
  shownDefault?: string;
}

export const setting = <T extends z.ZodType>(schema: T, about: string, shownDefault?: string): Setting<T> => ({
  schema,
  about,
  shownDefault,
});

/** Settings by their environment variables, with schema and purpose. */
export type Settings = Record<string, Setting>;

/** The values of settings after they were read. */
export type SettingValues<T extends Settings> = { [Name in keyof T]: z.output<T[Name]['schema']> };
