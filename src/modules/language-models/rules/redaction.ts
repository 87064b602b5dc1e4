/** What is replaced in a logged text. */
export const SECRET_KINDS = ['EMAIL', 'CARD', 'PHONE'] as const;
export type SecretKind = (typeof SECRET_KINDS)[number];

const EMAIL = /[\p{L}\p{N}._%+-]{1,64}@[\p{L}\p{N}-]{1,63}(?:\.[\p{L}\p{N}-]{1,63}){1,8}/gu;
/** Thirteen to nineteen digits, in groups or not. */
const CARD = /(?<![\p{L}\p{N}])\d(?:[ -]?\d){12,18}(?!\d)/gu;
/** An international number, or groups of digits that together are one. */
const PHONE = /(?<![\p{L}\p{N}.])(?:\+|00|\()?\d(?:[ ()./-]{0,2}\d){6,14}(?![\p{L}\p{N}])/gu;

/**
 * The text with every secret of these kinds replaced by its kind in brackets. Cards are recognised by their check
 * digit; of other long numbers, those with a country code or groups count as phone numbers.
 */
export function redact(text: string, kinds: readonly SecretKind[]): string {
  let shown = text;
  if (kinds.includes('EMAIL')) shown = shown.replaceAll(EMAIL, '[EMAIL]');
  if (kinds.includes('CARD')) shown = shown.replaceAll(CARD, (found) => (isCard(found) ? '[CARD]' : found));
  if (kinds.includes('PHONE')) shown = shown.replaceAll(PHONE, (found) => (isPhone(found) ? '[PHONE]' : found));
  return shown;
}

/** Luhn's check digit. */
function isCard(text: string): boolean {
  const digits = text.replaceAll(/\D/g, '');
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i]);
    sum += i % 2 === 0 ? digit : digit < 5 ? 2 * digit : 2 * digit - 9;
  }
  return sum % 10 === 0 && sum > 0;
}

function isPhone(text: string): boolean {
  const digits = text.replaceAll(/\D/g, '').length;
  if (digits < 7 || digits > 15) return false;
  // A plain number, a date or a decimal number is none.
  if (/^\d{4}-\d{2}-\d{2}$/.test(text) || /^\d+\.\d+$/.test(text)) return false;
  return (
    text.startsWith('+') || text.startsWith('00') || /\d[ ()./-]+\d/.test(text) || (text.startsWith('0') && digits >= 9)
  );
}
