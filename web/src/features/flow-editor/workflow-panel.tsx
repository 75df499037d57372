// What belongs to the workflow as a whole: name, description, variables, limits.
import { useState } from 'react';
import type { Json, Variable, VariableType, WorkflowSettings } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { compact, tryParse } from '@/lib/json';
import { Button, IconButton } from '@/ui/button';
import { Field, Select, Switch, TextArea, TextInput } from '@/ui/field';
import { Icon } from '@/ui/icon';
import { useEditor, useShared } from '@/features/flow-editor/editor-context';
import { FlowSection } from '@/features/flow-editor/flow-section';
import { NumberInput, SpanInput } from '@/features/flow-editor/inputs/plain-inputs';

const TYPES: VariableType[] = ['string', 'number', 'boolean', 'object', 'array', 'any'];
const BLANK: Record<VariableType, Json> = { string: '', number: 0, boolean: false, object: {}, array: [], any: null };

export function WorkflowPanel({ onClose }: { onClose: () => void }) {
  const t = useT();
  const { store, problems } = useShared();
  const meta = useEditor((state) => state.meta);
  const settings = meta.settings ?? {};
  const put = (part: Parameters<ReturnType<typeof store.getState>['setMeta']>[0], tag: string) =>
    store.getState().setMeta(part, tag);
  const setting = (part: Partial<WorkflowSettings>) => {
    const next = compact<WorkflowSettings>({ ...settings, ...part });
    put({ settings: Object.keys(next).length > 0 ? next : undefined }, 'settings');
  };
  const own = problems[''] ?? [];

  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <header className="flex items-center border-b py-2.5 pr-2 pl-4">
        <h2 className="flex-1 font-medium">{t.editor.workflow}</h2>
        <IconButton size="sm" icon="x" label={t.common.close} onClick={onClose} />
      </header>
      <div className="min-h-0 flex-1 space-y-4 overflow-y-auto p-4">
        {own.map((problem, i) => (
          <p key={i} className="flex gap-1.5 rounded-md bg-madder-soft px-3 py-2 text-sm text-madder">
            <Icon name="alert" size={15} className="mt-0.5" />
            {problem.message}
          </p>
        ))}
        <Field label={t.editor.name} required>
          {(ids) => (
            <TextInput
              {...ids}
              maxLength={200}
              value={meta.name}
              onChange={(event) => put({ name: event.target.value }, 'name')}
            />
          )}
        </Field>
        <Field label={t.editor.description}>
          {(ids) => (
            <TextArea
              {...ids}
              rows={3}
              value={meta.description ?? ''}
              onChange={(event) => put({ description: event.target.value || undefined }, 'description')}
            />
          )}
        </Field>
        <section className="border-t pt-4">
          <h3 className="text-sm font-medium">{t.editor.variables}</h3>
          <p className="mt-0.5 mb-2 text-xs text-ink-3">{t.editor.variablesHelp}</p>
          <Variables
            list={meta.variables ?? []}
            onChange={(list) => put({ variables: list.length > 0 ? list : undefined }, 'variables')}
          />
        </section>
        <section className="grid grid-cols-2 gap-3 border-t pt-4">
          <h3 className="col-span-2 text-sm font-medium">{t.editor.limits}</h3>
          <Field label={t.editor.runTimeout} className="col-span-2">
            {(ids) => (
              <SpanInput
                ids={ids}
                value={settings.timeout}
                placeholder="1h"
                onChange={(value) => setting({ timeout: value as string | undefined })}
              />
            )}
          </Field>
          <Field label={t.editor.runDeadline} hint={t.editor.runDeadlineHelp} className="col-span-2">
            {(ids) => (
              <SpanInput
                ids={ids}
                value={settings.deadline}
                placeholder={t.editor.behaviour.none}
                onChange={(value) => setting({ deadline: value as string | undefined })}
              />
            )}
          </Field>
          <Field label={t.editor.errorWorkflow} hint={t.editor.errorWorkflowHelp} className="col-span-2">
            {(ids) => (
              <TextInput
                {...ids}
                maxLength={200}
                value={settings.error_workflow ?? ''}
                onChange={(event) => setting({ error_workflow: event.target.value || undefined })}
              />
            )}
          </Field>
          <Field label={t.editor.maxSteps}>
            {(ids) => (
              <NumberInput
                ids={ids}
                whole
                value={settings.max_steps}
                placeholder="10000"
                onChange={(value) => setting({ max_steps: value as number | undefined })}
              />
            )}
          </Field>
          <Field label={t.editor.maxParallel}>
            {(ids) => (
              <NumberInput
                ids={ids}
                whole
                value={settings.max_parallel}
                placeholder="16"
                onChange={(value) => setting({ max_parallel: value as number | undefined })}
              />
            )}
          </Field>
        </section>
        <FlowSection flow={settings.flow} onChange={(flow) => setting({ flow })} />
      </div>
    </div>
  );
}

function Variables({ list, onChange }: { list: Variable[]; onChange: (list: Variable[]) => void }) {
  const t = useT();
  const change = (at: number, part: Partial<Variable>) =>
    onChange(list.map((one, i) => (i === at ? { ...one, ...part } : one)));
  const freeName = () => {
    let n = list.length + 1;
    while (list.some((one) => one.name === `variable_${n}`)) n++;
    return `variable_${n}`;
  };
  return (
    <div className="space-y-2">
      {list.map((one, i) => (
        <div key={i} className="space-y-1.5 rounded-md border bg-surface p-2">
          <div className="flex items-center gap-1.5">
            <TextInput
              aria-label={t.editor.name}
              className="code min-w-0 flex-1"
              value={one.name}
              onChange={(event) => change(i, { name: event.target.value })}
            />
            <Select
              aria-label={t.editor.type}
              className="w-28! shrink-0"
              value={one.type}
              options={TYPES.map((type) => ({ value: type, label: t.editor.types[type] }))}
              onChange={(type) => change(i, { type: type as VariableType, value: BLANK[type as VariableType] })}
            />
            <IconButton
              size="sm"
              icon="trash"
              label={t.common.remove}
              onClick={() => onChange(list.filter((_, at) => at !== i))}
            />
          </div>
          <VariableValue key={one.type} variable={one} onChange={(value) => change(i, { value })} />
        </div>
      ))}
      <Button
        kind="quiet"
        size="sm"
        icon="plus"
        onClick={() => onChange([...list, { name: freeName(), type: 'string', value: '' }])}
      >
        {t.editor.addVariable}
      </Button>
    </div>
  );
}

function VariableValue({ variable, onChange }: { variable: Variable; onChange: (value: Json) => void }) {
  const t = useT();
  const { type, value } = variable;
  const [text, setText] = useState(() =>
    typeof value === 'string' && type === 'string' ? value : JSON.stringify(value ?? BLANK[type]),
  );
  if (type === 'boolean') return <Switch checked={value === true} label={t.editor.value} onChange={onChange} />;
  const bad = type !== 'string' && !tryParse(text).ok;
  return (
    <TextInput
      aria-label={t.editor.value}
      placeholder={t.editor.value}
      className="code"
      aria-invalid={bad || undefined}
      value={text}
      onChange={(event) => {
        setText(event.target.value);
        if (type === 'string') return onChange(event.target.value);
        const parsed = tryParse(event.target.value);
        if (parsed.ok) onChange(parsed.value as Json);
      }}
    />
  );
}
