/** Walks a protobuf message of a stranger: every length is checked before it is used, nesting is bounded, nothing is copied or built. */

/** The bytes are not the message they should be. */
export class MalformedMessage extends Error {}

export interface Field {
  number: number;
  /** The value of a varint or fixed field; imprecise beyond 2^53, which no honest file reaches. */
  value: number;
  /** Where a length-delimited field's content lies; equal for other fields. */
  start: number;
  end: number;
  isBytes: boolean;
}

const MAX_VARINT_BYTES = 10;
const INT64_MAX = 2 ** 63;

const WIRE_VARINT = 0;
const WIRE_FIXED64 = 1;
const WIRE_BYTES = 2;
const WIRE_FIXED32 = 5;

export class ProtobufWalk {
  private readonly text = new TextDecoder('utf-8', { fatal: true });

  constructor(private readonly bytes: Uint8Array) {}

  /** Calls `visit` for each field of the message in [start, end), in file order. The object is reused between calls. */
  fields(start: number, end: number, visit: (field: Field) => void): void {
    let at = start;
    while (at < end) {
      const tag = this.varint(at, end);
      const number = Math.floor(tag.value / 8);
      if (number < 1 || number > 536_870_911) throw new MalformedMessage(`a field number of ${number} at byte ${at}`);
      const field: Field = { number, value: 0, start: tag.next, end: tag.next, isBytes: false };
      switch (tag.value % 8) {
        case WIRE_VARINT: {
          const { value, next } = this.varint(tag.next, end);
          field.value = value;
          at = next;
          break;
        }
        case WIRE_FIXED64:
          at = tag.next + 8;
          break;
        case WIRE_FIXED32:
          at = tag.next + 4;
          break;
        case WIRE_BYTES: {
          const length = this.varint(tag.next, end);
          if (length.value < 0 || length.value > end - length.next) {
            throw new MalformedMessage(`${length.value} bytes announced at byte ${at}, where ${end - length.next} are left`);
          }
          field.start = length.next;
          field.end = length.next + length.value;
          field.isBytes = true;
          at = field.end;
          break;
        }
        default:
          throw new MalformedMessage(`an unknown wire type at byte ${at}`);
      }
      if (at > end) throw new MalformedMessage(`a value that is cut off at byte ${end}`);
      visit(field);
    }
  }

  /** Integers of a repeated field, packed or not. */
  integers(field: Field): number[] {
    if (!field.isBytes) return [field.value];
    const values: number[] = [];
    for (let at = field.start; at < field.end;) {
      const { value, next } = this.varint(at, field.end);
      values.push(value);
      at = next;
    }
    return values;
  }

  string({ start, end }: Field): string {
    try {
      return this.text.decode(this.bytes.subarray(start, end));
    } catch {
      throw new MalformedMessage(`text that is not UTF-8 at byte ${start}`);
    }
  }

  private varint(at: number, end: number): { value: number; next: number } {
    let value = 0;
    // A negative number comes as its two's complement of 64 bits, which a double cannot hold: its inverse it can.
    let inverse = 0;
    for (let index = 0; index < MAX_VARINT_BYTES; index += 1) {
      if (at + index >= end) throw new MalformedMessage(`a number that is cut off at byte ${end}`);
      const byte = this.bytes[at + index]!;
      const bits = index === MAX_VARINT_BYTES - 1 ? 1 : 127;
      value += (byte & bits) * 2 ** (7 * index);
      inverse += (~byte & bits) * 2 ** (7 * index);
      if (byte < 128) return { value: value >= INT64_MAX ? -1 - inverse : value, next: at + index + 1 };
    }
    throw new MalformedMessage(`a number longer than ${MAX_VARINT_BYTES} bytes at byte ${at}`);
  }
}
