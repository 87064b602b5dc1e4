import { Query, Resolver } from 'type-graphql';
import { ALGORITHMS, type Algorithm, type Parameter } from '../../modules/algorithms/index.js';
import { AlgorithmDescription, type AlgorithmParameter } from './algorithm.types.js';

@Resolver(() => AlgorithmDescription)
export class AlgorithmResolver {
  @Query(() => [AlgorithmDescription], {
    description: 'The algorithms of trainings, each with its hyperparameters: their meaning, type, range and default.',
  })
  algorithms(): AlgorithmDescription[] {
    return ALGORITHMS.map(({ about, output, ...algorithm }) => ({
      ...algorithm,
      description: about,
      outputFormat: output,
      parameters: parametersOf(algorithm),
    }));
  }
}

function parametersOf({ parameters }: Pick<Algorithm, 'parameters'>): AlgorithmParameter[] {
  return Object.entries(parameters).map(([name, parameter]) => ({ name, ...described(parameter) }));
}

function described({ about, type, range, choices, when, search, whenAbsent, ...rest }: Parameter) {
  return {
    description: about,
    ...{ type, range, when, whenAbsent },
    itemRange: range?.each,
    default: typeof rest.default === 'function' ? undefined : rest.default,
    choices: choices && Object.entries(choices).map(([value, description]) => ({ value, description })),
    search: search && { type: search.kind, log: false, ...search },
  };
}
