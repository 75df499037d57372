// Calls of models, newest first: who called what, how it went, and what it took.
import { useState } from 'react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from 'react-router';
import type { ModelCall, ModelCallOutcome } from '@/api/types';
import { useI18n } from '@/i18n/i18n';
import { useFilters } from '@/lib/use-filters';
import { Select, TextInput } from '@/ui/field';
import { Icon } from '@/ui/icon';
import { LinkRow, ListCard } from '@/ui/list-card';
import { Empty, Page } from '@/ui/page';
import { TimeAgo, Took } from '@/ui/time-text';
import { CallBadge } from '@/features/calls/call-badge';
import { money } from '@/features/calls/money';
import { callsQuery } from '@/features/calls/queries';

const OUTCOMES: ModelCallOutcome[] = ['ok', 'failed', 'refused', 'limited', 'cancelled'];

export function CallList() {
  const { t } = useI18n();
  const [params, put] = useFilters();
  const model = params.get('model') ?? '';
  const [typed, setTyped] = useState(model);
  const outcome = OUTCOMES.find((one) => one === params.get('outcome'));
  const list = useInfiniteQuery(callsQuery({ model: model || undefined, outcome }));

  return (
    <Page title={t.calls.title}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          put('model', typed.trim());
        }}
        className="mb-3 grid grid-cols-2 gap-2 sm:flex"
      >
        <TextInput
          aria-label={t.calls.byModel}
          placeholder={t.calls.byModel}
          className="w-full! sm:w-64!"
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          onBlur={() => put('model', typed.trim())}
        />
        <Select
          aria-label={t.calls.byOutcome}
          className="w-full! sm:w-44!"
          value={outcome ?? ''}
          onChange={(value) => put('outcome', value)}
          options={[
            { value: '', label: t.calls.allOutcomes },
            ...OUTCOMES.map((one) => ({ value: one, label: t.calls.outcomes[one] })),
          ]}
        />
      </form>
      <ListCard
        list={list}
        id={(row) => row.id}
        row={(row) => <Row row={row} />}
        empty={
          model || outcome ? (
            <Empty title={t.common.nothingFound}>
              <p>{t.calls.noMatch}</p>
            </Empty>
          ) : (
            <Empty art={<Icon name="spark" size={56} />} title={t.calls.empty.title}>
              <p>{t.calls.empty.text}</p>
            </Empty>
          )
        }
      />
    </Page>
  );
}

function Row({ row }: { row: ModelCall }) {
  const { t, lang } = useI18n();
  const said = [
    row.from_cache ? t.calls.fromCache : row.provider,
    row.agent,
    row.end_user,
    t.calls.tokens((row.prompt_tokens + row.completion_tokens).toLocaleString(lang)),
    row.cost_micros !== null && row.cost_micros > 0 ? money(row.cost_micros, lang) : null,
  ].filter(Boolean);
  return (
    <LinkRow>
      <span className="w-auto shrink-0 sm:w-28">
        <CallBadge outcome={row.outcome} />
      </span>
      <div className="min-w-0 flex-1">
        <Link to={`/calls/${row.id}`} className="block truncate font-medium after:absolute after:inset-0">
          {row.model}
        </Link>
        <p className="truncate text-sm text-ink-3">{said.join(' · ')}</p>
      </div>
      <span className="hidden w-24 text-right text-sm text-ink-2 sm:block">
        <Took ms={row.total_ms} />
      </span>
      <span className="w-auto text-right text-sm text-ink-3 sm:w-32">
        <TimeAgo iso={row.time} className="relative z-1" />
      </span>
    </LinkRow>
  );
}
