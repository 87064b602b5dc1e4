/** An id in the only spelling that the API uses, because ids are compared as texts in many places. */
export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** An id in the notation of MLflow: a UUID without its dashes. */
export function toHexId(id: string): string {
  return id.replaceAll('-', '');
}

/** The UUID of a text of 32 hexadecimal digits, or of a UUID; null for any other text. */
export function fromHexId(text: string): string | null {
  const digits = text.toLowerCase().replaceAll('-', '');
  if (!/^[0-9a-f]{32}$/.test(digits)) return null;
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
