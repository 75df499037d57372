// How a workflow is started from outside: by API, and by its webhook.
import { useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import type { Definition } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { exampleInput } from '@/run/input-schema';
import { workflowQuery } from '@/flow/workflows';
import { CodeArea } from '@/ui/code-area';
import { CopyButton } from '@/ui/copy-button';
import { Dialog } from '@/ui/dialog';
import { Segmented } from '@/ui/field';
import { Icon } from '@/ui/icon';
import { Skeleton } from '@/ui/page';
import { ProblemNotice } from '@/ui/problem';
import { hookOf, snippet, type Language, type Mode } from '@/features/api-access/snippets';

export function ApiDialog({ id, name, onClose }: { id: string; name: string; onClose: () => void }) {
  const t = useT();
  const { data, error, refetch } = useQuery(workflowQuery(id));
  return (
    <Dialog open shape="wide" title={t.api.title(name)} onClose={onClose}>
      {data ? (
        <Content
          id={id}
          definition={data.definition}
          published={data.published_version}
          hookUrl={data.webhook_url ?? null}
        />
      ) : error ? (
        <ProblemNotice error={error} onRetry={() => void refetch()} />
      ) : (
        <Skeleton className="m-5 h-64" />
      )}
    </Dialog>
  );
}

interface ContentProps {
  id: string;
  definition: Definition;
  published: number | null;
  hookUrl: string | null;
}

function Content({ id, definition, published, hookUrl }: ContentProps) {
  const t = useT();
  const [language, setLanguage] = useState<Language>('curl');
  const [mode, setMode] = useState<Mode>('wait');
  const { origin } = window.location;
  const code = snippet(language, origin, id, mode, exampleInput(definition));
  const hook = hookOf(definition, new URL(hookUrl ?? `/hooks/${id}`, origin).href);
  return (
    <div className="space-y-7 p-5">
      <section>
        <h3 className="font-medium">{t.api.execute}</h3>
        <p className="mt-0.5 text-sm text-ink-2">{t.api.executeText}</p>
        <div className="my-3 flex flex-wrap gap-2">
          <Segmented
            label={t.api.language}
            value={language}
            onChange={setLanguage}
            options={[
              { value: 'curl', label: 'curl' },
              { value: 'javascript', label: 'JavaScript' },
              { value: 'python', label: 'Python' },
            ]}
          />
          <Segmented
            label={t.api.mode}
            value={mode}
            onChange={setMode}
            options={[
              { value: 'wait', label: t.api.modes.wait },
              { value: 'async', label: t.api.modes.async },
              { value: 'stream', label: t.api.modes.stream },
            ]}
          />
        </div>
        <Code text={code} label={t.api.execute} />
        <p className="mt-2 text-sm text-ink-3">{t.api.modeTexts[mode]}</p>
        <p className="mt-1 text-sm text-ink-3">
          {published === null ? t.api.notPublished : t.api.usesPublished(published)}
        </p>
      </section>
      <section>
        <h3 className="font-medium">{t.api.key}</h3>
        <p className="mt-0.5 mb-2 text-sm text-ink-2">{t.api.keyText}</p>
        <Code text={'heddle key create --data data --name my-app --capability run.start,run.read'} label={t.api.key} />
      </section>
      {hook && (
        <section>
          <h3 className="font-medium">{t.api.hook}</h3>
          <p className="mt-0.5 text-sm text-ink-2">{t.api.hookText}</p>
          {published === null && (
            <p className="mt-2 flex gap-1.5 rounded-md bg-weld-soft px-3 py-2 text-sm text-weld">
              <Icon name="alert" size={15} className="mt-0.5" />
              {t.api.hookUnpublished}
            </p>
          )}
          {hook.auth === 'none' && (
            <p className="mt-2 flex gap-1.5 text-sm text-weld">
              <Icon name="alert" size={15} className="mt-0.5" />
              {t.api.hookOpen}
            </p>
          )}
          <div className="my-2 flex items-center rounded-md border bg-sunken py-1 pr-1 pl-3">
            <span className="code mr-2 text-ink-3">{hook.method}</span>
            <code className="code min-w-0 flex-1 truncate">{hook.url}</code>
            <CopyButton text={hook.url} />
          </div>
          <Code text={hook.curl} label={t.api.hook} />
        </section>
      )}
    </div>
  );
}

function Code({ text, label }: { text: string; label: string }) {
  return (
    <div className="relative">
      <CodeArea language="template" value={text} aria-label={label} boxClassName="bg-sunken!" className="pr-10" />
      <span className="absolute top-[3px] right-[3px]">
        <CopyButton text={text} />
      </span>
    </div>
  );
}
