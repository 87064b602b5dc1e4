const MAX_LINE_CHARACTERS = 2_000;

/** Cuts a text to what the log of a run accepts as a line. */
export function lineOf(text: string): string {
  return text.replaceAll(/[\n\r]+/g, ' ').slice(0, MAX_LINE_CHARACTERS);
}

/** The metrics of an epoch as a line of the log. */
export function epochLine({
  epoch,
  epochs,
  metrics,
}: {
  epoch: number;
  epochs: number;
  metrics: Record<string, number>;
}): string {
  const listed = Object.entries(metrics).map(([key, value]) => `${key}=${value}`);
  return `epoch ${epoch} of ${epochs}: ${listed.join(' ')}`;
}
