/** What an endpoint follows, and the version to which this leads now. */
export interface Followed {
  stage: string | null;
  alias: string | null;
  /** The version in the stage or of the alias. */
  version: {
    version: number;
    status: 'PENDING' | 'READY' | 'FAILED';
    hasOnnx: boolean;
    /** The status of its newest live deployment at the endpoint. */
    deploymentStatus: 'PENDING' | 'READY' | 'FAILED' | 'STOPPED' | null;
  } | null;
}

/** Why the endpoint does not serve what it follows, and what to do; null when it does, and when it follows nothing. */
export function followProblem({ stage, alias, version: followed }: Followed): string | null {
  if (!stage && !alias) return null;
  if (!followed) {
    return stage
      ? `No version is in ${stage}: nothing serves until one is promoted.`
      : `The model has no alias "${alias}": what served before goes on until the alias is set (setModelAlias).`;
  }
  const { version, status, hasOnnx, deploymentStatus } = followed;
  const untilThen = 'what served before goes on until then.';
  if (status === 'FAILED')
    return `Version ${version} has FAILED: ${alias ? 'set the alias to another one' : 'promote another one'}.`;
  if (status === 'PENDING') return `The files of version ${version} are being stored: ${untilThen}`;
  if (!hasOnnx) return `Version ${version} has no model.onnx: convert it (convertModelVersion); ${untilThen}`;
  switch (deploymentStatus) {
    case 'READY':
      return null;
    case 'FAILED':
      return (
        `Version ${version} could not be loaded (its deployment says why): ` +
        `${alias ? 'set the alias' : 'promote it'} again, or follow another; ${untilThen}`
      );
    case 'PENDING':
    case 'STOPPED':
    case null:
      return `Version ${version} is being loaded: ${untilThen}`;
  }
}
