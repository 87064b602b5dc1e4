import { ErrorCode } from '../../../errors.js';

/** Why an attempt failed, as far as it says whether another one may succeed. */
export type FailureClass = keyof typeof FAILURE_CLASSES;

/** What each class means. */
export const FAILURE_CLASSES = {
  MISTAKE: 'The request, or what it names, is wrong: an unknown column, a model that was deleted. It is not retried.',
  LIMIT: 'It needed more memory, processor time, disk or processes than it may take. It is not retried.',
  TIME: 'It took longer than it may: its maximum duration, or the limit of its kind. It is not retried.',
  UNAVAILABLE:
    'Something that it needs was away: a process that ended, a cluster, a store, a server. It is retried after a wait ' +
    'that becomes longer.',
  WORKER_LOST: 'Its worker gave no sign of life any more. It is retried at once.',
  UNEXPECTED: 'The service met an error of its own. It is retried after a wait that becomes longer.',
} as const;

const RETRIED: readonly FailureClass[] = ['UNAVAILABLE', 'WORKER_LOST', 'UNEXPECTED'];

/** Whether another attempt follows, while the kind allows one: it may succeed where this one failed. */
export const isRetried = (failure: FailureClass) => RETRIED.includes(failure);

/** The class of an error with this code. WORKER_LOST has no error: nobody was there to tell it. */
export function failureClassOf(code: ErrorCode): Exclude<FailureClass, 'WORKER_LOST'> {
  switch (code) {
    case ErrorCode.UNAVAILABLE:
      return 'UNAVAILABLE';
    case ErrorCode.INTERNAL:
      return 'UNEXPECTED';
    case ErrorCode.DEADLINE_EXCEEDED:
      return 'TIME';
    case ErrorCode.RESOURCE_EXHAUSTED:
      return 'LIMIT';
    default:
      return 'MISTAKE';
  }
}
