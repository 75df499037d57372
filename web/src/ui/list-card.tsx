// A list that is paged by cursor, in all its states: loading, failed, empty, and row after row with more at its end.
import { Fragment, type ReactNode } from 'react';
import type { InfiniteData, UseInfiniteQueryResult } from '@tanstack/react-query';
import { useT } from '@/i18n/i18n';
import { LoadMore } from '@/ui/load-more';
import { Card, RowsSkeleton } from '@/ui/page';
import { ProblemNotice } from '@/ui/problem';

export type PagedList<T> = UseInfiniteQueryResult<InfiniteData<{ items: T[] }>>;

/** The rows that are loaded. */
export function rowsOf<T>(list: Pick<PagedList<T>, 'data'>): T[] {
  return list.data?.pages.flatMap((page) => page.items) ?? [];
}

interface RowsProps<T> {
  list: PagedList<T>;
  /** What is shown of what is loaded; all of it where this is left out. */
  rows?: T[];
  id: (row: T) => string;
  /** An <li>. */
  row: (row: T) => ReactNode;
  /** Instead of a list without rows. */
  empty: ReactNode;
}

export function Rows<T>({ list, rows = rowsOf(list), id, row, empty }: RowsProps<T>) {
  const t = useT();
  if (list.isPending) return <RowsSkeleton label={t.common.loading} />;
  if (list.error && !list.data) return <ProblemNotice error={list.error} onRetry={() => void list.refetch()} />;
  if (rows.length === 0) return empty;
  return (
    <ul className="divide-y">
      {rows.map((one) => (
        <Fragment key={id(one)}>{row(one)}</Fragment>
      ))}
    </ul>
  );
}

export function MoreRows<T>({ list }: { list: PagedList<T> }) {
  return <LoadMore more={list.hasNextPage} busy={list.isFetchingNextPage} onMore={() => void list.fetchNextPage()} />;
}

export function ListCard<T>(props: RowsProps<T>) {
  return (
    <>
      <Card>
        <Rows {...props} />
      </Card>
      <MoreRows list={props.list} />
    </>
  );
}

/** A row that is a link as a whole: its link carries after:absolute after:inset-0. */
export function LinkRow({ children }: { children: ReactNode }) {
  return (
    <li className="relative flex items-center gap-3 px-4 py-3 transition-colors first:rounded-t-lg last:rounded-b-lg hover:bg-ink/3 md:gap-5">
      {children}
    </li>
  );
}

/** Instead of a page's content while that is loaded, or when it cannot be. */
export function LoadingCard({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  const t = useT();
  return (
    <Card>{error ? <ProblemNotice error={error} onRetry={onRetry} /> : <RowsSkeleton label={t.common.loading} />}</Card>
  );
}
