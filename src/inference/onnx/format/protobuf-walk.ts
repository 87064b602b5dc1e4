/**
 * Walks through a protobuf message from an unknown source: every length is checked before it is used, nesting is
 * limited, and nothing is copied or built.
 */

/** Thrown for bytes that are not a valid message. */
export class MalformedMessage extends Error {}

export interface Field {
  number: number;
  /** The value of a varint or fixed field; imprecise beyond 2^53, which no valid file reaches. */
  value: number;
  /** Where the content of a length-delimited field begins and ends; equal for other fields. */
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
  /** The position after the last number. */
  private next = 0;

  constructor(readonly bytes: Uint8Array) {}

  /**
   * Calls `visit` for each field of the message in [start, end), in file order. The object is reused for the next
   * field.
   */
  fields(start: number, end: number, visit: (field: Field) => void): void {
    const field: Field = { number: 0, value: 0, start: 0, end: 0, isBytes: false };
    let at = start;
    while (at < end) {
      const tag = this.varint(at, end);
      const first = this.next;
      field.number = Math.floor(tag / 8);
      if (field.number < 1 || field.number > 536_870_911)
        throw new MalformedMessage(`a field number of ${field.number} at byte ${at}`);
      field.value = 0;
      field.start = first;
      field.end = first;
      field.isBytes = false;
      switch (tag % 8) {
        case WIRE_VARINT:
          field.value = this.varint(first, end);
          at = this.next;
          break;
        case WIRE_FIXED64:
          at = first + 8;
          break;
        case WIRE_FIXED32:
          at = first + 4;
          break;
        case WIRE_BYTES: {
          const length = this.varint(first, end);
          if (length < 0 || length > end - this.next) {
            throw new MalformedMessage(`${length} bytes announced at byte ${at}, where ${end - this.next} are left`);
          }
          field.start = this.next;
          field.end = this.next + length;
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

  /** Visits the message in the field. */
  inner({ isBytes, start, end }: Field, visit: (field: Field) => void): void {
    if (!isBytes) throw new MalformedMessage(`a number where a message belongs at byte ${start}`);
    this.fields(start, end, visit);
  }

  /** Adds the integers of a repeated field, packed or not, to `values`. False when they would be more than `most`. */
  integers(field: Field, values: number[], most: number): boolean {
    if (!field.isBytes) {
      values.push(field.value);
      return values.length <= most;
    }
    for (let at = field.start; at < field.end; at = this.next) {
      values.push(this.varint(at, field.end));
      if (values.length > most) return false;
    }
    return true;
  }

  string({ start, end }: Field): string {
    try {
      return this.text.decode(this.bytes.subarray(start, end));
    } catch {
      throw new MalformedMessage(`text that is not UTF-8 at byte ${start}`);
    }
  }

  private varint(at: number, end: number): number {
    const first = this.bytes[at]!;
    if (at < end && first < 128) {
      this.next = at + 1;
      return first;
    }
    let value = 0;
    // A negative number is stored as its 64-bit two's complement, which a double cannot hold; a double can hold its
    // inverse.
    let inverse = 0;
    for (let index = 0; index < MAX_VARINT_BYTES; index += 1) {
      if (at + index >= end) throw new MalformedMessage(`a number that is cut off at byte ${end}`);
      const byte = this.bytes[at + index]!;
      const bits = index === MAX_VARINT_BYTES - 1 ? 1 : 127;
      value += (byte & bits) * 2 ** (7 * index);
      inverse += (~byte & bits) * 2 ** (7 * index);
      if (byte < 128) {
        this.next = at + index + 1;
        return value >= INT64_MAX ? -1 - inverse : value;
      }
    }
    throw new MalformedMessage(`a number longer than ${MAX_VARINT_BYTES} bytes at byte ${at}`);
  }
}
