import { type Followed, followProblem } from './following.js';

/** Whether requests are answered, and what differs from the request. */
export interface Readiness {
  serves: boolean;
  /** What to do, as a sentence; null when everything is as requested. */
  problem: string | null;
  /** Whether this may change without help while the caller waits. */
  isOnItsWay: boolean;
}

/** The live deployments of an endpoint, counted by state. */
export interface LiveDeployments {
  /** Loaded deployments that get traffic. */
  serving: number;
  pending: number;
  /** The error of the newest deployment that failed to load; null when none failed. */
  error: string | null;
}

export function endpointReadiness(followed: Followed, { serving, pending, error }: LiveDeployments): Readiness {
  const serves = serving > 0;
  if (followed.stage || followed.alias)
    return { serves, problem: followProblem(followed), isOnItsWay: isComing(followed) };
  if (serves) return { serves, problem: null, isOnItsWay: false };
  if (pending > 0) return { serves, problem: 'The version that was deployed is being loaded.', isOnItsWay: true };
  const problem = error
    ? `The version that was deployed could not be loaded: ${error}`
    : 'No version is deployed here: deployModelVersion, or updateEndpoint with a stage or an alias to follow.';
  return { serves, problem, isOnItsWay: false };
}

/** The version is known, and is still being stored or loaded. */
function isComing({ version: followed }: Followed): boolean {
  if (!followed || followed.status === 'FAILED') return false;
  if (followed.status === 'PENDING') return true;
  return followed.hasOnnx && followed.deploymentStatus !== 'READY' && followed.deploymentStatus !== 'FAILED';
}

export interface DeploymentStand {
  mode: 'LIVE' | 'SHADOW';
  status: 'PENDING' | 'READY' | 'FAILED' | 'STOPPED';
  weightBps: number;
  error?: string | null;
}

export function deploymentReadiness({ mode, status, weightBps, error }: DeploymentStand): Readiness {
  switch (status) {
    case 'PENDING':
      return { serves: false, problem: 'The model is being loaded.', isOnItsWay: true };
    case 'FAILED':
      return { serves: false, problem: `Its model could not be loaded: ${error ?? ''}`, isOnItsWay: false };
    case 'STOPPED':
      return { serves: false, problem: 'It was stopped: deployModelVersion begins another.', isOnItsWay: false };
    case 'READY': {
      const serves = mode === 'SHADOW' || weightBps > 0;
      return {
        serves,
        problem: serves ? null : 'It is loaded and has no share of the traffic: setTrafficWeights.',
        isOnItsWay: false,
      };
    }
  }
}
