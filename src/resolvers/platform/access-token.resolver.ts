import { Arg, Ctx, Extensions, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import { Role } from '../../modules/core/index.js';
import type { RequestContext } from '../request-context.js';
import { EndpointType } from '../serving/endpoint.types.js';
import { RunType } from '../experiments/run.types.js';
import { OrderDirection } from '../types/common.types.js';
import { PageArgs, toConnection } from '../types/connection.js';
import {
  AccessTokenConnection,
  AccessTokenFilterInput,
  AccessTokenOrderInput,
  AccessTokenPayload,
  AccessTokenType,
  IssueAccessTokenInput,
  IssueAccessTokenPayload,
  RevokeAccessTokenInput,
} from './access-token.types.js';
import { ArgsWithRanges } from '../types/range.js';

const ADMIN = { minRole: Role.ADMIN };

@Resolver(() => AccessTokenType)
export class AccessTokenResolver {
  @Extensions(ADMIN)
  @Query(() => AccessTokenType, {
    description:
      'One token that this service has issued. NOT_FOUND when it does not exist, FORBIDDEN below the role ADMIN.',
  })
  accessToken(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      description: 'Id (UUID) of the token. NOT_FOUND when it does not exist or belongs to another tenant.',
    })
    id: string,
  ): Promise<AccessTokenType> {
    return ctx.run((session) => ctx.services.accessTokens.get(session, id));
  }

  @Extensions(ADMIN)
  @Query(() => AccessTokenConnection, {
    description:
      'Tokens that this service has issued for the tenant, newest first by default; without the ' +
      'secret tokens themselves. FORBIDDEN below the role ADMIN.',
  })
  async accessTokens(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => AccessTokenFilterInput, { nullable: true, description: 'Filter for tokens; all when absent.' })
    filter?: AccessTokenFilterInput,
    @Arg('orderBy', () => AccessTokenOrderInput, {
      nullable: true,
      description: 'Sort order; newest first when absent.',
    })
    orderBy?: AccessTokenOrderInput,
  ): Promise<object> {
    const order = orderBy ?? { field: 'createdAt' as const, direction: OrderDirection.DESC };
    const result = await ctx.run((session) => ctx.services.accessTokens.list(session, filter ?? {}, page, order));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @Extensions(ADMIN)
  @Mutation(() => IssueAccessTokenPayload, {
    description:
      'Issues a token of the caller’s tenant, signed with the service’s own key, and shows it once. ' +
      'Needs ADMIN. FORBIDDEN for a role above the caller’s own, CONFLICT when 1,000 tokens are ' +
      'already valid.',
  })
  async issueAccessToken(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => IssueAccessTokenInput, { description: 'Role, lifetime and scope.' })
    input: IssueAccessTokenInput,
  ): Promise<IssueAccessTokenPayload> {
    return ctx.services.accessTokens.issue(ctx, { ...input, scope: input.scope ?? 'EVERYTHING' });
  }

  @Extensions(ADMIN)
  @Mutation(() => AccessTokenPayload, {
    description:
      'Revokes a token: within five seconds every process refuses it and ends its subscriptions. A ' +
      'repeated call changes nothing. Needs ADMIN.',
  })
  async revokeAccessToken(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => RevokeAccessTokenInput, { description: 'Id of the access token that must stop working.' })
    input: RevokeAccessTokenInput,
  ): Promise<AccessTokenPayload> {
    return { accessToken: await ctx.run((session) => ctx.services.accessTokens.revoke(session, input.id)) };
  }

  @FieldResolver(() => [EndpointType], {
    description:
      'Endpoints at which a token with the scope PREDICT may predict, without deleted endpoints; ' +
      'empty for other scopes.',
  })
  async endpoints(@Root() token: AccessTokenType, @Ctx() ctx: RequestContext): Promise<EndpointType[]> {
    const found = await Promise.all(token.endpointIds.map((id) => ctx.loaders.endpoint.load(id)));
    return found.filter((endpoint) => endpoint !== null);
  }

  @FieldResolver(() => RunType, {
    nullable: true,
    description:
      'Run to which a token with the scope WRITE_RUN may log; null for other scopes, and when the ' +
      'run has been deleted for good.',
  })
  run(@Root() token: AccessTokenType, @Ctx() ctx: RequestContext): Promise<RunType | null> | null {
    return token.runId == null ? null : ctx.loaders.run.load(token.runId);
  }
}
