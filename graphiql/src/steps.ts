/** A step on a page of the documents: an operation with its variables, or a command for the terminal. */
export interface Step {
  /** The title of its section, such as "3. Train". */
  section: string;
  language: 'graphql' | 'bash';
  /** The last paragraph before it. */
  about: string;
  text: string;
  /** The JSON below an operation; ids from an earlier answer are written as `<id of the run>`. */
  variables: string;
}

/** The steps of a page, in order. */
export function stepsOf(markdown: string): Step[] {
  const steps: Step[] = [];
  let section = '';
  let about = '';
  for (const [, heading, language, block, paragraph] of markdown.matchAll(
    /^## (.+)$|^```(\w+)\n([\s\S]*?)\n```$|^([^\s#`|][\s\S]*?)(?=\n\n|\n*$(?![\s\S]))/gm,
  )) {
    if (heading !== undefined) [section, about] = [heading, ''];
    else if (paragraph !== undefined) about = paragraph;
    else if (language === 'json') steps.at(-1)!.variables = block ?? '';
    else if (language === 'graphql' || language === 'bash') {
      steps.push({ section, language, about, text: block ?? '', variables: '' });
      about = '';
    }
  }
  return steps;
}

/** modelVersion → model version. */
export const inWords = (name: string): string => name.replace(/([A-Z])/g, ' $1').toLowerCase();

/** Ids in an answer by kind of object; the last one counts. */
export function rememberIds(ids: Map<string, string>, value: unknown, name = ''): void {
  if (value === null || typeof value !== 'object') return;
  for (const [key, item] of Object.entries(value)) {
    if (key === 'id' && typeof item === 'string') ids.set(inWords(name), item);
    else rememberIds(ids, item, key);
  }
}

/** The text with the known ids in their places. */
export function fillIds(text: string, ids: ReadonlyMap<string, string>): string {
  return text.replace(/<id of the ([^>]+)>/g, (place, name: string) => ids.get(name) ?? place);
}
