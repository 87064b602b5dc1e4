/**
 * Whether the address names a host to which MLflow's clients would send their token: its author could collect the
 * tokens of all who use it. Ignores blanks and control characters, as Python's urlparse does.
 */
export const namesHost = (uri: string): boolean =>
  /^(https?:|mlflow-artifacts:\/\/[^/])/i.test(uri.replace(/[\0-\x20]/g, ''));
