// One comparison of a condition: a value, an operator, and mostly what it is compared with.
import { useState } from 'react';
import type { Json, JsonObject } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { str } from '@/flow/model';
import { IconButton } from '@/ui/button';
import { Select } from '@/ui/field';
import { TemplateInput } from '@/features/flow-editor/inputs/template-input';
import { GROUPS, LISTS, rightText, rightValue, TYPES, UNARY } from '@/features/flow-editor/nodes/condition/operators';

interface RowProps {
  node: string;
  condition: JsonObject;
  onChange: (condition: JsonObject) => void;
  onRemove?: () => void;
}

export function ConditionRow({ node, condition, onChange, onRemove }: RowProps) {
  const t = useT();
  const operator = str(condition['operator']) || 'equals';
  const words: Record<string, string> = t.editor.operators;
  const setOperator = (next: string) => {
    const { right, ...rest } = condition;
    onChange({ ...rest, operator: next, ...(UNARY.has(next) ? {} : { right: rightValue(next, rightText(right)) }) });
  };
  return (
    <div className="space-y-1.5">
      <TemplateInput
        node={node}
        label={t.editor.left}
        placeholder="{{ … }}"
        value={rightText(condition['left'])}
        onChange={(left) => onChange({ ...condition, left })}
      />
      <div className="flex items-start gap-1.5">
        <select
          aria-label={t.editor.operator}
          className="input w-[42%]! min-w-0 shrink-0"
          value={operator}
          onChange={(event) => setOperator(event.target.value)}
        >
          {Object.entries(GROUPS).map(([group, list]) => (
            <optgroup key={group} label={t.editor.operatorGroups[group as keyof typeof GROUPS]}>
              {list.map((name) => (
                <option key={name} value={name}>
                  {words[name] ?? name}
                </option>
              ))}
            </optgroup>
          ))}
        </select>
        <div className="min-w-0 flex-1">
          {operator === 'type_is' ? (
            <Select
              aria-label={t.editor.right}
              value={str(condition['right'])}
              options={['', ...TYPES].map((value) => ({ value, label: value || '–' }))}
              onChange={(right) => onChange({ ...condition, right })}
            />
          ) : (
            !UNARY.has(operator) && (
              <RightInput
                key={operator}
                node={node}
                operator={operator}
                value={condition['right']}
                onChange={(right) => onChange({ ...condition, right })}
              />
            )
          )}
        </div>
        {onRemove && (
          <IconButton size="sm" icon="x" label={t.editor.removeCondition} className="mt-1" onClick={onRemove} />
        )}
      </div>
    </div>
  );
}

/** The text is kept as it was typed ("1, 2, "), the value is what it stands for. */
function RightInput({
  node,
  operator,
  value,
  onChange,
}: {
  node: string;
  operator: string;
  value: Json | undefined;
  onChange: (value: Json) => void;
}) {
  const t = useT();
  const [text, setText] = useState(() => rightText(value));
  const [seen, setSeen] = useState(value);
  if (value !== seen) {
    setSeen(value);
    if (rightText(rightValue(operator, text)) !== rightText(value)) setText(rightText(value));
  }
  const hint = operator === 'between' ? '1, 10' : LISTS.has(operator) ? 'a, b, c' : t.editor.value;
  return (
    <TemplateInput
      node={node}
      label={t.editor.right}
      placeholder={hint}
      value={text}
      onChange={(next) => {
        setText(next);
        onChange(rightValue(operator, next));
      }}
    />
  );
}
