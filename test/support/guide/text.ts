/** Prints JSON as a person would: what fits on a line stays on one line. */
export function compactJson(value: unknown, indent = '', width = 100): string {
  const flat = oneLine(value);
  if (flat.length + indent.length <= width || value === null || typeof value !== 'object') return flat;
  const inner = `${indent}  `;
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
  const items = Array.isArray(value)
    ? value.map((item) => compactJson(item, inner, width))
    : Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${compactJson(item, inner, width)}`);
  return `${open}\n${items.map((item) => inner + item).join(',\n')}\n${indent}${close}`;
}

function oneLine(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(oneLine).join(', ')}]`;
  if (value !== null && typeof value === 'object') {
    const items = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${oneLine(item)}`);
    return items.length === 0 ? '{}' : `{ ${items.join(', ')} }`;
  }
  return JSON.stringify(value) ?? 'null';
}

const NUMBER = /-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/g;
/** Losses and accuracies differ a little between processors; counts of this size do not. */
const TOLERANCE = { relative: 0.05, absolute: 0.03 };

/** The first line in which two documents differ by more than slightly different figures; null when there is none. */
export function firstDifference(committed: string, produced: string): string | null {
  const [before, after] = [committed.split('\n'), produced.split('\n')];
  for (let i = 0; i < Math.max(before.length, after.length); i++) {
    const [was, is] = [before[i] ?? '(nothing)', after[i] ?? '(nothing)'];
    if (!sameLine(was, is)) return `line ${i + 1}\n  committed: ${was}\n  produced:  ${is}`;
  }
  return null;
}

function sameLine(was: string, is: string): boolean {
  if (was.replace(NUMBER, '#') !== is.replace(NUMBER, '#')) return false;
  const numbers = is.match(NUMBER) ?? [];
  return (was.match(NUMBER) ?? []).every((text, i) => {
    const [a, b] = [Number(text), Number(numbers[i])];
    return Math.abs(a - b) <= TOLERANCE.absolute + TOLERANCE.relative * Math.max(Math.abs(a), Math.abs(b));
  });
}

/** The contents of a document's fenced blocks in one language, with the line where each begins. */
export function blocksOf(markdown: string, language: string): { line: number; text: string }[] {
  const blocks: { line: number; text: string }[] = [];
  const lines = markdown.split('\n');
  for (let i = 0; i < lines.length; i++) {
    if (lines[i] !== `\`\`\`${language}`) continue;
    const end = lines.indexOf('```', i);
    blocks.push({ line: i + 2, text: lines.slice(i + 1, end).join('\n') });
    i = end;
  }
  return blocks;
}
