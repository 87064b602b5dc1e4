/**
 * Whether the URI names a host. MLflow's clients would send their token to it, and its author could collect the tokens
 * of all users. Ignores blanks and control characters, as Python's urlparse does.
 */
export const namesHost = (uri: string): boolean =>
  /^(https?:|mlflow-artifacts:\/\/[^/])/i.test(uri.replace(/[\0-\x20]/g, ''));
