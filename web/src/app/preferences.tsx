// Theme and language, behind one button.
import { useState } from 'react';
import { useI18n } from '@/i18n/i18n';
import { applyTheme, storedTheme, type Theme } from '@/lib/prefs';
import { Menu, type MenuEntry } from '@/ui/menu';
import type { IconName } from '@/ui/icon';

const THEMES: Record<Theme, IconName> = { light: 'sun', dark: 'moon', system: 'monitor' };

export function usePreferenceEntries(): MenuEntry[] {
  const { t, lang, setLang } = useI18n();
  const [theme, setTheme] = useState(storedTheme);
  const put = (next: Theme) => {
    applyTheme(next);
    setTheme(next);
  };
  return [
    { heading: t.shell.theme },
    ...(['light', 'dark', 'system'] as const).map((one) => ({
      label: t.shell.themes[one],
      icon: THEMES[one],
      checked: theme === one,
      onSelect: () => put(one),
    })),
    'line',
    { heading: t.shell.language },
    { label: 'English', checked: lang === 'en', onSelect: () => setLang('en') },
    { label: 'Deutsch', checked: lang === 'de', onSelect: () => setLang('de') },
  ];
}

export function Preferences() {
  const { t } = useI18n();
  return <Menu label={`${t.shell.theme}, ${t.shell.language}`} icon="globe" items={usePreferenceEntries()} />;
}
