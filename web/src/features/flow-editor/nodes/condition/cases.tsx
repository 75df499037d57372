// The cases of a condition: each a list of comparisons, tried from the top; what none meets leaves by "else".
import { useState } from 'react';
import type { Json, JsonObject } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { casesOf, obj, str, type Case } from '@/flow/model';
import { tryParse } from '@/lib/json';
import { Button, IconButton } from '@/ui/button';
import { Segmented, Select, TextInput } from '@/ui/field';
import { Icon } from '@/ui/icon';
import { freeId } from '@/lib/id';
import { TemplateInput } from '@/features/flow-editor/inputs/template-input';
import type { SpecialProps } from '@/features/flow-editor/nodes/special';

const GROUPS = {
  any: ['equals', 'not_equals', 'exists', 'not_exists', 'is_empty', 'is_not_empty', 'is_null', 'is_not_null', 'type_is'],
  text: ['contains', 'not_contains', 'starts_with', 'ends_with', 'matches'],
  number: ['gt', 'gte', 'lt', 'lte', 'between'],
  boolean: ['is_true', 'is_false'],
  list: ['in', 'not_in', 'length_equals', 'length_gt', 'length_lt'],
  date: ['before', 'after'],
} as const;

const UNARY = new Set(['is_empty', 'is_not_empty', 'exists', 'not_exists', 'is_null', 'is_not_null', 'is_true', 'is_false']);
const NUMERIC = new Set(['gt', 'gte', 'lt', 'lte', 'length_equals', 'length_gt', 'length_lt']);
const LISTS = new Set(['between', 'in', 'not_in']);
const TYPES = ['string', 'number', 'boolean', 'object', 'array', 'null'];

/** What was typed at the right, as the operator wants it: numbers and lists as such, all else as text. */
export function rightValue(operator: string, text: string): Json {
  if (text.includes('{{')) return text;
  if (NUMERIC.has(operator) && text.trim() !== '' && Number.isFinite(Number(text))) return Number(text);
  if (LISTS.has(operator)) {
    const parsed = tryParse(text);
    if (parsed.ok && Array.isArray(parsed.value)) return parsed.value as Json;
    return text.split(',').map((item) => item.trim()).filter(Boolean).map((item) => (Number.isFinite(Number(item)) ? Number(item) : item));
  }
  return text;
}

const rightText = (value: Json | undefined): string =>
  value === undefined ? '' : typeof value === 'string' ? value : Array.isArray(value) && value.every((item) => typeof item !== 'object') ? value.join(', ') : JSON.stringify(value);

export function Cases({ node, data, problems, onChange }: SpecialProps) {
  const t = useT();
  const cases = casesOf(data);
  const raw = Array.isArray(data['cases']) ? data['cases'] : [];
  const put = (at: number, part: JsonObject) => onChange(raw.map((one, i) => (i === at ? { ...obj(one), ...part } : one)));
  const add = () => onChange([...raw, { id: freeId('case', new Set(cases.map((one) => one.id))), logic: 'and', conditions: [{ left: '', operator: 'equals', right: '' }] }]);
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
            <span className="text-xs font-medium whitespace-nowrap text-ink-3">{i === 0 ? t.flow.if : t.flow.elseIf}</span>
            <TextInput aria-label={t.editor.caseTitle} placeholder={t.flow.caseNumber(i + 1)} value={one.title} className="h-7 min-h-7! border-transparent! bg-transparent! py-0! font-medium"
              onChange={(event) => put(i, { title: event.target.value })} />
            <IconButton size="sm" icon="down" label={t.editor.moveUp} className="rotate-180" disabled={i === 0} onClick={() => move(i, -1)} />
            <IconButton size="sm" icon="trash" label={t.editor.removeCase} disabled={cases.length === 1} onClick={() => onChange(raw.filter((_, at) => at !== i))} />
          </header>
          <Conditions node={node} one={one} path={`cases/${i}`} problems={problems} onChange={(part) => put(i, part)} />
        </section>
      ))}
      <Button size="sm" icon="plus" onClick={add}>{t.editor.addCase}</Button>
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
  const put = (at: number, next: JsonObject) => onChange({ conditions: one.conditions.map((condition, i) => (i === at ? next : condition)) });
  return (
    <div className="space-y-2 p-2.5">
      {one.conditions.map((condition, i) => (
        <div key={i} className="space-y-1.5">
          {i > 0 && <LogicLine logic={one.logic} first={i === 1} onChange={(logic) => onChange({ logic })} />}
          <ConditionRow node={node} condition={condition} onChange={(next) => put(i, next)}
            onRemove={one.conditions.length > 1 ? () => onChange({ conditions: one.conditions.filter((_, at) => at !== i) }) : undefined} />
          {problems.filter((problem) => problem.field?.startsWith(`${path}/conditions/${i}`)).map((problem, n) => (
            <p key={n} className="flex gap-1 text-xs text-madder"><Icon name="alert" size={13} className="mt-px" />{problem.message}</p>
          ))}
        </div>
      ))}
      <Button kind="quiet" size="sm" icon="plus" onClick={() => onChange({ conditions: [...one.conditions, { left: '', operator: 'equals', right: '' }] })}>{t.editor.addCondition}</Button>
    </div>
  );
}

function LogicLine({ logic, first, onChange }: { logic: 'and' | 'or'; first: boolean; onChange: (logic: 'and' | 'or') => void }) {
  const t = useT();
  if (!first) return <p className="text-xs text-ink-3">{t.editor.logic[logic]}</p>;
  return <Segmented label={t.editor.logicLabel} value={logic} onChange={onChange} options={[{ value: 'and', label: t.editor.logic.and }, { value: 'or', label: t.editor.logic.or }]} />;
}

interface RowProps {
  node: string;
  condition: JsonObject;
  onChange: (condition: JsonObject) => void;
  onRemove?: () => void;
}

function ConditionRow({ node, condition, onChange, onRemove }: RowProps) {
  const t = useT();
  const operator = str(condition['operator']) || 'equals';
  const words: Record<string, string> = t.editor.operators;
  const setOperator = (next: string) => {
    const { right, ...rest } = condition;
    onChange({ ...rest, operator: next, ...(UNARY.has(next) ? {} : { right: rightValue(next, rightText(right)) }) });
  };
  return (
    <div className="space-y-1.5">
      <TemplateInput node={node} label={t.editor.left} placeholder="{{ … }}" value={rightText(condition['left'])} onChange={(left) => onChange({ ...condition, left })} />
      <div className="flex items-start gap-1.5">
        <select aria-label={t.editor.operator} className="input w-[42%]! min-w-0 shrink-0" value={operator} onChange={(event) => setOperator(event.target.value)}>
          {Object.entries(GROUPS).map(([group, list]) => (
            <optgroup key={group} label={t.editor.operatorGroups[group as keyof typeof GROUPS]}>
              {list.map((name) => <option key={name} value={name}>{words[name] ?? name}</option>)}
            </optgroup>
          ))}
        </select>
        <div className="min-w-0 flex-1">
          {operator === 'type_is'
            ? <Select aria-label={t.editor.right} value={str(condition['right'])} options={['', ...TYPES].map((value) => ({ value, label: value || '–' }))} onChange={(right) => onChange({ ...condition, right })} />
            : !UNARY.has(operator) && <RightInput key={operator} node={node} operator={operator} value={condition['right']} onChange={(right) => onChange({ ...condition, right })} />}
        </div>
        {onRemove && <IconButton size="sm" icon="x" label={t.editor.removeCondition} className="mt-1" onClick={onRemove} />}
      </div>
    </div>
  );
}

/** The text is kept as it was typed ("1, 2, "), the value is what it stands for. */
function RightInput({ node, operator, value, onChange }: { node: string; operator: string; value: Json | undefined; onChange: (value: Json) => void }) {
  const t = useT();
  const [text, setText] = useState(() => rightText(value));
  const [seen, setSeen] = useState(value);
  if (value !== seen) {
    setSeen(value);
    if (rightText(rightValue(operator, text)) !== rightText(value)) setText(rightText(value));
  }
  const hint = operator === 'between' ? '1, 10' : LISTS.has(operator) ? 'a, b, c' : t.editor.value;
  return <TemplateInput node={node} label={t.editor.right} placeholder={hint} value={text} onChange={(next) => {
    setText(next);
    onChange(rightValue(operator, next));
  }} />;
}
