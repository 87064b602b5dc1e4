import { isDeepStrictEqual } from 'node:util';
import { Arg, Ctx, Extensions, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import { Role } from '../../modules/core/index.js';
import { DEFAULT_GATE_POLICY, gatePolicyOf } from '../../modules/model-quality/index.js';
import type { RequestContext } from '../request-context.js';
import { GatePolicyType, SetGatePolicyInput } from './gate-policy.types.js';
import { GateResultType } from './gate.types.js';
import { ModelVersionType } from './model-version.types.js';
import { ModelPayload, ModelType } from './model.types.js';

@Resolver(() => ModelType)
export class GatePolicyResolver {
  @Extensions({ minRole: Role.ADMIN })
  @Mutation(() => ModelPayload, {
    description: 'Sets the conditions of a model’s gates and the numbers of approvals. Needs ADMIN.',
  })
  async setGatePolicy(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => SetGatePolicyInput, { description: 'Model and the settings that differ from the defaults.' })
    input: SetGatePolicyInput,
  ): Promise<ModelPayload> {
    return { model: await ctx.run((session) => ctx.services.models.setGatePolicy(session, input)) };
  }

  @FieldResolver(() => GatePolicyType, {
    description: 'Gate policy: conditions of the gates and numbers of approvals, with the defaults filled in.',
  })
  gatePolicy(@Root() model: ModelType): GatePolicyType {
    const policy = gatePolicyOf(model);
    const metrics = Object.entries(policy.validation.metrics).map(([name, bound]) => ({ name, ...bound }));
    return {
      ...policy,
      validation: { ...policy.validation, metrics },
      isDefault: isDeepStrictEqual(policy, DEFAULT_GATE_POLICY),
    };
  }
}

/** The conditions of a gate result. */
@Resolver(() => GateResultType)
export class GateResultResolver {
  @FieldResolver(() => ModelVersionType, {
    nullable: true,
    description:
      'Version that the gate compared with; null for gates without a comparison. A promotion ' +
      'accepts the result only while that version is in PRODUCTION.',
  })
  comparedWith(@Root() result: GateResultType, @Ctx() ctx: RequestContext): Promise<ModelVersionType | null> | null {
    return result.comparedWithId ? ctx.loaders.modelVersion.load(result.comparedWithId) : null;
  }
}
