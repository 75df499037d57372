// Prompts by name, and a dialog for a new one.
import { useState } from 'react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate } from 'react-router';
import type { Prompt } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { pretty } from '@/lib/json';
import { Button } from '@/ui/button';
import { Dialog } from '@/ui/dialog';
import { Field, TextInput } from '@/ui/field';
import { Icon } from '@/ui/icon';
import { useJsonText } from '@/ui/json-field';
import { LinkRow, ListCard } from '@/ui/list-card';
import { Empty, Page } from '@/ui/page';
import { ProblemNotice } from '@/ui/problem';
import { TimeAgo } from '@/ui/time-text';
import { PromptEditor } from '@/features/prompts/prompt-editor';
import { promptsQuery, useCreatePrompt } from '@/features/prompts/queries';

export function PromptList() {
  const t = useT();
  const [making, setMaking] = useState(false);
  const list = useInfiniteQuery(promptsQuery);
  const make = (
    <Button kind="primary" icon="plus" onClick={() => setMaking(true)}>
      {t.prompts.new}
    </Button>
  );

  return (
    <Page title={t.prompts.title} actions={make}>
      <ListCard
        list={list}
        id={(row) => row.id}
        row={(row) => <Row row={row} />}
        empty={
          <Empty art={<Icon name="pen" size={56} />} title={t.prompts.empty.title}>
            <p>{t.prompts.empty.text}</p>
          </Empty>
        }
      />
      {making && <NewPrompt onClose={() => setMaking(false)} />}
    </Page>
  );
}

function Row({ row }: { row: Prompt }) {
  const t = useT();
  const published = row.labels['published'];
  return (
    <LinkRow>
      <div className="min-w-0 flex-1">
        <Link to={`/prompts/${row.id}`} className="block truncate font-medium after:absolute after:inset-0">
          {row.name}
        </Link>
        <p className="truncate text-sm text-ink-3">{row.description || `prompt/${row.name}`}</p>
      </div>
      <span className="text-sm text-ink-2">
        {published ? t.prompts.publishedText(published) : t.prompts.unpublished}
      </span>
      <TimeAgo iso={row.updated_at} className="relative z-1 hidden w-32 text-right text-sm text-ink-3 sm:block" />
    </LinkRow>
  );
}

const FIRST = pretty({
  model: 'openai/gpt-4o-mini',
  messages: [{ role: 'system', content: 'You answer questions about {{ topic }}.' }],
  parameters: { temperature: 0.2 },
  defaults: {},
});

function NewPrompt({ onClose }: { onClose: () => void }) {
  const t = useT();
  const navigate = useNavigate();
  const create = useCreatePrompt();
  const [name, setName] = useState('');
  const [description, setDescription] = useState('');
  const body = useJsonText(FIRST);
  const save = () => {
    if (!body.parsed.ok) return;
    create.mutate(
      { name, description, prompt: body.parsed.value },
      { onSuccess: (made) => void navigate(`/prompts/${made.id}`) },
    );
  };
  return (
    <Dialog
      open
      shape="wide"
      title={t.prompts.new}
      onClose={onClose}
      footer={
        <Button kind="primary" busy={create.isPending} disabled={!name || !body.parsed.ok} onClick={save}>
          {t.prompts.create}
        </Button>
      }
    >
      <div className="space-y-4 p-5">
        {create.error && <ProblemNotice compact error={create.error} />}
        <Field label={t.prompts.name} hint={t.prompts.nameHint} required>
          {(ids) => <TextInput {...ids} value={name} onChange={(event) => setName(event.target.value)} />}
        </Field>
        <Field label={t.prompts.description}>
          {(ids) => <TextInput {...ids} value={description} onChange={(event) => setDescription(event.target.value)} />}
        </Field>
        <PromptEditor body={body} />
      </div>
    </Dialog>
  );
}
