// A failed call, told helpfully: what happened, what to do, and the request id to quote.
import type { ApiProblem } from '@/api/problem';
import { asProblem } from '@/api/problem';
import { useT, type Messages } from '@/i18n/i18n';
import { Button } from '@/ui/button';
import { CopyButton } from '@/ui/copy-button';
import { Icon } from '@/ui/icon';

export function problemText(problem: ApiProblem, t: Messages): { title: string; detail: string } {
  const known: Record<string, { title: string; detail: string }> = t.problems.byCode;
  const byStatus: Record<number, { title: string; detail: string }> = t.problems.byStatus;
  const words =
    known[problem.code] ?? byStatus[problem.status] ?? (problem.status >= 500 ? t.problems.server : t.problems.other);
  const detail = problem.detail && problem.status !== 0 ? problem.detail : words.detail;
  return { title: words.title, detail };
}

interface NoticeProps {
  error: unknown;
  onRetry?: () => void;
  compact?: boolean;
}

export function ProblemNotice({ error, onRetry, compact }: NoticeProps) {
  const t = useT();
  const problem = asProblem(error);
  const { title, detail } = problemText(problem, t);
  return (
    <div
      role="alert"
      className={
        compact
          ? 'rounded-md border border-madder/40 bg-madder-soft p-3'
          : 'mx-4 my-10 max-w-md rounded-lg border bg-surface p-6 shadow-sm sm:mx-auto'
      }
    >
      <div className="flex gap-3">
        <Icon name="alert" className="mt-0.5 text-madder" />
        <div className="min-w-0 flex-1">
          <p className="font-medium">{title}</p>
          <p className="mt-0.5 text-sm break-words text-ink-2">{detail}</p>
          {problem.errors.length > 0 && (
            <ul className="mt-2 list-disc space-y-1 pl-4 text-sm">
              {problem.errors.slice(0, 8).map((located, i) => (
                <li key={i}>
                  <code className="code text-xs">{located.path || '/'}</code> {located.message}
                </li>
              ))}
            </ul>
          )}
          {problem.requestId && (
            <p className="mt-2 flex items-center gap-1 text-xs text-ink-3">
              {t.problems.requestId} <code className="code truncate text-xs">{problem.requestId}</code>
              <CopyButton text={problem.requestId} />
            </p>
          )}
          {onRetry && (
            <Button className="mt-3" size="sm" icon="refresh" onClick={onRetry}>
              {t.common.retry}
            </Button>
          )}
        </div>
      </div>
    </div>
  );
}
