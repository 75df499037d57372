// What the server finds wrong with the draft; each entry leads to its place.
import type { Located } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { str } from '@/flow/model';
import { cx } from '@/lib/cx';
import { Icon } from '@/ui/icon';
import { useEditor } from '@/features/flow-editor/editor-context';

export function ProblemList({ problems, onGo }: { problems: Located[]; onGo: (problem: Located) => void }) {
  const t = useT();
  const nodes = useEditor((state) => state.nodes);
  if (problems.length === 0)
    return (
      <p className="flex items-center gap-2 p-4 text-sm text-ink-2">
        <Icon name="check" size={16} className="text-green" />
        {t.editor.noProblems}
      </p>
    );
  return (
    <ul className="max-h-[50dvh] w-[min(26rem,92vw)] overflow-y-auto p-1">
      {problems.map((problem, i) => {
        const node = nodes.find((one) => one.id === problem.node);
        const place = [node ? str(node.data['title']) || node.id : t.editor.workflow, problem.field]
          .filter(Boolean)
          .join(' · ');
        return (
          <li key={i}>
            <button
              type="button"
              onClick={() => onGo(problem)}
              className="flex w-full gap-2.5 rounded-sm px-2.5 py-2 text-left hover:bg-ink/6"
            >
              <Icon name="alert" size={16} className={cx('mt-0.5', problem.warning ? 'text-weld' : 'text-madder')} />
              <span className="min-w-0">
                <span className="block truncate text-xs text-ink-3">{place}</span>
                <span className="block text-sm break-words">{problem.message}</span>
              </span>
            </button>
          </li>
        );
      })}
    </ul>
  );
}
