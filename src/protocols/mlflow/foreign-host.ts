/**
 * Whether the address names a host that MLflow's clients would call with their token: whoever wrote it would collect
 * the tokens of all who follow it. Blanks and control characters do not count, since Python's urlparse leaves them out
 * too.
 */
export const namesHost = (uri: string): boolean =>
  /^(https?:|mlflow-artifacts:\/\/[^/])/i.test(uri.replace(/[\0-\x20]/g, ''));
