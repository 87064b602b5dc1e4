import { AppError, ErrorCode } from '../../../errors.js';

/** The scopes of a token that this service issues; its role limits it too. */
export const SCOPES = ['EVERYTHING', 'READ', 'PREDICT', 'WRITE_RUN'] as const;

export type TokenScope =
  | { kind: 'EVERYTHING' }
  | { kind: 'READ' }
  /** Only endpoints that still exist. */
  | { kind: 'PREDICT'; endpoints: readonly { id: string; name: string }[] }
  /** Null when the run was permanently deleted; the token then allows nothing. */
  | { kind: 'WRITE_RUN'; runId: string | null };

/** Only the kinds in `allowed` are accepted, so a new kind is refused until it is added to a list. */
export function requireScope(
  scope: TokenScope | undefined,
  what: string,
  allowed: readonly TokenScope['kind'][],
): void {
  if (scope && scope.kind !== 'EVERYTHING' && !allowed.includes(scope.kind)) throw outsideScope(scope, what);
}

/** A token for one run may not write any other run. */
export function requireRun(scope: TokenScope | undefined, what: string, runId: unknown): void {
  if (scope?.kind === 'WRITE_RUN' && (scope.runId === null || scope.runId !== runId)) throw outsideScope(scope, what);
}

/** The error is the same whether the endpoint exists or not, so that a token reveals nothing outside its scope. */
export function requireEndpoint(scope: TokenScope | undefined, ref: { id: string } | { name: string }): void {
  if (scope?.kind !== 'PREDICT') return;
  const isListed = scope.endpoints.some((endpoint) =>
    'id' in ref ? endpoint.id === ref.id : endpoint.name === ref.name,
  );
  if (!isListed) throw outsideScope(scope, 'Predicting at this endpoint');
}

export function outsideScope(scope: TokenScope, what: string): AppError {
  const expected = aboutScope(scope);
  return new AppError(
    ErrorCode.FORBIDDEN,
    `${what} is outside this token's scope, which is ${expected}. Ask an ADMIN for another token.`,
    {
      expected,
      got: what,
    },
  );
}

function aboutScope(scope: TokenScope): string {
  switch (scope.kind) {
    case 'EVERYTHING':
      return 'everything that its role may do';
    case 'READ':
      return 'reading';
    case 'PREDICT':
      return `predicting at ${scope.endpoints.map(({ name }) => `"${name}"`).join(', ') || 'endpoints that are gone'}`;
    case 'WRITE_RUN':
      return scope.runId === null ? 'a run that is gone' : `logging to the run ${scope.runId} and reading it`;
  }
}
