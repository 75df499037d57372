// The cases of a condition: each a list of comparisons, tried from the top; what none meets leaves by "else".
import type { JsonObject } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { casesOf, obj, type Case } from '@/flow/model';
import { Button, IconButton } from '@/ui/button';
import { Segmented, TextInput } from '@/ui/field';
import { Icon } from '@/ui/icon';
import { freeId } from '@/lib/id';
import { ConditionRow } from '@/features/flow-editor/nodes/condition/condition-row';
import type { SpecialProps } from '@/features/flow-editor/nodes/special';

export function Cases({ node, data, problems, onChange }: SpecialProps) {
  const t = useT();
  const cases = casesOf(data);
  const raw = Array.isArray(data['cases']) ? data['cases'] : [];
  const put = (at: number, part: JsonObject) =>
    onChange(raw.map((one, i) => (i === at ? { ...obj(one), ...part } : one)));
  const add = () =>
    onChange([
      ...raw,
      {
        id: freeId('case', new Set(cases.map((one) => one.id))),
        logic: 'and',
        conditions: [{ left: '', operator: 'equals', right: '' }],
      },
    ]);
  const move = (at: number, by: number) => {
    const next = [...raw];
    const [one] = next.splice(at, 1);
    if (one !== undefined) next.splice(at + by, 0, one);
    onChange(next);
  };

  return (
    <div className="space-y-3">
      {cases.map((one, i) => (
        <section key={one.id || i} className="rounded-md border bg-surface">
          <header className="flex items-center gap-1 border-b py-1 pr-1 pl-3">
            <span className="text-xs font-medium whitespace-nowrap text-ink-3">
              {i === 0 ? t.flow.if : t.flow.elseIf}
            </span>
            <TextInput
              aria-label={t.editor.caseTitle}
              placeholder={t.flow.caseNumber(i + 1)}
              value={one.title}
              className="h-7 min-h-7! border-transparent! bg-transparent! py-0! font-medium"
              onChange={(event) => put(i, { title: event.target.value })}
            />
            <IconButton
              size="sm"
              icon="down"
              label={t.editor.moveUp}
              className="rotate-180"
              disabled={i === 0}
              onClick={() => move(i, -1)}
            />
            <IconButton
              size="sm"
              icon="trash"
              label={t.editor.removeCase}
              disabled={cases.length === 1}
              onClick={() => onChange(raw.filter((_, at) => at !== i))}
            />
          </header>
          <Conditions node={node} one={one} path={`cases/${i}`} problems={problems} onChange={(part) => put(i, part)} />
        </section>
      ))}
      <Button size="sm" icon="plus" onClick={add}>
        {t.editor.addCase}
      </Button>
    </div>
  );
}

interface ConditionsProps extends Pick<SpecialProps, 'node' | 'problems'> {
  one: Case;
  path: string;
  onChange: (part: JsonObject) => void;
}

function Conditions({ node, one, path, problems, onChange }: ConditionsProps) {
  const t = useT();
  const put = (at: number, next: JsonObject) =>
    onChange({ conditions: one.conditions.map((condition, i) => (i === at ? next : condition)) });
  return (
    <div className="space-y-2 p-2.5">
      {one.conditions.map((condition, i) => (
        <div key={i} className="space-y-1.5">
          {i > 0 && <LogicLine logic={one.logic} first={i === 1} onChange={(logic) => onChange({ logic })} />}
          <ConditionRow
            node={node}
            condition={condition}
            onChange={(next) => put(i, next)}
            onRemove={
              one.conditions.length > 1
                ? () => onChange({ conditions: one.conditions.filter((_, at) => at !== i) })
                : undefined
            }
          />
          {problems
            .filter((problem) => problem.field?.startsWith(`${path}/conditions/${i}`))
            .map((problem, n) => (
              <p key={n} className="flex gap-1 text-xs text-madder">
                <Icon name="alert" size={13} className="mt-px" />
                {problem.message}
              </p>
            ))}
        </div>
      ))}
      <Button
        kind="quiet"
        size="sm"
        icon="plus"
        onClick={() => onChange({ conditions: [...one.conditions, { left: '', operator: 'equals', right: '' }] })}
      >
        {t.editor.addCondition}
      </Button>
    </div>
  );
}

function LogicLine({
  logic,
  first,
  onChange,
}: {
  logic: 'and' | 'or';
  first: boolean;
  onChange: (logic: 'and' | 'or') => void;
}) {
  const t = useT();
  if (!first) return <p className="text-xs text-ink-3">{t.editor.logic[logic]}</p>;
  return (
    <Segmented
      label={t.editor.logicLabel}
      value={logic}
      onChange={onChange}
      options={[
        { value: 'and', label: t.editor.logic.and },
        { value: 'or', label: t.editor.logic.or },
      ]}
    />
  );
}
