/** Against the direction of the links, or along it. */
export type LineageDirection = 'UPSTREAM' | 'DOWNSTREAM';

export interface LineageRef {
  /** As a module names it. */
  type: string;
  id: string;
}

export interface LineageLink {
  from: LineageRef;
  to: LineageRef;
  /** The kind of the edge, as a module names it. */
  kind: string;
}

export const MAX_LINEAGE_NODES = 1_000;
export const MAX_LINEAGE_DEPTH = 10;

/** The key of a node within a graph: ids are unique only within their type. */
export function lineageKey({ type, id }: LineageRef): string {
  return `${type}:${id}`;
}

/**
 * Builds a graph from one node, one level at a time, upstream and downstream separately. The links of a level are read
 * once for all its nodes. Beyond the limit it adds no nodes, and no links to nodes that were left out.
 */
export class LineageGraph {
  /** The distance from the start; negative is upstream. */
  readonly distances = new Map<string, { ref: LineageRef; distance: number }>();
  private readonly found = new Map<string, LineageLink>();
  isCut = false;

  constructor(private readonly start: LineageRef) {
    this.distances.set(lineageKey(start), { ref: start, distance: 0 });
  }

  get links(): LineageLink[] {
    return [...this.found.values()].filter(({ from, to }) => this.has(from) && this.has(to));
  }

  /** `linksOf` also says whether it left out links. */
  async grow(
    direction: LineageDirection,
    depth: number,
    linksOf: (frontier: readonly LineageRef[]) => Promise<{ links: LineageLink[]; isCut: boolean }>,
  ): Promise<void> {
    const seen = new Set([lineageKey(this.start)]);
    let frontier = [this.start];
    for (let level = 1; level <= depth && frontier.length > 0; level++) {
      const { links, isCut } = await linksOf(frontier);
      this.isCut ||= isCut;
      frontier = [];
      for (const link of links) {
        this.add(link);
        const next = direction === 'DOWNSTREAM' ? link.to : link.from;
        const key = lineageKey(next);
        if (seen.has(key)) continue;
        seen.add(key);
        if (!this.take(next, direction === 'DOWNSTREAM' ? level : -level)) continue;
        frontier.push(next);
      }
    }
    // The nodes of the last level may be linked to each other, too.
    if (frontier.length > 0) for (const link of (await linksOf(frontier)).links) this.add(link);
  }

  private add(link: LineageLink): void {
    this.found.set(`${lineageKey(link.from)} ${link.kind} ${lineageKey(link.to)}`, link);
  }

  private take(ref: LineageRef, distance: number): boolean {
    const key = lineageKey(ref);
    if (this.distances.has(key)) return true;
    if (this.distances.size >= MAX_LINEAGE_NODES) {
      this.isCut = true;
      return false;
    }
    this.distances.set(key, { ref, distance });
    return true;
  }

  private has(ref: LineageRef): boolean {
    return this.distances.has(lineageKey(ref));
  }
}
