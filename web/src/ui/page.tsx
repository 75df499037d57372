// The frame of an ordinary page, and what it shows while it loads or has nothing to show.
import type { ReactNode } from 'react';
import { cx } from '@/lib/cx';
import { useTitle } from '@/lib/use';

interface PageProps {
  title: string;
  actions?: ReactNode;
  lead?: ReactNode;
  children: ReactNode;
}

export function Page({ title, actions, lead, children }: PageProps) {
  useTitle(title);
  return (
    <div className="mx-auto w-full max-w-6xl px-4 pt-6 pb-24 md:px-8 md:pt-9 md:pb-14">
      <header className="mb-5 flex flex-wrap items-center gap-x-4 gap-y-3">
        <div className="min-w-0 flex-1">
          <h1 className="truncate font-serif text-[1.625rem] leading-9 tracking-[-0.01em]">{title}</h1>
          {lead && <p className="mt-0.5 max-w-prose text-ink-2">{lead}</p>}
        </div>
        {actions && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
      </header>
      {children}
    </div>
  );
}

export function Card({ className, children }: { className?: string; children: ReactNode }) {
  return <div className={cx('rounded-lg border bg-surface shadow-sm', className)}>{children}</div>;
}

export function Skeleton({ className }: { className?: string }) {
  return <span className={cx('skeleton block h-4', className)} />;
}

export function RowsSkeleton({ rows = 6, label }: { rows?: number; label: string }) {
  return (
    <div role="status" aria-label={label} className="divide-y">
      {Array.from({ length: rows }, (_, i) => (
        <div key={i} className="flex items-center gap-4 px-4 py-4">
          <Skeleton className="w-1/3" />
          <Skeleton className="ml-auto w-20" />
          <Skeleton className="hidden w-28 sm:block" />
        </div>
      ))}
    </div>
  );
}

interface EmptyProps {
  art?: ReactNode;
  title: string;
  /** It is the whole page, its title that of the page. */
  whole?: boolean;
  children?: ReactNode;
  actions?: ReactNode;
}

export function Empty({ art, title, whole, children, actions }: EmptyProps) {
  const Heading = whole ? 'h1' : 'h2';
  return (
    <div className="flex flex-col items-center px-6 py-14 text-center">
      {art && <div className="mb-4 text-thread">{art}</div>}
      <Heading className="font-serif text-[1.25rem] leading-7">{title}</Heading>
      {children && <div className="mt-1.5 max-w-md text-ink-2">{children}</div>}
      {actions && <div className="mt-5 flex flex-wrap justify-center gap-2">{actions}</div>}
    </div>
  );
}
