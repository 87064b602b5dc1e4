import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../db/database.js';
import { checkPageSize, encodeCursor, type Page } from '../../db/pagination.js';
import { sql } from '../../db/sql.js';

const ORDER = { field: 'version', direction: 'DESC' } as const;

/** The first page of each model's versions, highest number first, in two statements however many models there are. */
export async function firstVersions(
  session: Session,
  modelIds: readonly string[],
  first: number | null | undefined,
): Promise<Page<ModelVersion>[]> {
  const size = checkPageSize(first);
  const { tenant } = session;
  const ranked = await sql<{ id: string }>(
    session.em,
    `select id from (select id, row_number() over (partition by tenant, model_id order by version desc) as place
       from model_version where tenant = ? and model_id = any(?::uuid[])) numbered where place <= ?`,
    [tenant, [...modelIds], size + 1],
  );
  const found = await session.em.find(ModelVersion, { tenant, id: { $in: ranked.map(({ id }) => id) } }, { orderBy: { version: 'DESC' } });
  const byModel = Map.groupBy(found, ({ modelId }) => modelId);
  return modelIds.map((modelId) => {
    const rows = byModel.get(modelId) ?? [];
    const nodes = rows.slice(0, size);
    return {
      nodes,
      cursors: nodes.map(({ version, id }) => encodeCursor(ORDER, version, id)),
      hasNextPage: rows.length > size,
      totalCount: (reader) => reader.em.count(ModelVersion, { tenant, modelId }),
    };
  });
}
