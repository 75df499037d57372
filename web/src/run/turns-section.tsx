// The items of an iteration or the rounds of a loop, page by page, each with its steps.
import { useInfiniteQuery } from '@tanstack/react-query';
import type { Run, Step, Turn } from '@/api/types';
import { useI18n } from '@/i18n/i18n';
import { Icon } from '@/ui/icon';
import { JsonView } from '@/ui/json-view';
import { LoadMore } from '@/ui/load-more';
import { ProblemNotice } from '@/ui/problem';
import { turnsQuery } from '@/run/queries';
import { StepBadge } from '@/run/run-state';

export function TurnsSection({ run, step }: { run: Run; step: Step }) {
  const { t } = useI18n();
  const { data, error, refetch, hasNextPage, isFetchingNextPage, fetchNextPage } = useInfiniteQuery(
    turnsQuery(run.id, step.node, run.finished_at === null || run.finished_at === undefined),
  );
  const turns = data?.pages.flatMap((page) => page.items) ?? [];
  const loop = step.type === 'loop';

  return (
    <section>
      <h3 className="mb-1.5 text-sm font-medium">{loop ? t.run.rounds : t.run.items}</h3>
      {step.items && (
        <p className="mb-1.5 text-sm text-ink-2">
          {t.run.itemsDone(step.items.done, loop ? null : step.items.total, step.items.failed)}
        </p>
      )}
      {error && <ProblemNotice error={error} onRetry={() => void refetch()} />}
      {turns.length > 0 && (
        <ol className="divide-y rounded-md border text-sm">
          {turns.map((turn) => (
            <TurnRow key={turn.scope} turn={turn} />
          ))}
        </ol>
      )}
      <LoadMore more={hasNextPage} busy={isFetchingNextPage} onMore={() => void fetchNextPage()} />
    </section>
  );
}

function TurnRow({ turn }: { turn: Turn }) {
  return (
    <li>
      <details className="group">
        <summary className="flex list-none items-center gap-2 px-3 py-2">
          <Icon name="chevron" size={13} className="text-ink-3 transition-transform group-open:rotate-90" />
          <code className="code">{turn.index}</code>
          <span className="ml-auto">
            <StepBadge state={turn.state} />
          </span>
        </summary>
        <ul className="space-y-3 px-3 pb-3">
          {turn.steps.map((step) => (
            <li key={step.node} className="space-y-1">
              <p className="flex items-center gap-2">
                <span className="truncate">{step.title ?? step.node}</span>
                <span className="ml-auto">
                  <StepBadge state={step.state} />
                </span>
              </p>
              {step.error && <p className="break-words text-madder">{step.error.message}</p>}
              {step.output !== undefined && step.output !== null && (
                <JsonView value={step.output} label={step.title ?? step.node} />
              )}
            </li>
          ))}
        </ul>
      </details>
    </li>
  );
}
