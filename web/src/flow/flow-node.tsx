// A node on the canvas: what it is, what it does, its handles, and its state while a run is shown.
import { createContext, memo, useContext } from 'react';
import { Handle, Position, type NodeProps } from '@xyflow/react';
import type { JsonObject, Step } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { cx } from '@/lib/cx';
import { Icon } from '@/ui/icon';
import { Spinner } from '@/ui/spinner';
import { Took } from '@/ui/time-text';
import { isContainer } from '@/flow/bodies';
import {
  ALL_HANDLES,
  branchesOf,
  casesOf,
  handlesOf,
  hasErrorBranch,
  str,
  type FlowNode as FlowNodeData,
} from '@/flow/model';
import { conditionText, nodeIcon, nodeSummary, nodeTone, TONES } from '@/flow/node-look';
import { useNodeType } from '@/flow/node-types';
import { typeTitle } from '@/flow/names';
import { useLiveText, useProblemsOf, useStep } from '@/flow/overlay';

export const NODE_WIDTH = 232;

/** The node's own step, for its branches. */
const StepContext = createContext<Step | undefined | null>(null);

const FRAMES: Record<string, string> = {
  running: 'border-indigo ring-3 ring-indigo/20',
  retrying: 'border-weld-bright ring-3 ring-weld-bright/20',
  waiting: 'border-weld-bright ring-3 ring-weld-bright/20',
  succeeded: 'border-green',
  failed: 'border-madder ring-3 ring-madder/15',
  skipped: 'opacity-55 border-dashed',
  idle: 'opacity-75',
};

function Eye({ id, type }: { id: string; type: 'source' | 'target' }) {
  return (
    <Handle
      id={id}
      type={type}
      position={type === 'source' ? Position.Right : Position.Left}
      className={id === 'error' ? 'eye eye-error' : 'eye'}
    />
  );
}

function Branch({ id, label, tone }: { id: string; label: string; tone?: string }) {
  const step = useContext(StepContext);
  const taken = step?.handle === id || (step?.handle === ALL_HANDLES && id !== 'error');
  return (
    <div
      className={cx(
        'relative flex h-7 items-center border-t px-3 text-xs',
        tone ?? 'text-ink-2',
        taken && 'bg-green-soft font-medium text-green',
      )}
    >
      <span className="truncate">{label}</span>
      <Eye id={id} type="source" />
    </div>
  );
}

export const FlowNodeView = memo(function FlowNodeView({ id, type, data, selected }: NodeProps<FlowNodeData>) {
  const t = useT();
  const known = useNodeType(type);
  const step = useStep(id);
  const problems = useProblemsOf(id);
  const live = useLiveText(id);
  const handles = handlesOf(type, data, known);
  const branches = type === 'condition';
  const named = type === 'parallel' ? branchesOf(data) : [];
  const title = str(data['title']) || (known ? typeTitle(known, t) : type);
  const errors = problems.filter((problem) => !problem.warning).length;

  return (
    <StepContext value={step}>
      {isContainer(type) && (
        <div className="pointer-events-none absolute inset-0 rounded-lg border border-dashed border-thread/60 bg-ink/3" />
      )}
      <div
        className={cx(
          'relative w-[232px] rounded-lg border bg-raised shadow-md transition-[border-color,box-shadow,opacity]',
          step !== null ? (FRAMES[step?.state ?? 'idle'] ?? '') : 'border-thread/60',
          selected && 'border-indigo! ring-2 ring-indigo/35',
        )}
      >
        <div className="relative flex items-center gap-2.5 px-3 py-2.5">
          <span
            className={cx('grid size-8 shrink-0 place-items-center rounded-md', TONES[nodeTone(type, known?.group)])}
          >
            <Icon name={nodeIcon(type, known?.group)} size={18} />
          </span>
          <span className="min-w-0 flex-1">
            <span className="block truncate text-sm font-semibold">{title}</span>
            <span className="block truncate text-xs text-ink-3">{nodeSummary(type, data, t)}</span>
          </span>
          {problems.length > 0 && step === null && (
            <span
              data-tip={problems
                .map((problem) => problem.message)
                .slice(0, 5)
                .join('\n')}
              className={errors ? 'text-madder' : 'text-weld'}
            >
              <Icon name="alert" size={16} />
              <span className="sr-only">{t.flow.problems(problems.length)}</span>
            </span>
          )}
          {type !== 'trigger' && <Eye id="in" type="target" />}
          {handles.includes('out') && <Eye id="out" type="source" />}
        </div>
        {branches && <CaseRows data={data} />}
        {!branches &&
          handles
            .filter((handle) => handle !== 'out' && handle !== 'error')
            .map((handle) => (
              <Branch
                key={handle}
                id={handle}
                label={named.find((one) => one.id === handle)?.title || (t.flow.handles[handle] ?? handle)}
                tone="text-ink-2"
              />
            ))}
        {hasErrorBranch(data) && <Branch id="error" label={t.flow.onError} tone="text-madder" />}
        {live && step?.state === 'running' && <LiveText text={live} />}
        {step && step.state !== 'idle' && <StepFoot step={step} />}
      </div>
    </StepContext>
  );
});

function CaseRows({ data }: { data: JsonObject }) {
  const t = useT();
  return (
    <>
      {casesOf(data).map((one, i) => {
        const first = one.conditions[0];
        const rest = one.conditions.length > 1 ? ` +${one.conditions.length - 1}` : '';
        const label = one.title || (first ? conditionText(first, t) + rest : t.flow.caseNumber(i + 1));
        return <Branch key={one.id} id={one.id} label={`${i === 0 ? t.flow.if : t.flow.elseIf} ${label}`} />;
      })}
      <Branch id="else" label={t.flow.else} />
    </>
  );
}

/** The end of what a model has said so far. */
function LiveText({ text }: { text: string }) {
  return (
    <p className="flex h-16 flex-col justify-end overflow-hidden border-t bg-indigo-soft/60 px-3 py-1.5 text-xs break-words">
      <span>
        {text.length > 200 ? text.slice(-200) : text}
        <span className="ml-0.5 inline-block h-3 w-1 animate-pulse bg-indigo align-[-2px]" />
      </span>
    </p>
  );
}

function StepFoot({ step }: { step: Step }) {
  const t = useT();
  const tone = {
    running: 'text-indigo',
    retrying: 'text-weld',
    waiting: 'text-weld',
    succeeded: 'text-green',
    failed: 'text-madder',
    skipped: 'text-ink-3',
    idle: '',
  }[step.state];
  return (
    <div className={cx('flex items-center gap-1.5 border-t px-3 py-1 text-xs', tone)}>
      {step.state === 'running' ? (
        <Spinner size={13} />
      ) : (
        <Icon
          size={13}
          name={
            step.state === 'succeeded'
              ? 'check'
              : step.state === 'failed'
                ? 'x'
                : step.state === 'retrying'
                  ? 'clock'
                  : step.state === 'waiting'
                    ? 'pause'
                    : 'minus'
          }
        />
      )}
      <span className="truncate">
        {step.state === 'failed' && step.error ? step.error.message : t.run.stepStates[step.state]}
      </span>
      <span className="ml-auto shrink-0 text-ink-3">
        {step.attempts > 1 && `${t.run.attemptsShort(step.attempts)} · `}
        {step.state !== 'skipped' && (
          <Took from={step.started_at} to={step.finished_at} ms={step.state === 'running' ? null : step.duration_ms} />
        )}
      </span>
    </div>
  );
}
