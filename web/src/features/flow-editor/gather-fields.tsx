// Starts that become one run: debounce and batch (docs/formats/workflow.md).
import type { Batch, Debounce, FlowControl } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { Field, Select } from '@/ui/field';
import { NumberInput, SpanInput } from '@/features/flow-editor/inputs/plain-inputs';
import { orNothing } from '@/features/flow-editor/or-nothing';

type Mode = NonNullable<Debounce['mode']>;
const MODES: Mode[] = ['trailing', 'leading'];

export function GatherFields({
  flow,
  onChange,
}: {
  flow: FlowControl;
  onChange: (part: Partial<FlowControl>) => void;
}) {
  const t = useT();
  const { debounce = {}, batch = {} } = flow;
  const debounced = (part: Partial<Debounce>) => onChange({ debounce: orNothing({ ...debounce, ...part }) });
  const batched = (part: Partial<Batch>) => onChange({ batch: orNothing({ ...batch, ...part }) });
  return (
    <>
      <Field label={t.editor.flow.debounce} hint={t.editor.flow.debounceHelp}>
        {(ids) => (
          <SpanInput
            ids={ids}
            value={debounce.delay}
            placeholder={t.editor.behaviour.none}
            onChange={(delay) => debounced({ delay: delay as string | undefined })}
          />
        )}
      </Field>
      <Field label={t.editor.flow.maxDelay}>
        {(ids) => (
          <SpanInput
            ids={ids}
            value={debounce.max_delay}
            placeholder="10 ×"
            onChange={(max_delay) => debounced({ max_delay: max_delay as string | undefined })}
          />
        )}
      </Field>
      {debounce.delay !== undefined && (
        <Field label={t.editor.flow.debounceMode} className="col-span-2">
          {(ids) => (
            <Select
              {...ids}
              value={debounce.mode ?? 'trailing'}
              options={MODES.map((value) => ({ value, label: t.editor.flow.debounceModes[value] }))}
              onChange={(value) => debounced({ mode: value === 'trailing' ? undefined : (value as Mode) })}
            />
          )}
        </Field>
      )}
      <Field label={t.editor.flow.batch} hint={t.editor.flow.batchHelp}>
        {(ids) => (
          <NumberInput
            ids={ids}
            whole
            value={batch.size}
            placeholder={t.editor.behaviour.none}
            onChange={(size) => batched({ size: size as number | undefined })}
          />
        )}
      </Field>
      <Field label={t.editor.flow.batchTimeout}>
        {(ids) => (
          <SpanInput
            ids={ids}
            value={batch.timeout}
            placeholder="1m"
            onChange={(timeout) => batched({ timeout: timeout as string | undefined })}
          />
        )}
      </Field>
    </>
  );
}
