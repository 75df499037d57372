// Flow control of a workflow: how its runs make room for each other (docs/formats/workflow.md).
import type { FlowControl, Rate } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { GatherFields } from '@/features/flow-editor/gather-fields';
import { orNothing } from '@/features/flow-editor/or-nothing';
import { Field, Select, TextInput } from '@/ui/field';
import { NumberInput, SpanInput } from '@/features/flow-editor/inputs/plain-inputs';

type Singleton = NonNullable<FlowControl['singleton']>;
const SINGLETON: Singleton[] = ['off', 'skip', 'cancel'];

export function FlowSection({
  flow = {},
  onChange,
}: {
  flow?: FlowControl;
  onChange: (flow: FlowControl | undefined) => void;
}) {
  const t = useT();
  const change = (part: Partial<FlowControl>) => onChange(orNothing({ ...flow, ...part }));
  return (
    <section className="grid grid-cols-2 gap-3 border-t pt-4">
      <div className="col-span-2">
        <h3 className="text-sm font-medium">{t.editor.flow.title}</h3>
        <p className="mt-0.5 text-xs text-ink-3">{t.editor.flow.help}</p>
      </div>
      <Field label={t.editor.flow.key} hint={t.editor.flow.keyHelp} className="col-span-2">
        {(ids) => (
          <TextInput
            {...ids}
            className="code"
            placeholder="{{ input.customer }}"
            value={flow.key ?? ''}
            onChange={(event) => change({ key: event.target.value || undefined })}
          />
        )}
      </Field>
      <Field label={t.editor.flow.concurrency}>
        {(ids) => (
          <NumberInput
            ids={ids}
            whole
            value={flow.concurrency}
            placeholder={t.editor.behaviour.none}
            onChange={(value) => change({ concurrency: value as number | undefined })}
          />
        )}
      </Field>
      <Field label={t.editor.flow.singleton}>
        {(ids) => (
          <Select
            {...ids}
            value={flow.singleton ?? 'off'}
            options={SINGLETON.map((value) => ({ value, label: t.editor.flow.singletons[value] }))}
            onChange={(value) => change({ singleton: value === 'off' ? undefined : (value as Singleton) })}
          />
        )}
      </Field>
      <RateFields label={t.editor.flow.throttle} rate={flow.throttle} onChange={(throttle) => change({ throttle })} />
      <RateFields
        label={t.editor.flow.rateLimit}
        rate={flow.rate_limit}
        onChange={(rate_limit) => change({ rate_limit })}
      />
      <GatherFields flow={flow} onChange={change} />
    </section>
  );
}

function RateFields({
  label,
  rate = {},
  onChange,
}: {
  label: string;
  rate?: Rate;
  onChange: (rate: Rate | undefined) => void;
}) {
  const t = useT();
  const change = (part: Partial<Rate>) => onChange(orNothing({ ...rate, ...part }));
  return (
    <>
      <Field label={label}>
        {(ids) => (
          <NumberInput
            ids={ids}
            whole
            value={rate.limit}
            placeholder={t.editor.behaviour.none}
            onChange={(limit) => change({ limit: limit as number | undefined })}
          />
        )}
      </Field>
      <Field label={t.editor.flow.per}>
        {(ids) => (
          <SpanInput
            ids={ids}
            value={rate.per}
            placeholder="1m"
            onChange={(per) => change({ per: per as string | undefined })}
          />
        )}
      </Field>
    </>
  );
}
