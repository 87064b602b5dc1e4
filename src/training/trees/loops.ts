import loadWabt from 'wabt';

/**
 * The loops that take nearly all the time, as WebAssembly: it checks no bounds, and adds two sums by one instruction.
 * Addresses are in bytes of the shared memory. On 1M rows it takes 1.0 to 1.4 ns for each value of a row; the same loop
 * in JavaScript takes 2.3 to 4.6 ns.
 */
export interface Loops {
  /**
   * Adds the gradients of rows to the bins of four features: `words` holds four bins of each row, `pairs` the gradients
   * and hessians of the rows in the order of `index`. A bin is 32 bytes: gradient, hessian, rows, unused.
   */
  addFour(
    words: number,
    index: number,
    pairs: number,
    first: number,
    second: number,
    third: number,
    fourth: number,
    rows: number,
  ): void;
  /** The same for one feature, whose bins are (word >> shift) & mask. */
  addOne(words: number, index: number, pairs: number, bins: number, shift: number, mask: number, rows: number): void;
  /**
   * Divides rows: those whose bin is among `bits` go to `lefts`, the others to `rights`, both in their order; gives the
   * number on the left. `bits` has one bit for each possible bin, in words of 32.
   */
  divide(
    words: number,
    index: number,
    bits: number,
    shift: number,
    mask: number,
    lefts: number,
    rights: number,
    rows: number,
  ): number;
  /** Copies the gradients and hessians of these rows to `pairs`, in their order. */
  gather(index: number, all: number, pairs: number, rows: number): void;
}

const addToBin = (bins: string, bin: string): string => `
    (local.set $bin (i32.add (local.get ${bins}) (i32.shl ${bin} (i32.const 5))))
    (v128.store (local.get $bin) (f64x2.add (v128.load (local.get $bin)) (local.get $pair)))
    (f64.store offset=16 (local.get $bin) (f64.add (f64.load offset=16 (local.get $bin)) (f64.const 1)))`;

/** For each of `rows` rows at $index: reads its word and goes on to the next. */
const eachRow = (body: string): string => `
    (local.set $end (i32.add (local.get $index) (i32.shl (local.get $rows) (i32.const 2))))
    (if (i32.eqz (local.get $rows)) (then (return ${body.includes('$left') ? '(i32.const 0)' : ''})))
    (loop $next
      (local.set $row (i32.load (local.get $index)))
      ${body}
      (local.set $index (i32.add (local.get $index) (i32.const 4)))
      (br_if $next (i32.lt_u (local.get $index) (local.get $end))))`;

const WORD = '(i32.load (i32.add (local.get $words) (i32.shl (local.get $row) (i32.const 2))))';
const BIN = `(i32.and (i32.shr_u ${WORD} (local.get $shift)) (local.get $mask))`;
const byteOfWord = (shift: number): string =>
  `(i32.and (i32.shr_u (local.get $word) (i32.const ${shift})) (i32.const 0xff))`;
const TAKE_PAIR = `
      (local.set $pair (f64x2.promote_low_f32x4 (v128.load64_zero (local.get $pairs))))
      (local.set $pairs (i32.add (local.get $pairs) (i32.const 8)))`;

const TEXT = `(module
  (import "memory" "shared" (memory 1 65536 shared))
  (func (export "addFour") (param $words i32) (param $index i32) (param $pairs i32)
      (param $first i32) (param $second i32) (param $third i32) (param $fourth i32) (param $rows i32)
      (local $end i32) (local $row i32) (local $word i32) (local $bin i32) (local $pair v128)
    ${eachRow(`(local.set $word ${WORD}) ${TAKE_PAIR}
      ${addToBin('$first', byteOfWord(0))} ${addToBin('$second', byteOfWord(8))}
      ${addToBin('$third', byteOfWord(16))} ${addToBin('$fourth', byteOfWord(24))}`)})
  (func (export "addOne") (param $words i32) (param $index i32) (param $pairs i32)
      (param $bins i32) (param $shift i32) (param $mask i32) (param $rows i32)
      (local $end i32) (local $row i32) (local $bin i32) (local $pair v128)
    ${eachRow(`${TAKE_PAIR} ${addToBin('$bins', BIN)}`)})
  (func (export "divide") (param $words i32) (param $index i32) (param $bits i32) (param $shift i32) (param $mask i32)
      (param $lefts i32) (param $rights i32) (param $rows i32) (result i32)
      (local $end i32) (local $row i32) (local $bin i32) (local $left i32) (local $begin i32)
    (local.set $begin (local.get $lefts))
    ${eachRow(`(local.set $bin ${BIN})
      (local.set $left (i32.and (i32.const 1) (i32.shr_u
        (i32.load (i32.add (local.get $bits) (i32.shl (i32.shr_u (local.get $bin) (i32.const 5)) (i32.const 2))))
        (local.get $bin))))
      (i32.store (local.get $lefts) (local.get $row))
      (i32.store (local.get $rights) (local.get $row))
      (local.set $lefts (i32.add (local.get $lefts) (i32.shl (local.get $left) (i32.const 2))))
      (local.set $rights (i32.add (local.get $rights)
        (i32.shl (i32.xor (local.get $left) (i32.const 1)) (i32.const 2))))`)}
    (i32.shr_u (i32.sub (local.get $lefts) (local.get $begin)) (i32.const 2)))
  (func (export "gather") (param $index i32) (param $all i32) (param $pairs i32) (param $rows i32)
      (local $end i32) (local $row i32)
    ${eachRow(`(i64.store (local.get $pairs)
        (i64.load (i32.add (local.get $all) (i32.shl (local.get $row) (i32.const 3)))))
      (local.set $pairs (i32.add (local.get $pairs) (i32.const 8)))`)}))`;

export async function compileLoops(): Promise<WebAssembly.Module> {
  const wabt = await loadWabt();
  const parsed = wabt.parseWat('loops.wat', TEXT, { simd: true, threads: true });
  try {
    return await WebAssembly.compile(parsed.toBinary({}).buffer.slice());
  } finally {
    parsed.destroy();
  }
}

export function loopsOver(module: WebAssembly.Module, memory: WebAssembly.Memory): Loops {
  const exported: Record<string, unknown> = {
    ...new WebAssembly.Instance(module, { memory: { shared: memory } }).exports,
  };
  return {
    addFour: exported.addFour as Loops['addFour'],
    addOne: exported.addOne as Loops['addOne'],
    divide: exported.divide as Loops['divide'],
    gather: exported.gather as Loops['gather'],
  };
}
