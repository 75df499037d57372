// One call of a model: its numbers, what it was for, and what was said where that is kept.
import type { ReactNode } from 'react';
import { useQuery } from '@tanstack/react-query';
import { Link } from 'react-router';
import type { Json, ModelCallDetail } from '@/api/types';
import { useI18n, useT } from '@/i18n/i18n';
import { absolute, duration } from '@/lib/time';
import { CopyButton } from '@/ui/copy-button';
import { JsonView } from '@/ui/json-view';
import { LoadingCard } from '@/ui/list-card';
import { Card, Page } from '@/ui/page';
import { CallBadge } from '@/features/calls/call-badge';
import { money } from '@/features/calls/money';
import { callQuery } from '@/features/calls/queries';

export function CallDetail({ id }: { id: string }) {
  const t = useT();
  const { data, error, refetch } = useQuery(callQuery(id));
  return (
    <Page
      title={data?.model ?? t.calls.title}
      actions={
        <Link to="/calls" className="text-sm underline">
          {t.calls.all}
        </Link>
      }
    >
      {data ? <Detail call={data} /> : <LoadingCard error={error} onRetry={() => void refetch()} />}
    </Page>
  );
}

function Detail({ call }: { call: ModelCallDetail }) {
  const { t, lang } = useI18n();
  const words = t.calls.fields;
  const count = (n: number) => n.toLocaleString(lang);
  const ms = (n: number | null) => (n === null ? null : duration(n, lang));
  const facts: [string, ReactNode][] = [
    [words.time, absolute(call.time, lang)],
    [words.provider, call.from_cache ? t.calls.fromCache : `${call.provider} · ${call.upstream_model}`],
    [words.operation, call.operation + (call.streamed ? ` · ${words.streamed}` : '')],
    [words.status, String(call.status) + (call.error ? ` · ${call.error}` : '')],
    [words.attempts, count(call.attempts) + (call.hedged ? ` · ${words.hedged}` : '')],
    [
      words.prompt,
      count(call.prompt_tokens) + (call.cached_tokens ? ` (${words.cached(count(call.cached_tokens))})` : ''),
    ],
    [words.completion, count(call.completion_tokens)],
    [words.cost, call.cost_micros === null ? words.unpriced : money(call.cost_micros, lang)],
    [words.total, ms(call.total_ms)],
    [words.firstByte, ms(call.first_byte_ms)],
    [words.overhead, ms(call.overhead_us / 1000)],
    [
      words.speed,
      call.tokens_per_second === null
        ? null
        : call.tokens_per_second.toLocaleString(lang, { maximumFractionDigits: 1 }),
    ],
    [words.agent, call.agent],
    [words.workflow, call.workflow],
    [words.step, call.step],
    [words.user, call.end_user],
    [words.requestId, call.request_id],
  ];
  return (
    <div className="space-y-5">
      <Card className="p-4">
        <div className="mb-3 flex items-center gap-2">
          <CallBadge outcome={call.outcome} />
          <code className="code ml-auto text-xs">{call.id}</code>
          <CopyButton text={call.id} />
        </div>
        <dl className="grid gap-x-6 gap-y-2 text-sm sm:grid-cols-2 lg:grid-cols-3">
          {facts
            .filter(([, value]) => value !== null && value !== '')
            .map(([name, value]) => (
              <div key={name} className="min-w-0">
                <dt className="text-ink-3">{name}</dt>
                <dd className="truncate">{value}</dd>
              </div>
            ))}
        </dl>
      </Card>
      <Said call={call} />
    </div>
  );
}

function Said({ call }: { call: ModelCallDetail }) {
  const t = useT();
  if (!call.logged) return <p className="text-sm text-ink-3">{t.calls.notLogged}</p>;
  if (call.request === null && call.answer === null) return <p className="text-sm text-ink-3">{t.calls.notYours}</p>;
  const parts: [string, Json][] = [
    [t.calls.request, call.request],
    [t.calls.answer, call.answer],
  ];
  return (
    <div className="grid gap-4 lg:grid-cols-2">
      {parts.map(([title, value]) => (
        <section key={title} className="min-w-0">
          <h2 className="mb-1.5 text-sm font-medium">{title}</h2>
          <JsonView value={value} label={title} />
        </section>
      ))}
    </div>
  );
}
