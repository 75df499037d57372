// Everything about one step of a run: state, attempts, error, what it was given and what it gave.
import { useMemo, useState } from 'react';
import { Link, useNavigate } from 'react-router';
import type { Definition, Json, Run, RunEvent, Step } from '@/api/types';
import { useI18n } from '@/i18n/i18n';
import { absolute, clock, duration } from '@/lib/time';
import { Button } from '@/ui/button';
import { Icon } from '@/ui/icon';
import { JsonView } from '@/ui/json-view';
import { Took } from '@/ui/time-text';
import { useToast } from '@/ui/toast';
import { EditDialog } from '@/run/edit-dialog';
import { attemptsOf, isFinal } from '@/run/fold';
import { LiveText } from '@/run/live-text';
import { useRerun } from '@/run/queries';
import { StepBadge } from '@/run/run-state';
import { TurnsSection } from '@/run/turns-section';

interface StepInspectorProps {
  node: string;
  run: Run;
  step: Step | undefined;
  events: RunEvent[];
  text: string;
  definition?: Definition;
}

/** What reached the step: its recorded input, else the outputs of the steps right before it. */
function inputOf({ node, run, step, definition }: StepInspectorProps): { value: Json; recorded: boolean } | null {
  if (step?.input !== null && step?.input !== undefined) return { value: step.input, recorded: true };
  if (!definition) return null;
  const before = definition.edges.filter((edge) => edge.target === node).map((edge) => edge.source);
  if (before.length === 0) return run.input === undefined ? null : { value: run.input, recorded: true };
  const outputs = before
    .map((id) => run.steps.find((one) => one.node === id))
    .filter((one) => one?.output !== undefined && one.output !== null);
  return outputs.length
    ? { value: Object.fromEntries(outputs.map((one) => [one?.node ?? '', one?.output ?? null])), recorded: false }
    : null;
}

const titleOf = (id: string, definition: Definition | undefined): string => {
  const title = definition?.nodes.find((one) => one.id === id)?.data['title'];
  return typeof title === 'string' && title ? title : id;
};

const plain = (value: Json | undefined) => (typeof value === 'string' ? value : '');

export function StepInspector(props: StepInspectorProps) {
  const { node, step, events, text, definition, run } = props;
  const { t, lang } = useI18n();
  const attempts = useMemo(() => attemptsOf(events).get(node) ?? [], [events, node]);
  const settings = definition?.nodes.find((one) => one.id === node);
  const input = inputOf(props);

  return (
    <div className="space-y-5 p-4">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1.5 text-sm text-ink-2">
        <StepBadge state={step?.state ?? 'idle'} />
        {step && step.state !== 'idle' && step.state !== 'skipped' && (
          <Took from={step.started_at} to={step.finished_at} ms={step.state === 'running' ? null : step.duration_ms} />
        )}
        {step && step.attempts > 1 && <span>{t.run.attempts(step.attempts)}</span>}
        <code className="code ml-auto truncate text-xs text-ink-3">{node}</code>
      </div>
      {step?.kept === 'placeholder' && <p className="text-sm text-ink-2">{t.run.placeholder}</p>}
      {step?.state === 'retrying' && step.retry_at && (
        <p className="text-sm text-weld">{t.run.retryAt(clock(step.retry_at, lang))}</p>
      )}
      {step?.state === 'waiting' && (
        <p className="text-sm text-weld">
          {step.waiting_for?.['kind'] === 'approval' && (
            <>
              <Link to="/approvals" className="font-medium underline">
                {plain(step.waiting_for['subject'])}
              </Link>{' '}
            </>
          )}
          {step.waiting_for?.['kind'] === 'event' &&
            `${t.run.waitsFor(plain(step.waiting_for['name']), plain(step.waiting_for['key']))} `}
          {step.due_at ? t.run.waitsUntil(absolute(step.due_at, lang)) : t.run.waitsOpenly}
        </p>
      )}
      {step?.state === 'skipped' && <p className="text-sm text-ink-2">{t.run.skippedWhy}</p>}
      <Children run={run} node={node} />
      {step?.waiting_for?.['kind'] === 'workflow' && !run.children?.some((child) => child.node === node) && (
        <ChildLink id={plain(step.waiting_for['run_id'])} name={plain(step.waiting_for['workflow'])} />
      )}
      {step?.kept && <p className="text-sm text-ink-2">{step.kept === 'run' ? t.run.keptRun : t.run.keptEdit}</p>}
      {!step && (
        <p className="text-sm text-ink-2">
          {typeof settings?.['parentId'] === 'string'
            ? t.run.insideOf(titleOf(settings['parentId'], definition))
            : run.finished_at
              ? t.run.neverReached
              : t.run.notReached}
        </p>
      )}
      {step?.items && <TurnsSection run={run} step={step} />}
      {step?.error && (
        <div role="alert" className="rounded-md border border-madder/40 bg-madder-soft px-3 py-2.5">
          <p className="flex items-center gap-1.5 text-sm font-medium text-madder">
            <Icon name="alert" size={15} /> {step.state === 'succeeded' ? t.run.handledError : t.run.error}
            <code className="code ml-auto text-xs">{step.error.code}</code>
          </p>
          <p className="mt-1 text-sm break-words">{step.error.message}</p>
        </div>
      )}
      {text && step?.state === 'running' && (
        <Section title={t.run.liveText}>
          <LiveText text={text} />
        </Section>
      )}
      {step?.output !== undefined && step.output !== null && (
        <Section title={t.run.output}>
          <Output value={step.output} label={t.run.output} />
        </Section>
      )}
      {input && (
        <Section title={input.recorded ? t.run.input : t.run.inputFromBefore}>
          <JsonView value={input.value} label={t.run.input} />
        </Section>
      )}
      {attempts.length > 1 && (
        <Section title={t.run.attemptsTitle}>
          <ol className="divide-y rounded-md border text-sm">
            {attempts.map((one) => (
              <li key={one.attempt} className="flex gap-2.5 px-3 py-2">
                <Icon
                  name={one.ok === null ? 'dots' : one.ok ? 'check' : 'x'}
                  size={15}
                  className={
                    one.ok ? 'mt-0.5 text-green' : one.ok === null ? 'mt-0.5 text-indigo' : 'mt-0.5 text-madder'
                  }
                />
                <div className="min-w-0 flex-1">
                  <p className="flex justify-between gap-2">
                    <span>{t.run.attempt(one.attempt)}</span>
                    <span className="text-ink-3" data-tip={absolute(new Date(one.from).toISOString(), lang)}>
                      {one.to === null ? '…' : duration(one.to - one.from, lang)}
                    </span>
                  </p>
                  {one.error && <p className="break-words text-ink-2">{one.error.message}</p>}
                </div>
              </li>
            ))}
          </ol>
        </Section>
      )}
      {step && step.state !== 'skipped' && isFinal(run.state) && <FromHere {...props} />}
      {settings && (
        <details className="group">
          <summary className="flex list-none items-center gap-1 text-sm font-medium">
            <Icon name="chevron" size={13} className="text-ink-3 transition-transform group-open:rotate-90" />
            {t.run.settings}
          </summary>
          <div className="mt-2">
            <JsonView value={settings.data} label={t.run.settings} />
          </div>
        </details>
      )}
    </div>
  );
}

/** The runs that this step has started. */
function Children({ run, node }: { run: Run; node: string }) {
  const children = (run.children ?? []).filter((child) => child.node === node);
  return children.map((child) => <ChildLink key={child.run_id} id={child.run_id} name={child.workflow_name} />);
}

function ChildLink({ id, name }: { id: string; name: string }) {
  const { t } = useI18n();
  return (
    <p className="text-sm">
      <Link to={`/runs/${id}`} className="font-medium underline">
        {t.run.openChild(name)}
      </Link>
    </p>
  );
}

function FromHere({ run, node, step, definition }: StepInspectorProps) {
  const { t } = useI18n();
  const toast = useToast();
  const navigate = useNavigate();
  const rerun = useRerun(run.id);
  const [editing, setEditing] = useState(false);
  const go = () =>
    rerun.mutate({ from: node }, { onSuccess: (next) => void navigate(`/runs/${next.id}`), onError: toast.fail });
  return (
    <div className="space-y-1.5">
      <div className="flex flex-wrap gap-2">
        <Button icon="refresh" busy={rerun.isPending} onClick={go}>
          {t.run.fromHere}
        </Button>
        {step?.state === 'succeeded' && (
          <Button icon="pen" onClick={() => setEditing(true)}>
            {t.run.edit}
          </Button>
        )}
      </div>
      <p className="text-sm text-ink-3">{t.run.fromHereHelp}</p>
      {editing && (
        <EditDialog
          run={run}
          node={node}
          title={titleOf(node, definition)}
          output={step?.output ?? null}
          onClose={() => setEditing(false)}
        />
      )}
    </div>
  );
}

/** A model's answer reads better as text than inside JSON. */
function Output({ value, label }: { value: Json; label: string }) {
  const text =
    value !== null && typeof value === 'object' && !Array.isArray(value) && typeof value['text'] === 'string'
      ? value['text']
      : null;
  return (
    <div className="space-y-2">
      {text && (
        <p className="max-h-72 overflow-y-auto rounded-md border bg-surface p-3 text-sm break-words whitespace-pre-wrap">
          {text}
        </p>
      )}
      <JsonView value={value} label={label} />
    </div>
  );
}

function Section({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <section>
      <h3 className="mb-1.5 text-sm font-medium">{title}</h3>
      {children}
    </section>
  );
}
