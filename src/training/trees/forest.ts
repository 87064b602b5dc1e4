import type { TreeArrays } from './memory.js';

/** Numbers of a node before its set: feature, bin, flags, left child, right child, value. */
const NODE_FIELDS = 6;
const MISSING_LEFT = 1;
const IS_SET = 2;

/** The trees of a model, one after the other in one growing array, as a checkpoint stores them. */
export class Forest {
  private readonly nodeNumbers: number;

  private constructor(
    private readonly setWords: number,
    private nodes: Float64Array,
    private nodesUsed: number,
    private readonly sizes: number[],
  ) {
    this.nodeNumbers = NODE_FIELDS + setWords;
  }

  static empty(setWords: number): Forest {
    return new Forest(setWords, new Float64Array(1024), 0, []);
  }

  /** Reads what `toDoubles` gave. */
  static of(setWords: number, { nodes, sizes }: Record<string, Float64Array>): Forest {
    return new Forest(setWords, nodes!.slice(), nodes!.length, [...sizes!]);
  }

  toDoubles(): Record<string, Float64Array> {
    return { nodes: this.nodes.subarray(0, this.nodesUsed), sizes: Float64Array.from(this.sizes) };
  }

  get count(): number {
    return this.sizes.length;
  }

  /** Appends the first `size` nodes of a tree. */
  append(tree: TreeArrays, size: number): void {
    const needed = this.nodesUsed + size * this.nodeNumbers;
    if (needed > this.nodes.length) {
      const grown = new Float64Array(Math.max(needed, this.nodes.length * 2));
      grown.set(this.nodes.subarray(0, this.nodesUsed));
      this.nodes = grown;
    }
    for (let node = 0; node < size; node++) {
      const at = this.nodesUsed + node * this.nodeNumbers;
      this.nodes[at] = tree.feature[node]!;
      this.nodes[at + 1] = tree.bin[node]!;
      this.nodes[at + 2] = tree.missingLeft[node]! * MISSING_LEFT + tree.isSet[node]! * IS_SET;
      this.nodes[at + 3] = tree.left[node]!;
      this.nodes[at + 4] = tree.right[node]!;
      this.nodes[at + 5] = tree.value[node]!;
      this.nodes.set(tree.sets.subarray(node * this.setWords, (node + 1) * this.setWords), at + NODE_FIELDS);
    }
    this.nodesUsed = needed;
    this.sizes.push(size);
  }

  /** Gives the trees in their order, the first `count` of them. */
  *trees(count = this.count): Generator<TreeArrays> {
    let at = 0;
    for (const size of this.sizes.slice(0, count)) {
      yield this.read(at, size);
      at += size * this.nodeNumbers;
    }
  }

  private read(start: number, size: number): TreeArrays {
    const field = (name: number): Float64Array =>
      Float64Array.from({ length: size }, (_, node) => this.nodes[start + node * this.nodeNumbers + name]!);
    const flags = field(2);
    const sets = new Uint32Array(size * this.setWords);
    for (let node = 0; node < size; node++) {
      const at = start + node * this.nodeNumbers + NODE_FIELDS;
      sets.set(this.nodes.subarray(at, at + this.setWords), node * this.setWords);
    }
    return {
      feature: Int32Array.from(field(0)),
      bin: Int32Array.from(field(1)),
      missingLeft: Uint8Array.from(flags, (flag) => flag & MISSING_LEFT),
      isSet: Uint8Array.from(flags, (flag) => (flag & IS_SET) / IS_SET),
      left: Int32Array.from(field(3)),
      right: Int32Array.from(field(4)),
      value: field(5),
      sets,
    };
  }
}
