import { AppError, ErrorCode } from '../../errors.js';

/**
 * What went wrong at a server. AWAY: nobody answers at its address. LOST: it does not have the model. SLOW: no answer
 * in time. WRONG: it failed at the model, or answered something that cannot be true.
 */
export type FaultKind = 'AWAY' | 'LOST' | 'SLOW' | 'WRONG';

const CODES: Record<FaultKind, ErrorCode> = {
  AWAY: ErrorCode.UNAVAILABLE,
  LOST: ErrorCode.NOT_FOUND,
  SLOW: ErrorCode.DEADLINE_EXCEEDED,
  WRONG: ErrorCode.UNAVAILABLE,
};

/** An error that the server of a runtime has caused, and not the caller. */
export class ServerFault extends AppError {
  constructor(
    readonly kind: FaultKind,
    message: string,
    options?: ErrorOptions,
  ) {
    super(CODES[kind], message, {}, options);
    this.name = 'ServerFault';
  }
}

const LONGEST_REASON = 300;

/** What a server said, as a part of a sentence: one line, without the places of its files. */
export function reasonOf(text: string): string {
  const lines = text.split('\n').map((line) => line.trim());
  // Of a traceback only its last line says what happened.
  const said = lines.some((line) => line.startsWith('Traceback')) ? (lines.findLast(Boolean) ?? '') : lines.join(' ');
  const plain = said.replaceAll(/(?:file:)?\/[\w.@+-]+(?:\/[\w.@+-]+)+/g, '…').trim();
  return plain.length > LONGEST_REASON ? `${plain.slice(0, LONGEST_REASON)}…` : plain || 'no reason';
}
