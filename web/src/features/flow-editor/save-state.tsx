// Where the draft stands, beside its name; and what to do when somebody else has changed it.
import { useT } from '@/i18n/i18n';
import { cx } from '@/lib/cx';
import { Button } from '@/ui/button';
import { Icon, type IconName } from '@/ui/icon';
import { problemText } from '@/ui/problem';
import { Spinner } from '@/ui/spinner';
import type { SaveState } from '@/features/flow-editor/draft-saver';

export function SaveMark({ save }: { save: SaveState }) {
  const t = useT();
  const looks: Record<SaveState['kind'], { icon: IconName | null; tone: string }> = {
    saved: { icon: 'check', tone: 'text-ink-3' },
    dirty: { icon: 'pen', tone: 'text-ink-3' },
    saving: { icon: null, tone: 'text-ink-3' },
    invalid: { icon: 'alert', tone: 'text-weld' },
    conflict: { icon: 'alert', tone: 'text-madder' },
    failed: { icon: 'alert', tone: 'text-madder' },
  };
  const { icon, tone } = looks[save.kind];
  const tip =
    save.kind === 'invalid'
      ? t.editor.saveTips.invalid
      : save.kind === 'failed'
        ? problemText(save.problem, t).detail
        : undefined;
  return (
    <span
      role="status"
      data-tip={tip}
      className={cx(
        'flex items-center gap-1 text-xs whitespace-nowrap',
        tone,
        save.kind === 'saved' && 'max-sm:sr-only',
      )}
    >
      {icon ? <Icon name={icon} size={13} /> : <Spinner size={12} />}
      <span className="hidden sm:inline">{t.editor.saveStates[save.kind]}</span>
    </span>
  );
}

interface ConflictProps {
  onTheirs: () => void;
  onMine: () => void;
  onCopy: () => void;
}

export function ConflictBar({ onTheirs, onMine, onCopy }: ConflictProps) {
  const t = useT();
  return (
    <div
      role="alert"
      className="flex flex-wrap items-center gap-x-3 gap-y-2 border-b border-madder/30 bg-madder-soft px-4 py-2.5"
    >
      <Icon name="alert" className="text-madder" />
      <p className="min-w-48 flex-1 text-sm">
        <strong className="font-semibold">{t.editor.conflict.title}</strong> {t.editor.conflict.text}
      </p>
      <Button size="sm" onClick={onTheirs}>
        {t.editor.conflict.theirs}
      </Button>
      <Button size="sm" onClick={onMine}>
        {t.editor.conflict.mine}
      </Button>
      <Button size="sm" onClick={onCopy}>
        {t.editor.conflict.copy}
      </Button>
    </div>
  );
}
