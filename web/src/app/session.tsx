// Whether somebody is signed in, and the door when not.
import { useEffect, useState, type ReactNode } from 'react';
import { queryOptions, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, onSessionLost } from '@/api/client';
import { ApiProblem } from '@/api/problem';
import type { Me } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { Logo, Mark } from '@/ui/logo';
import { ProblemNotice } from '@/ui/problem';
import { SignInPage } from '@/features/sign-in/sign-in-page';
import { Preferences } from '@/app/preferences';

export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: async ({ signal }): Promise<Me | null> => {
    try {
      return await api.get<Me>('/api/me', { signal });
    } catch (error) {
      if (error instanceof ApiProblem && error.status === 401) return null;
      throw error;
    }
  },
  staleTime: 60_000,
});

export function SessionGate({ children }: { children: (me: Me) => ReactNode }) {
  const t = useT();
  const cache = useQueryClient();
  const { data: me, error, refetch } = useQuery(meQuery);
  const [was, setWas] = useState(false);
  if (me && !was) setWas(true);

  useEffect(
    () =>
      onSessionLost(() => {
        if (cache.getQueryData(meQuery.queryKey)) cache.setQueryData(meQuery.queryKey, null);
      }),
    [cache],
  );

  if (me) return children(me);
  if (me === null) {
    const refused = window.location.pathname === '/signin' && window.location.search !== '';
    return (
      <SignInPage
        reason={was ? 'expired' : refused ? 'refused' : 'none'}
        corner={<Preferences />}
        onSignedIn={() => {
          if (window.location.pathname === '/signin') window.history.replaceState(null, '', '/');
          void cache.invalidateQueries();
        }}
      />
    );
  }
  if (error)
    return (
      <main className="flex h-full flex-col items-center justify-center">
        <h1>
          <Logo />
        </h1>
        <ProblemNotice error={error} onRetry={() => void refetch()} />
      </main>
    );
  return (
    <div role="status" aria-label={t.common.loading} className="grid h-full place-items-center">
      <span className="animate-pulse">
        <Mark size={44} />
      </span>
    </div>
  );
}
