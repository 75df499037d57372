// Asks for the input of a run and starts it: a form where the trigger's schema is simple, JSON otherwise.
import { useRef, useState } from 'react';
import { asProblem } from '@/api/problem';
import type { Definition, Json, Run } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { randomId } from '@/lib/id';
import { pretty, tryParse } from '@/lib/json';
import { tab } from '@/lib/prefs';
import { Button } from '@/ui/button';
import { Dialog } from '@/ui/dialog';
import { Segmented, Switch } from '@/ui/field';
import { JsonField, useJsonText } from '@/ui/json-field';
import { ProblemNotice } from '@/ui/problem';
import { FormField } from '@/run/form-field';
import { exampleInput, formFields, formInput, formValues, inputSchema } from '@/run/input-schema';
import { useStartRun } from '@/run/queries';

interface StartDialogProps {
  workflowId: string;
  definition: Definition;
  version: number | 'draft' | 'published';
  /** The input to begin with: that of an earlier run. */
  input?: Json;
  onClose: () => void;
  onStarted: (run: Run) => void;
}

function firstInput({ workflowId, definition, input }: StartDialogProps): Json {
  if (input !== undefined) return input;
  const last = tab.recall(`input.${workflowId}`);
  const parsed = last === null ? null : tryParse(last);
  return parsed?.ok ? (parsed.value as Json) : exampleInput(definition);
}

export function StartDialog(props: StartDialogProps) {
  const { workflowId, definition, version, onClose, onStarted } = props;
  const t = useT();
  const start = useStartRun(workflowId);
  const fields = formFields(inputSchema(definition));
  const [first] = useState(() => firstInput(props));
  const body = useJsonText(() => pretty(first), 'null');
  const [values, setValues] = useState(() => formValues(fields ?? [], first));
  const [view, setView] = useState<'form' | 'json'>(fields ? 'form' : 'json');
  // The same input asked for again (after a line that broke) must not run twice.
  const [dry, setDry] = useState(false);
  const keys = useRef(new Map<string, string>());
  const { parsed } = body;
  const input = view === 'form' && fields ? formInput(fields, values) : parsed.ok ? parsed.value : undefined;
  const ready = view === 'form' ? input !== null : parsed.ok;

  const switchView = (to: 'form' | 'json') => {
    if (to === 'json' && fields) body.setText(pretty(formInput(fields, values) ?? first));
    if (to === 'form' && fields && parsed.ok) setValues(formValues(fields, parsed.value));
    setView(to);
  };
  const go = () => {
    if (!ready || start.isPending) return;
    tab.remember(`input.${workflowId}`, JSON.stringify(input ?? null));
    const sense = JSON.stringify([input ?? null, dry]);
    const key = keys.current.get(sense) ?? randomId('console');
    keys.current.set(sense, key);
    start.mutate({ input, version, key, ...(dry && { dry_run: true }) }, { onSuccess: onStarted });
  };

  return (
    <Dialog
      open
      onClose={onClose}
      title={t.run.start.title(definition.name)}
      footer={
        <>
          <span className="mr-auto text-xs text-ink-3">
            {version === 'draft'
              ? t.run.start.draft
              : version === 'published'
                ? t.run.start.published
                : t.run.start.version(version)}
          </span>
          <Button onClick={onClose}>{t.common.cancel}</Button>
          <Button kind="primary" icon="play" busy={start.isPending} disabled={!ready} onClick={go}>
            {t.run.start.go}
          </Button>
        </>
      }
    >
      <form
        className="space-y-4 p-5"
        onSubmit={(event) => {
          event.preventDefault();
          go();
        }}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) go();
        }}
      >
        <div className="flex items-center gap-3">
          <p className="flex-1 text-sm text-ink-2">{fields ? t.run.start.byForm : t.run.start.byJson}</p>
          {fields && (
            <Segmented
              label={t.run.start.view}
              value={view}
              onChange={switchView}
              options={[
                { value: 'form', label: t.run.start.form },
                { value: 'json', label: 'JSON' },
              ]}
            />
          )}
        </div>
        {view === 'form' && fields ? (
          fields.map((field) => (
            <FormField
              key={field.name}
              field={field}
              value={values[field.name]}
              onChange={(value) => setValues((all) => ({ ...all, [field.name]: value }))}
            />
          ))
        ) : (
          <JsonField label={t.run.input} body={body} boxClassName="h-56" />
        )}
        <div className="flex items-center gap-2 text-sm text-ink-2">
          <Switch label={t.run.start.dry} checked={dry} onChange={setDry} />
          <span aria-hidden>{t.run.start.dry}</span>
        </div>
        {start.error && <ProblemNotice compact error={asProblem(start.error)} />}
        <button type="submit" hidden />
      </form>
    </Dialog>
  );
}
