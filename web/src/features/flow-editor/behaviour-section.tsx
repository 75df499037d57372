// What every node may say about trouble: how long it may take, how often it is tried, what happens when it fails for good.
import { useT } from '@/i18n/i18n';
import type { Json, JsonObject, NodeType } from '@/api/types';
import { arr, obj, str } from '@/flow/model';
import { Field, Segmented, Select, Switch } from '@/ui/field';
import { useEditor, useFieldProblems } from '@/features/flow-editor/editor-context';
import { JsonInput } from '@/features/flow-editor/inputs/json-input';
import { NumberInput, SpanInput } from '@/features/flow-editor/inputs/plain-inputs';

interface BehaviourProps {
  node: string;
  data: JsonObject;
  known: NodeType | undefined;
  onChange: (name: string, value: Json | undefined) => void;
}

const RETRY_ON = ['timeout', 'rate_limited', 'unavailable', 'bad_answer', 'any'] as const;
const without = (value: JsonObject, part: Record<string, Json | undefined>): JsonObject | undefined => {
  const next = Object.fromEntries(
    Object.entries({ ...value, ...part }).filter(([, member]) => member !== undefined),
  ) as JsonObject;
  return Object.keys(next).length > 0 ? next : undefined;
};

function Problems({ node, field }: { node: string; field: string }) {
  return useFieldProblems(node, field).map((problem, i) => (
    <p key={i} className="text-xs text-madder">
      {problem.message}
    </p>
  ));
}

export function BehaviourSection(props: BehaviourProps) {
  const { node, data, known, onChange } = props;
  const t = useT();
  const words = t.editor.behaviour;
  const failure = obj(data['on_error']);
  const strategy = (str(failure['strategy']) || 'fail') as 'fail' | 'default' | 'branch';
  return (
    <div className="space-y-4">
      <div data-field="on_error">
        <Field label={words.onError} hint={words.onErrorHelp[strategy]}>
          {() => (
            <Segmented
              label={words.onError}
              value={strategy}
              onChange={(next) =>
                onChange(
                  'on_error',
                  next === 'fail'
                    ? undefined
                    : next === 'default'
                      ? { strategy: next, output: failure['output'] ?? null }
                      : { strategy: next },
                )
              }
              options={(['fail', 'default', 'branch'] as const).map((value) => ({
                value,
                label: words.strategies[value],
              }))}
            />
          )}
        </Field>
        {strategy === 'default' && (
          <Field label={words.defaultOutput} className="mt-2">
            {(ids) => (
              <JsonInput
                node={node}
                ids={ids}
                value={failure['output']}
                onChange={(output) => onChange('on_error', { strategy: 'default', output: output ?? null })}
              />
            )}
          </Field>
        )}
        <Problems node={node} field="on_error" />
      </div>
      <Retry {...props} />
      <div className="grid grid-cols-2 gap-3">
        <div data-field="timeout">
          <Field label={words.timeout}>
            {(ids) => (
              <SpanInput
                ids={ids}
                value={data['timeout']}
                placeholder={known?.timeout ?? '60s'}
                onChange={(value) => onChange('timeout', value)}
              />
            )}
          </Field>
          <Problems node={node} field="timeout" />
        </div>
        <div data-field="total_timeout">
          <Field label={words.totalTimeout}>
            {(ids) => (
              <SpanInput
                ids={ids}
                value={data['total_timeout']}
                placeholder={words.none}
                onChange={(value) => onChange('total_timeout', value)}
              />
            )}
          </Field>
          <Problems node={node} field="total_timeout" />
        </div>
      </div>
      <Field label={words.onUnknown} hint={words.onUnknownHelp}>
        {(ids) => (
          <Select
            {...ids}
            value={str(data['on_unknown'])}
            onChange={(value) => onChange('on_unknown', value === '' ? undefined : value)}
            options={[
              { value: '', label: words.byType },
              { value: 'repeat', label: words.repeat },
              { value: 'fail', label: words.fail },
            ]}
          />
        )}
      </Field>
      <UndoneBy node={node} value={str(data['compensate'])} onChange={onChange} />
    </div>
  );
}

/* What can undo a node stands beside the graph: it has no edges. */
function UndoneBy({ node, value, onChange }: { node: string; value: string; onChange: BehaviourProps['onChange'] }) {
  const t = useT();
  const words = t.editor.behaviour;
  const nodes = useEditor((state) => state.nodes);
  const edges = useEditor((state) => state.edges);
  const linked = new Set(edges.flatMap((edge) => [edge.source, edge.target]));
  const free = nodes.filter((one) => one.id !== node && !linked.has(one.id) && !one.parentId).map((one) => one.id);
  const shown = value && !free.includes(value) ? [...free, value] : free;
  if (shown.length === 0) return null;
  return (
    <div data-field="compensate">
      <Field label={words.undoneBy} hint={words.undoneByHelp}>
        {(ids) => (
          <Select
            {...ids}
            value={value}
            onChange={(next) => onChange('compensate', next === '' ? undefined : next)}
            options={[{ value: '', label: words.nobody }, ...shown.map((id) => ({ value: id, label: id }))]}
          />
        )}
      </Field>
      <Problems node={node} field="compensate" />
    </div>
  );
}

function Retry({ node, data, known, onChange }: BehaviourProps) {
  const t = useT();
  const words = t.editor.behaviour;
  const on = data['retry'] !== undefined;
  const retry = obj(data['retry']);
  const preset = known?.max_attempts ?? 1;
  const put = (part: Record<string, Json | undefined>) => onChange('retry', without(retry, part) ?? {});
  const kinds = arr(retry['on']).map(str);
  const flip = (yes: boolean) => onChange('retry', yes ? { max_attempts: 3, delay: '1s' } : undefined);
  return (
    <div data-field="retry">
      <div className="flex items-center gap-2">
        <Switch checked={on} onChange={flip} label={words.retry} />
        <span className="text-sm font-medium">{words.retry}</span>
        {!on && (
          <span className="ml-auto text-xs text-ink-3">{preset > 1 ? words.retryByType(preset) : words.noRetry}</span>
        )}
      </div>
      {on && (
        <div className="mt-2.5 grid grid-cols-2 gap-3 rounded-md border bg-surface p-3">
          <Field label={words.attempts}>
            {(ids) => (
              <NumberInput
                ids={ids}
                whole
                value={retry['max_attempts']}
                placeholder={String(preset)}
                onChange={(value) => put({ max_attempts: value })}
              />
            )}
          </Field>
          <Field label={words.backoff}>
            {(ids) => (
              <Select
                {...ids}
                value={str(retry['backoff']) || 'exponential'}
                onChange={(value) => put({ backoff: value === 'exponential' ? undefined : value })}
                options={[
                  { value: 'exponential', label: words.exponential },
                  { value: 'constant', label: words.constant },
                ]}
              />
            )}
          </Field>
          <Field label={words.delay}>
            {(ids) => (
              <SpanInput
                ids={ids}
                value={retry['delay']}
                placeholder={'1s'}
                onChange={(value) => put({ delay: value })}
              />
            )}
          </Field>
          <Field label={words.maxDelay}>
            {(ids) => (
              <SpanInput
                ids={ids}
                value={retry['max_delay']}
                placeholder={'60s'}
                onChange={(value) => put({ max_delay: value })}
              />
            )}
          </Field>
          <Field label={words.jitter} hint={words.jitterHelp}>
            {(ids) => (
              <NumberInput
                ids={ids}
                whole={false}
                value={retry['jitter']}
                placeholder={'0.2'}
                onChange={(value) => put({ jitter: value })}
              />
            )}
          </Field>
          <fieldset>
            <legend className="mb-1 text-sm font-medium">{words.on}</legend>
            {RETRY_ON.map((kind) => (
              <label key={kind} className="flex items-center gap-2 py-0.5 text-sm">
                <input
                  type="checkbox"
                  className="accent-indigo"
                  checked={kinds.length > 0 ? kinds.includes(kind) : kind !== 'any'}
                  onChange={(event) => {
                    const now = kinds.length > 0 ? kinds : RETRY_ON.filter((one) => one !== 'any');
                    const next = event.target.checked ? [...now, kind] : now.filter((one) => one !== kind);
                    put({ on: next.length > 0 ? next : undefined });
                  }}
                />
                {words.kinds[kind]}
              </label>
            ))}
          </fieldset>
        </div>
      )}
      <Problems node={node} field="retry" />
    </div>
  );
}
