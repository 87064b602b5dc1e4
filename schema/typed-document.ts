/** A generated document: its text, with the types of its variables and answer. A plain string is none. */
export type TypedDocument<Answer, Variables> = object & {
  __apiType?: (variables: Variables) => Answer;
  toString(): string;
};

/** The variables as arguments of a call: none are needed where the document has none that must be given. */
export type VariablesOf<Variables> =
  Record<string, never> extends Variables ? [variables?: Variables] : [variables: Variables];
