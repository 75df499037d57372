// What this browser remembers: theme, language and small things. Storage may be refused; then nothing is kept.

export function recall(key: string): string | null {
  try {
    return localStorage.getItem(`heddle.${key}`);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(`heddle.${key}`);
    else localStorage.setItem(`heddle.${key}`, value);
  } catch {
    // Full or refused: the console works without.
  }
}

/** The same for the life of the tab: for what may hold people's data. */
export const tab = {
  recall(key: string): string | null {
    try {
      return sessionStorage.getItem(`heddle.${key}`);
    } catch {
      return null;
    }
  },
  remember(key: string, value: string | null): void {
    try {
      if (value === null) sessionStorage.removeItem(`heddle.${key}`);
      else sessionStorage.setItem(`heddle.${key}`, value);
    } catch {
      // As above.
    }
  },
};

export type Theme = 'light' | 'dark' | 'system';

export function storedTheme(): Theme {
  const theme = recall('theme');
  return theme === 'light' || theme === 'dark' ? theme : 'system';
}

export function applyTheme(theme: Theme): void {
  remember('theme', theme === 'system' ? null : theme);
  if (theme === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme;
}
