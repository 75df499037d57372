// What is other in one version of a workflow than in the live one or the draft.
import { useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import type { PartDiff, Workflow } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { diffQuery } from '@/flow/workflows';
import { cx } from '@/lib/cx';
import { Differences } from '@/ui/differences';
import { Segmented } from '@/ui/field';
import { Icon } from '@/ui/icon';
import { Skeleton } from '@/ui/page';
import { ProblemNotice } from '@/ui/problem';

type Base = 'draft' | 'published';

const TONES = {
  added: 'bg-green-soft text-green',
  removed: 'bg-madder-soft text-madder',
  changed: 'bg-indigo-soft text-indigo',
} as const;

export function VersionChanges({ workflow, version }: { workflow: Workflow; version: number }) {
  const t = useT();
  const words = t.compare.versions;
  // The live version beside itself says nothing.
  const canLive = workflow.published_version !== null && workflow.published_version !== version;
  const [base, setBase] = useState<Base>(canLive ? 'published' : 'draft');
  const { data, error, refetch } = useQuery({ ...diffQuery(workflow.id, base, String(version)), staleTime: 0 });
  return (
    <div className="h-full space-y-4 overflow-y-auto p-5">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1.5">
        <span className="text-sm text-ink-2">{words.base}</span>
        {canLive ? (
          <Segmented<Base>
            label={words.base}
            value={base}
            onChange={setBase}
            options={[
              { value: 'published', label: words.live },
              { value: 'draft', label: words.draft },
            ]}
          />
        ) : (
          <span className="text-sm font-medium">{words.draft}</span>
        )}
      </div>
      {error ? (
        <ProblemNotice compact error={error} onRetry={() => void refetch()} />
      ) : !data ? (
        <Skeleton className="h-32" />
      ) : data.same ? (
        <p className="flex items-center gap-2 text-green">
          <Icon name="check" /> {words.same}
        </p>
      ) : (
        <>
          {data.whole === false && <p className="text-sm text-weld">{t.compare.notWhole}</p>}
          <Parts title={words.nodes} list={data.nodes} />
          <Parts title={words.edges} list={data.edges} />
          {data.workflow.length > 0 && (
            <section>
              <h3 className="mb-2 font-medium">{words.workflow}</h3>
              <Differences list={data.workflow} />
            </section>
          )}
        </>
      )}
    </div>
  );
}

function Parts({ title, list }: { title: string; list: PartDiff[] }) {
  const t = useT();
  if (list.length === 0) return null;
  return (
    <section>
      <h3 className="mb-2 font-medium">{title}</h3>
      <ul className="space-y-3">
        {list.map((part) => (
          <li key={part.id} className="space-y-1.5">
            <p className="flex flex-wrap items-center gap-2">
              <span className={cx('rounded-full px-2 py-0.5 text-xs font-medium', TONES[part.change])}>
                {t.compare.versions[part.change]}
              </span>
              <code className="code text-sm">{part.id}</code>
              {part.type && <span className="text-sm text-ink-3">{part.type}</span>}
            </p>
            {part.differences.length > 0 && <Differences list={part.differences} />}
          </li>
        ))}
      </ul>
    </section>
  );
}
