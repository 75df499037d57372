// What waits for people: each with its question; deciding opens a dialog.
import { useState } from 'react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from 'react-router';
import type { Approval } from '@/api/types';
import { useI18n } from '@/i18n/i18n';
import { absolute } from '@/lib/time';
import { Button } from '@/ui/button';
import { Icon } from '@/ui/icon';
import { ListCard } from '@/ui/list-card';
import { Empty, Page } from '@/ui/page';
import { TimeAgo } from '@/ui/time-text';
import { DecideDialog } from '@/features/approvals/decide-dialog';
import { approvalsQuery } from '@/features/approvals/queries';

export function ApprovalList() {
  const { t } = useI18n();
  const [open, setOpen] = useState<Approval | null>(null);
  const list = useInfiniteQuery(approvalsQuery);

  return (
    <Page title={t.approvals.title}>
      <ListCard
        list={list}
        id={(row) => row.id}
        row={(row) => <Row row={row} onOpen={() => setOpen(row)} />}
        empty={
          <Empty art={<Icon name="check" size={56} />} title={t.approvals.empty.title}>
            <p>{t.approvals.empty.text}</p>
          </Empty>
        }
      />
      {open && <DecideDialog key={open.id} approval={open} onClose={() => setOpen(null)} />}
    </Page>
  );
}

function Row({ row, onOpen }: { row: Approval; onOpen: () => void }) {
  const { t, lang } = useI18n();
  const given = row.decisions.length;
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-3">
      <div className="min-w-0 flex-1 basis-60">
        <p className="truncate font-medium">{row.subject}</p>
        <p className="truncate text-sm text-ink-3">
          <Link to={`/runs/${row.run_id}`} className="hover:underline">
            {row.workflow_name}
          </Link>
          {row.needed > 1 && ` · ${t.approvals.given(given, row.needed)}`}
          {row.due_at && ` · ${t.approvals.until(absolute(row.due_at, lang))}`}
        </p>
      </div>
      <TimeAgo iso={row.created_at} className="text-sm text-ink-3" />
      <Button size="sm" kind="primary" onClick={onOpen} aria-label={`${t.approvals.decide}: ${row.subject}`}>
        {t.approvals.decide}
      </Button>
    </li>
  );
}
