// Where a webhook is called, a form is filled in or a chat is held: the address of the live version; and the one at which
// a draft can be tried while this editor listens, with what came there.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from 'react-router';
import { api } from '@/api/client';
import type { HookCall, Json, Listening } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { cx } from '@/lib/cx';
import { useNow } from '@/lib/use';
import { Button } from '@/ui/button';
import { CopyButton } from '@/ui/copy-button';
import { JsonView } from '@/ui/json-view';
import { TimeAgo } from '@/ui/time-text';
import { useToast } from '@/ui/toast';
import { useShared } from '@/features/flow-editor/editor-context';

type Kind = 'webhook' | 'form' | 'chat';

export const isHosted = (trigger: Json | undefined): trigger is Kind =>
  trigger === 'webhook' || trigger === 'form' || trigger === 'chat';

export function HookSection({ kind }: { kind: Kind }) {
  const t = useT();
  const { webhookUrl, formUrl, chatUrl } = useShared();
  const url = { webhook: webhookUrl, form: formUrl, chat: chatUrl }[kind];
  return (
    <div className="space-y-3">
      {url && (
        <div>
          <p className="mb-1 text-sm font-medium">{t.editor.hookUrl}</p>
          <Address url={url} open={kind !== 'webhook'} />
          <p className="mt-1 text-xs text-ink-3">{t.editor.hookWhenLive}</p>
        </div>
      )}
      {kind !== 'chat' && <HookTest kind={kind} />}
    </div>
  );
}

function Address({ url, open }: { url: string; open: boolean }) {
  return (
    <p className="flex items-center rounded-md border bg-sunken py-0.5 pr-0.5 pl-2.5">
      {open ? (
        <a className="link min-w-0 flex-1 truncate text-xs" href={url} target="_blank" rel="noreferrer">
          {url}
        </a>
      ) : (
        <code className="code min-w-0 flex-1 truncate text-xs">{url}</code>
      )}
      <CopyButton text={url} />
    </p>
  );
}

function HookTest({ kind }: { kind: Kind }) {
  const t = useT();
  const toast = useToast();
  const cache = useQueryClient();
  const { workflowId, flush } = useShared();
  const path = `/api/workflows/${workflowId}/listen`;
  const queryKey = ['listen', workflowId];
  const state = useQuery({
    queryKey,
    queryFn: ({ signal }) => api.get<Listening>(path, { signal }),
    refetchInterval: (query) => (query.state.data?.listening ? 1000 : false),
  });
  const listen = useMutation({
    mutationFn: async () => {
      if (!(await flush())) throw new Error(t.editor.notSaved);
      return api.post<Listening>(path, { seconds: 120 });
    },
    onSuccess: (data) => cache.setQueryData(queryKey, data),
    onError: toast.fail,
  });
  const stop = useMutation({
    mutationFn: () => api.delete(path),
    onSettled: () => cache.invalidateQueries({ queryKey }),
    onError: toast.fail,
  });
  const data = state.data;
  const now = useNow(1000, data?.listening ?? false);
  const left = data?.until ? Math.max(0, Math.ceil((Date.parse(data.until) - now) / 1000)) : 0;

  return (
    <div>
      <p className="mb-1 text-sm font-medium">{t.editor.hookTest}</p>
      {data?.listening ? (
        <>
          <Address url={data.url} open={kind === 'form'} />
          <p className="mt-1.5 flex items-center justify-between gap-2 text-xs text-ink-2">
            <span role="status">{t.editor.hookListening(left)}</span>
            <Button size="sm" busy={stop.isPending} onClick={() => stop.mutate()}>
              {t.editor.hookStop}
            </Button>
          </p>
        </>
      ) : (
        <>
          <p className="mb-2 text-xs text-ink-3">{kind === 'form' ? t.editor.formTestText : t.editor.hookTestText}</p>
          <Button size="sm" icon="eye" busy={listen.isPending} onClick={() => listen.mutate()}>
            {kind === 'form' ? t.editor.formOpen : t.editor.hookListen}
          </Button>
        </>
      )}
      {data && data.calls.length > 0 && (
        <ul className="mt-3 space-y-2" aria-label={t.editor.hookCalls}>
          {data.calls.map((call) => (
            <li key={`${call.at} ${call.run_id ?? ''}`}>
              <Call call={call} />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function Call({ call }: { call: HookCall }) {
  const t = useT();
  return (
    <details className="rounded-md border bg-surface text-sm">
      <summary className="flex cursor-pointer items-center gap-2 px-2.5 py-1.5">
        <span className="code text-ink-2">{call.request.method}</span>
        <span className={cx('flex-1', call.outcome === 'refused' ? 'text-madder' : 'text-green')}>
          {t.editor.hookOutcomes[call.outcome]}
        </span>
        <TimeAgo iso={call.at} className="text-xs text-ink-3" />
      </summary>
      <div className="space-y-2 border-t p-2.5">
        {call.error && <p className="text-madder">{call.error.message}</p>}
        {call.errors?.map((error, i) => (
          <p key={i} className="text-xs text-madder">
            <code className="code">{error.path || '/'}</code> {error.message}
          </p>
        ))}
        <JsonView label={t.editor.hookRequest} value={call.request} />
        {(call.input ?? call.raw) !== undefined && (
          <JsonView label={t.editor.hookBody} value={call.input ?? call.raw ?? null} />
        )}
        {call.run_id && (
          <Link className="link" to={`/runs/${call.run_id}`}>
            {t.editor.hookRun}
          </Link>
        )}
      </div>
    </details>
  );
}
