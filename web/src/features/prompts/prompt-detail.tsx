// One prompt: its versions, which of them is published, what is different, and a new one.
import { useState } from 'react';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link } from 'react-router';
import type { Prompt, PromptVersion } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { cx } from '@/lib/cx';
import { pretty } from '@/lib/json';
import { Button } from '@/ui/button';
import { CopyButton } from '@/ui/copy-button';
import { Dialog } from '@/ui/dialog';
import { Field, Switch, TextInput } from '@/ui/field';
import { useJsonText } from '@/ui/json-field';
import { JsonView } from '@/ui/json-view';
import { ListCard, LoadingCard } from '@/ui/list-card';
import { Page } from '@/ui/page';
import { ProblemNotice } from '@/ui/problem';
import { TimeAgo } from '@/ui/time-text';
import { useToast } from '@/ui/toast';
import { PromptEditor } from '@/features/prompts/prompt-editor';
import {
  diffQuery,
  promptQuery,
  useAddVersion,
  usePublish,
  versionQuery,
  versionsQuery,
} from '@/features/prompts/queries';

export function PromptDetail({ id }: { id: string }) {
  const t = useT();
  const { data, error, refetch } = useQuery(promptQuery(id));
  if (data) return <Detail prompt={data} />;
  return (
    <Page title={t.prompts.title}>
      <LoadingCard error={error} onRetry={() => void refetch()} />
    </Page>
  );
}

function Detail({ prompt }: { prompt: Prompt }) {
  const t = useT();
  const toast = useToast();
  const publish = usePublish(prompt);
  const [chosen, setChosen] = useState<number | null>(null);
  const [editing, setEditing] = useState(false);
  const published = prompt.labels['published'];
  const shown = chosen ?? published ?? prompt.latest;
  const version = useQuery(versionQuery(prompt.id, shown));
  return (
    <Page
      title={prompt.name}
      lead={prompt.description}
      actions={
        <>
          <Link to="/prompts" className="text-sm underline">
            {t.prompts.all}
          </Link>
          <Button icon="pen" disabled={!version.data} onClick={() => setEditing(true)}>
            {t.prompts.newVersion}
          </Button>
          <Button
            kind="primary"
            icon="publish"
            busy={publish.isPending}
            disabled={shown === published}
            onClick={() => publish.mutate(shown, { onError: toast.fail })}
          >
            {t.prompts.publish(shown)}
          </Button>
        </>
      }
    >
      <p className="mb-4 flex items-center gap-1 text-sm text-ink-2">
        {t.prompts.callAs} <code className="code">prompt/{prompt.name}</code>
        <CopyButton text={`prompt/${prompt.name}`} />
      </p>
      <div className="grid gap-5 lg:grid-cols-[20rem_1fr]">
        <Versions prompt={prompt} shown={shown} onChoose={setChosen} />
        <div className="min-w-0 space-y-4">
          {version.error && <ProblemNotice error={version.error} onRetry={() => void version.refetch()} />}
          {version.data && <Shown version={version.data} />}
          {published && published !== shown && <Changes id={prompt.id} from={published} to={shown} />}
        </div>
      </div>
      {editing && version.data && (
        <NewVersion
          prompt={prompt}
          from={version.data}
          onClose={() => setEditing(false)}
          onMade={(made) => {
            setEditing(false);
            setChosen(made);
          }}
        />
      )}
    </Page>
  );
}

function Versions({ prompt, shown, onChoose }: { prompt: Prompt; shown: number; onChoose: (n: number) => void }) {
  const t = useT();
  const list = useInfiniteQuery(versionsQuery(prompt.id));
  const labelsOf = (n: number) => Object.keys(prompt.labels).filter((label) => prompt.labels[label] === n);
  return (
    <section aria-label={t.prompts.versions}>
      <ListCard
        list={list}
        id={(row) => String(row.version)}
        empty={null}
        row={(row) => (
          <li>
            <button
              type="button"
              aria-pressed={row.version === shown}
              onClick={() => onChoose(row.version)}
              className={cx(
                'w-full px-4 py-2.5 text-left',
                row.version === shown ? 'bg-indigo-soft' : 'hover:bg-ink/3',
              )}
            >
              <span className="flex items-center gap-2">
                <span className="font-medium">{t.prompts.version(row.version)}</span>
                {labelsOf(row.version).map((label) => (
                  <span key={label} className="rounded-full bg-green-soft px-2 text-xs text-green">
                    {label}
                  </span>
                ))}
                <TimeAgo iso={row.created_at} className="ml-auto text-xs text-ink-3" />
              </span>
              {row.note && <span className="block truncate text-sm text-ink-3">{row.note}</span>}
            </button>
          </li>
        )}
      />
    </section>
  );
}

function Shown({ version }: { version: PromptVersion }) {
  const t = useT();
  return (
    <section>
      <h2 className="mb-1.5 text-sm font-medium">{t.prompts.version(version.version)}</h2>
      <JsonView value={version.prompt ?? null} label={t.prompts.version(version.version)} />
      <p className="mt-2 text-sm text-ink-2">
        {version.variables.length > 0
          ? t.prompts.variables(
              version.variables.map((name) => (version.required.includes(name) ? name : `${name}?`)).join(', '),
            )
          : t.prompts.noVariables}
      </p>
    </section>
  );
}

function Changes({ id, from, to }: { id: string; from: number; to: number }) {
  const t = useT();
  const { data, error } = useQuery(diffQuery(id, from, to));
  const side = (value: unknown) => (value === undefined ? '–' : typeof value === 'string' ? value : pretty(value));
  if (error) return <ProblemNotice compact error={error} />;
  if (!data) return null;
  return (
    <section>
      <h2 className="mb-1.5 text-sm font-medium">{t.prompts.changes(from)}</h2>
      <ul className="space-y-2">
        {data.changes.map((change) => (
          <li key={change.path} className="rounded-md border bg-surface p-3 text-sm">
            <code className="code text-xs text-ink-3">{change.path}</code>
            <p className="mt-1 rounded-sm bg-madder-soft px-2 py-1 break-words whitespace-pre-wrap">
              {side(change.from)}
            </p>
            <p className="mt-1 rounded-sm bg-green-soft px-2 py-1 break-words whitespace-pre-wrap">{side(change.to)}</p>
          </li>
        ))}
      </ul>
    </section>
  );
}

interface NewVersionProps {
  prompt: Prompt;
  from: PromptVersion;
  onClose: () => void;
  onMade: (version: number) => void;
}

function NewVersion({ prompt, from, onClose, onMade }: NewVersionProps) {
  const t = useT();
  const add = useAddVersion(prompt.id);
  const [note, setNote] = useState('');
  const [publish, setPublish] = useState(false);
  const body = useJsonText(pretty(from.prompt));
  const save = () => {
    if (!body.parsed.ok) return;
    add.mutate(
      { prompt: body.parsed.value, note, publish, revision: prompt.revision },
      { onSuccess: (made) => onMade(made.version) },
    );
  };
  return (
    <Dialog
      open
      shape="wide"
      title={t.prompts.newVersion}
      onClose={onClose}
      footer={
        <Button kind="primary" busy={add.isPending} disabled={!body.parsed.ok} onClick={save}>
          {t.prompts.save}
        </Button>
      }
    >
      <div className="space-y-4 p-5">
        {add.error && <ProblemNotice compact error={add.error} />}
        <PromptEditor body={body} />
        <Field label={t.prompts.note}>
          {(ids) => <TextInput {...ids} value={note} onChange={(event) => setNote(event.target.value)} />}
        </Field>
        <Switch checked={publish} onChange={setPublish} label={t.prompts.publishAtOnce} />
      </div>
    </Dialog>
  );
}
