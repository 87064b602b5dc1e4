/** The name that is most like a wrong one, e.g. for "did you mean"; null when none is like it. */
export function nearestName(wrong: string, names: readonly string[]): string | null {
  let nearest: string | null = null;
  // Two of three characters must be right.
  let fewest = Math.max(2, Math.ceil(wrong.length / 3)) + 1;
  for (const name of names) {
    if (Math.abs(name.length - wrong.length) >= fewest) continue;
    const edits = editsBetween(wrong.toLowerCase(), name.toLowerCase());
    if (edits >= fewest) continue;
    nearest = name;
    fewest = edits;
  }
  return nearest;
}

/** Levenshtein's distance: characters to insert, delete or replace. */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
