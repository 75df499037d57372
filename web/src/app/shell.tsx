// The frame around all pages: the rail at the left, on a phone a bar at the bottom.
import { useState } from 'react';
import { NavLink, Outlet, useMatch } from 'react-router';
import { useQueryClient } from '@tanstack/react-query';
import { api } from '@/api/client';
import type { Me } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { cx } from '@/lib/cx';
import { useIsNarrow } from '@/lib/use';
import { Icon, type IconName } from '@/ui/icon';
import { Logo, Mark } from '@/ui/logo';
import { Menu, type MenuEntry } from '@/ui/menu';
import { useToast } from '@/ui/toast';
import { ConnectionBar } from '@/app/connection';
import { CommandPalette } from '@/app/command-palette';
import { usePreferenceEntries } from '@/app/preferences';
import { meQuery } from '@/app/session';

const PLACES = [
  { to: '/workflows', icon: 'workflow', name: 'workflows' },
  { to: '/runs', icon: 'activity', name: 'runs' },
  { to: '/approvals', icon: 'check', name: 'approvals' },
  { to: '/prompts', icon: 'pen', name: 'prompts' },
  { to: '/calls', icon: 'spark', name: 'calls' },
  { to: '/about', icon: 'info', name: 'about' },
] as const satisfies { to: string; icon: IconName; name: string }[];

export function Shell({ me }: { me: Me }) {
  const t = useT();
  const toast = useToast();
  const cache = useQueryClient();
  const narrow = useIsNarrow();
  const preferences = usePreferenceEntries();
  const [palette, setPalette] = useState(false);
  // The editor and a run need the room: the rail shrinks to its icons there.
  const editing = useMatch('/workflows/:id') !== null;
  const inRun = useMatch('/runs/:id') !== null;
  const tight = editing || inRun;

  const signOut = async () => {
    try {
      await api.post('/api/signout', {});
    } catch (error) {
      return toast.fail(error);
    }
    cache.clear();
    cache.setQueryData(meQuery.queryKey, null);
  };
  const account: MenuEntry[] = [
    { heading: me.name },
    ...preferences,
    'line',
    { label: t.shell.signOut, icon: 'out', onSelect: () => void signOut() },
  ];

  return (
    <div className="flex h-dvh flex-col md:flex-row">
      <a
        href="#main"
        className="sr-only focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:z-50 focus:rounded-md focus:bg-raised focus:px-3 focus:py-2 focus:shadow-lg"
      >
        {t.shell.skip}
      </a>
      {!narrow && (
        <nav
          aria-label={t.shell.navigation}
          className={cx(
            'flex shrink-0 flex-col border-r bg-surface py-3',
            tight ? 'w-14 items-center px-2' : 'w-56 px-3',
          )}
        >
          <NavLink to="/workflows" aria-label="Heddle" className={cx('rounded-md', tight ? 'p-1' : 'px-2 py-1')}>
            {tight ? <Mark /> : <Logo />}
          </NavLink>
          <button
            type="button"
            onClick={() => setPalette(true)}
            aria-label={t.shell.search}
            data-tip={tight ? `${t.shell.search}  Ctrl K` : undefined}
            className={cx(
              'mt-4 mb-3 flex h-9 items-center rounded-md text-sm text-ink-3',
              tight
                ? 'w-10 justify-center hover:bg-ink/7'
                : 'gap-2 border border-edge/50 bg-raised px-2.5 hover:border-edge',
            )}
          >
            <Icon name="search" size={16} />
            {!tight && (
              <>
                <span className="min-w-0 flex-1 truncate text-left">{t.shell.search}</span>
                <kbd className="text-2xs">Ctrl K</kbd>
              </>
            )}
          </button>
          <ul className="space-y-0.5">
            {PLACES.map(({ to, icon, name }) => (
              <li key={to}>
                <NavLink
                  to={to}
                  aria-label={t.shell[name]}
                  data-tip={tight ? t.shell[name] : undefined}
                  className={({ isActive }) =>
                    cx(
                      'flex h-9 items-center rounded-md font-medium transition-colors',
                      tight ? 'w-10 justify-center' : 'gap-2.5 px-2.5',
                      isActive ? 'bg-indigo-soft text-indigo' : 'text-ink-2 hover:bg-ink/6 hover:text-ink',
                    )
                  }
                >
                  <Icon name={icon} />
                  {!tight && t.shell[name]}
                </NavLink>
              </li>
            ))}
          </ul>
          <span className="flex-1" />
          <Menu
            label={t.shell.account}
            align="start"
            items={account}
            trigger={(props) => (
              <button
                type="button"
                {...props}
                aria-label={t.shell.account}
                className={cx(
                  'flex h-10 items-center rounded-md text-left hover:bg-ink/6',
                  tight ? 'w-10 justify-center' : 'gap-2.5 px-2',
                )}
              >
                <span className="grid size-7 shrink-0 place-items-center rounded-full bg-walnut-soft text-sm font-semibold text-walnut">
                  {me.name.charAt(0).toUpperCase() || '?'}
                </span>
                {!tight && (
                  <>
                    <span className="min-w-0 flex-1 truncate text-sm">{me.name}</span>
                    <Icon name="dots" size={16} className="text-ink-3" />
                  </>
                )}
              </button>
            )}
          />
        </nav>
      )}
      <div className="flex min-h-0 min-w-0 flex-1 flex-col">
        <ConnectionBar />
        <main id="main" tabIndex={-1} className="relative min-h-0 flex-1 overflow-y-auto outline-none!">
          <Outlet />
        </main>
      </div>
      {narrow && !editing && (
        <nav
          aria-label={t.shell.navigation}
          className="flex shrink-0 items-stretch border-t bg-surface pb-[env(safe-area-inset-bottom)]"
        >
          {PLACES.map(({ to, icon, name }) => (
            <NavLink
              key={to}
              to={to}
              className={({ isActive }) =>
                cx(
                  'flex flex-1 flex-col items-center gap-0.5 py-2 text-2xs font-medium -outline-offset-2!',
                  isActive ? 'text-indigo' : 'text-ink-2',
                )
              }
            >
              <Icon name={icon} />
              {t.shell[name]}
            </NavLink>
          ))}
          <Menu
            label={t.shell.account}
            items={account}
            trigger={(props) => (
              <button
                type="button"
                {...props}
                className="flex flex-1 flex-col items-center gap-0.5 py-2 text-2xs font-medium text-ink-2 -outline-offset-2!"
              >
                <Icon name="dots" />
                {t.common.more}
              </button>
            )}
          />
        </nav>
      )}
      <CommandPalette open={palette} onOpen={setPalette} preferences={preferences} />
    </div>
  );
}
