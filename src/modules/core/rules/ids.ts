/** An id as this API gives them, in one spelling: ids are compared as text in many places. */
export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Ids as MLflow writes them: a UUID without its dashes. */
export function toHexId(id: string): string {
  return id.replaceAll('-', '');
}

/** The UUID behind 32 hexadecimal digits, or behind a UUID; null for anything else. */
export function fromHexId(text: string): string | null {
  const digits = text.toLowerCase().replaceAll('-', '');
  if (!/^[0-9a-f]{32}$/.test(digits)) return null;
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
